"""A Space starts from its own folder, with its own code, and shows the character."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from urllib.error import URLError

import pytest
import yaml
from packaging.requirements import Requirement

pytest.importorskip("gradio", reason="the extra 'demo' is not installed")

from exagirl.persona.character import load_character
from exagirl.persona.yaml_file import dump_character
from exagirl.publish.space import SpaceFacts, package_files, requirements, space_texts
from support.merged_models import save_exaone_kind

MOST_BYTES = 6_000_000
START_S = 100.0
INSTALL_S = 3600.0
START = (
    "import runpy, sys; sys.path.insert(0, {folder!r}); import exagirl; "
    "print(exagirl.__file__, flush=True); "
    "runpy.run_path({folder!r} + '/app.py', run_name='__main__')"
)
"""Without anything of this checkout: neither the working folder nor variables of Python."""


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """A written Space."""
    folder = tmp_path_factory.mktemp("space")
    for name, source in package_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(source.read_bytes())
    for name, text in space_texts(SpaceFacts(title="엑사와 이야기하기", model="me/exa")).items():
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny merged model that knows who it is."""
    folder = save_exaone_kind(tmp_path_factory.mktemp("model") / "exa")
    (folder / "character.yaml").write_text(dump_character(load_character("exa")), "utf-8")
    return folder


def front_matter(space):
    """What the Hub reads of a Space."""
    return yaml.safe_load((space / "README.md").read_text("utf-8").split("---\n")[1])


@contextmanager
def started(space, model, python):
    """Start ``app.py`` as a Space does; yields its process, its address and where its code is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "GRADIO", "HF_"))}
    env = kept | {
        "EXAGIRL_MODEL": str(model),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "NO_PROXY": "127.0.0.1",
    }
    log = (model.parent / "log.txt").open("w+")
    process = subprocess.Popen(
        [python, "-I", "-B", "-c", START.format(folder=str(space))],
        env=env,
        cwd=model.parent,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        code = process.stdout.readline().strip()
        yield process, f"http://127.0.0.1:{port}", code
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        log.close()


def fetch(process, address):
    """The answer of an address, as soon as somebody listens."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_S
    while True:
        try:
            with opener.open(address, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except (URLError, ConnectionError):
            assert process.poll() is None, "it ended"
            assert time.monotonic() < end, "it did not start"
            time.sleep(0.2)


def test_what_the_hub_reads_of_a_space_is_whole(space):
    """SDK with the version that is installed here, the file that starts, the model."""
    told = front_matter(space)
    assert told["sdk"] == "gradio"
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["sdk_version"])
    assert told["python_version"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (space / told["app_file"]).is_file()
    assert told["models"] == ["me/exa"]
    assert len(told["short_description"]) <= 60
    assert told["title"] == "엑사와 이야기하기"


def test_the_packages_sources_go_along_and_nothing_compiled(space):
    """With templates and word lists, in a few megabytes."""
    names = [p.relative_to(space).as_posix() for p in space.rglob("*") if p.is_file()]
    assert "exagirl/chat/web/style.css" in names
    assert "exagirl/persona/system_prompt.jinja" in names
    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name]
    assert sum((space / name).stat().st_size for name in names) < MOST_BYTES


def test_the_requirements_are_those_of_the_page_and_of_local_models():
    """With lower bounds; without what tests need, addresses and the package itself."""
    lines = [Requirement(line) for line in requirements()]
    names = {line.name for line in lines}
    assert {"gradio", "torch", "transformers", "kiwipiepy", "pydantic"} <= names
    assert not names & {"exagirl", "pytest", "hypothesis", "matplotlib"}
    assert all(line.specifier and not line.url for line in lines)
    assert len(lines) == len(names)


def test_the_app_opens_the_models_repository_unless_a_variable_says_otherwise(space):
    """In a file short enough to read."""
    text = (space / "app.py").read_text("utf-8")
    assert 'os.environ.get("EXAGIRL_MODEL", "me/exa")' in text
    assert len(text.splitlines()) < 40


@pytest.mark.slow
def test_a_space_starts_from_its_folder_alone_and_names_the_character(space, model):
    """Its code is its own, not this checkout's; the page answers on the loopback."""
    with started(space, model, sys.executable) as (process, address, code):
        status, page = fetch(process, address)
    assert status == 200
    assert code == str(space / "exagirl/__init__.py")
    assert "엑사" in page


@pytest.mark.space
@pytest.mark.timeout(INSTALL_S + START_S)
def test_a_space_starts_in_a_clean_environment(space, model, tmp_path, request):
    """With nothing installed but its requirements."""
    if "space" not in request.config.option.markexpr:
        pytest.skip("installs torch from the package index; ask for it with -m space")
    python = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    install = [python, "-m", "pip", "install", "-q", "-r", space / "requirements.txt"]
    subprocess.run(install, check=True, timeout=INSTALL_S)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format", "json"], capture_output=True, check=True
    )
    assert "exagirl" not in {one["name"] for one in json.loads(listed.stdout)}
    with started(space, model, python) as (process, address, code):
        status, page = fetch(process, address)
    assert status == 200
    assert code == str(space / "exagirl/__init__.py")
    assert "엑사" in page
