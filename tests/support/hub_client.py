"""Drives the real huggingface_hub against the double, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exagirl.publish.choice import KINDS
from exagirl.publish.repo import PlannedRepo, plan_repo
from support.hub_server import TOKEN, USER, HubServer

DRIVER = Path(__file__).with_name("hub_driver.py")
QUICK = {"tries": 2, "first_wait_s": 0.05}


@dataclass(frozen=True)
class Outcome:
    """What an upload came to, and everything that it let out."""

    published: dict[str, Any] | None
    error: str
    kind: str
    said: list[str]
    total: int | None
    advanced: int
    summary: str
    is_restored: bool
    """True where huggingface_hub is set as it was before."""
    output: str = field(repr=False)
    """stdout and stderr, with all log lines."""


class Uploader:
    """A process that uploads; it may reach the loopback only, and nobody is logged in there.

    Args:
        home: A folder for it alone.
        variables: More of its environment.
    """

    def __init__(self, home: Path, **variables: str) -> None:
        self._output = home / "output.txt"
        self._process = subprocess.Popen(
            [sys.executable, str(DRIVER)],
            env=environment(home, **variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._process:
            self._process.stdin.close()

    def run(self, hub: HubServer, repos: Sequence[PlannedRepo], **wish: Any) -> Outcome:
        """An upload from begin to end."""
        self.start(hub.url, repos, **wish)
        return self.end()

    def start(
        self,
        url: str | None,
        repos: Sequence[PlannedRepo],
        *,
        private: bool = False,
        tag: str = "run-1",
        title: str = "Exa",
        token: str | None = TOKEN,
        patience: dict[str, float] | None = None,
    ) -> None:
        """Begin an upload."""
        wish = {"private": private, "tag": tag, "title": title, "token": token, "endpoint": url}
        order = {
            "repos": [repo.model_dump(mode="json") for repo in repos],
            "wish": wish,
            "patience": patience,
            "output": str(self._output),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> Outcome:
        """Wait for the upload."""
        reply = self._process.stdout.readline()
        assert reply, "the uploader died"
        return Outcome(**json.loads(reply), output=self._output.read_text())


def folder_of(path: Path, files: dict[str, bytes]) -> Path:
    """Write a folder."""
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def planned(folder: Path, part: str = "model", name: str = "exa") -> PlannedRepo:
    """A folder as the repository of a part."""
    return plan_repo(part, f"{USER}/{name}", KINDS[part], folder)


def environment(home: Path, **more: str) -> dict[str, str]:
    """A process that may reach the loopback only, with nobody logged in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING", "TRANSFORMERS_", "http", "HTTP", "ALL_"))
    }
    return kept | {
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "OMP_NUM_THREADS": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        **more,
    }


def run_python(code: str, server: HubServer, work: Path, **more: str) -> str:
    """What a program prints that downloads from the double."""
    work.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(work / "home", HF_ENDPOINT=server.url, **more),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
