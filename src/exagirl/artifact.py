"""A run folder: what was made from what.

An artifact is a folder with a ``manifest.json``. The manifest is written last, so where it stands
the artifact is whole; it names the inputs it was made from, so a changed input makes it stale.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from exagirl.errors import ArtifactError
from exagirl.record import Record

MANIFEST = "manifest.json"
LOCK = ".lock"
VERSIONS_OF = ("exagirl", "torch", "transformers", "peft", "accelerate", "datasets", "kiwipiepy")


class FileRecord(Record):
    """One file of an artifact."""

    size: int
    sha256: str


class Manifest(Record):
    """What an artifact consists of, and what it was made from."""

    kind: str
    inputs: dict[str, str]
    files: dict[str, FileRecord]
    notes: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    created: str = ""

    @property
    def digest(self) -> str:
        """A hash of the content alone: the same files give the same digest at any time."""
        return fingerprint({"kind": self.kind, "files": self.files})


class RunFolder:
    """The places of one run below ``runs/NAME``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.dialogues = root / "dialogues"
        self.dataset = root / "dataset"
        self.adapters = root / "adapter"
        self.model = root / "model"
        self.evaluation = root / "evaluation"
        self.answers = root / ".evaluation" / "answers.sqlite"
        self.export = root / "export"
        self.chats = root / "chats"

    def adapter(self, stage: str) -> Path:
        """The folder of the adapter as it stands after a stage."""
        return self.adapters / stage

    @contextmanager
    def locked(self, wait_s: float = 0.0) -> Iterator[None]:
        """Keep every other process out of this run.

        Args:
            wait_s: How long another process may take to leave.

        Raises:
            ArtifactError: The folder cannot be written, or another process works in it.
        """
        make_folder(self.root)
        lock = FileLock(self.root / LOCK, timeout=wait_s)
        with file_faults(self.root):
            try:
                lock.acquire()
            except Timeout as error:
                raise ArtifactError(
                    f"{self.root}: 다른 exagirl이 이 실행 폴더에서 일하고 있습니다. 끝나기를 "
                    "기다리거나, 레시피의 name을 바꾸거나, --runs로 다른 폴더를 쓰세요."
                ) from error
        try:
            yield
        finally:
            lock.release()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process writes the files of a folder, and keep them out meanwhile."""
    make_folder(folder)
    with file_faults(folder), FileLock(folder / LOCK):
        yield


def fingerprint(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, as 64 hexadecimal digits."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.model_dump(mode="json")
    raise TypeError(f"cannot fingerprint {type(value).__name__}")


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def make_folder(path: Path) -> Path:
    """Make a folder with its parents.

    Raises:
        ArtifactError: It cannot be made or written.
    """
    with file_faults(path):
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
    return path


@contextmanager
def file_faults(path: Path) -> Iterator[None]:
    """Turn the operating system's faults into a message that says what to do."""
    try:
        yield
    except PermissionError as error:
        raise ArtifactError(
            f"{path}: 쓸 권한이 없습니다. 권한을 바꾸거나 --runs로 다른 폴더를 쓰세요."
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _no_space(path) from error
        raise ArtifactError(
            f"{path}: 파일을 다룰 수 없습니다({error.strerror or error})."
        ) from error
    except Exception as error:
        # Libraries written in Rust (safetensors, tokenizers) tell the number in words, torch.save
        # tells none at all.
        words = (f"os error {errno.ENOSPC}", "PytorchStreamWriter failed", ". unexpected pos ")
        if any(word in str(error) for word in words):
            raise _no_space(path) from error
        raise


def _no_space(path: Path) -> ArtifactError:
    free = shutil.disk_usage(_existing(path)).free
    return ArtifactError(
        f"{path}: 디스크에 자리가 없습니다({free / 1e6:.0f} MB 남음). 자리를 비우거나 --runs로 "
        "다른 디스크를 쓴 뒤 같은 명령을 다시 실행하세요. 끝난 단계는 다시 하지 않습니다."
    )


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file beside its target and rename it when it is whole."""
    return _write(path, (text,))


def has_text(path: Path, text: str) -> bool:
    """True where a file holds just this text."""
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write lines as `write_text` writes a text, without holding them all."""
    return _write(path, (line + "\n" for line in lines))


def _write(path: Path, pieces: Iterable[str]) -> Path:
    aside = path.with_name(f".{path.name}.partial")
    with file_faults(path):
        with aside.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(pieces)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    return path


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of an artifact, or None where there is no readable one."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError, ValueError):
        return None


def need(folder: Path, command: str) -> Manifest:
    """The manifest of a finished artifact.

    Args:
        folder: The artifact.
        command: What makes it.

    Raises:
        ArtifactError: It was not made yet.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactError(f"{folder}: 아직 만들어지지 않았습니다. 먼저 '{command}'을 실행하세요.")
    return manifest


def foreign_files(folder: Path, kind: str = "") -> list[str]:
    """Files at a place that its manifest does not name, and so nobody may replace unasked.

    Args:
        folder: Where an artifact is to be written; a file that stands there is foreign itself.
        kind: Of which kind the artifact has to be; empty: of any.
    """
    if not folder.is_dir():
        return [folder.name] if folder.exists() else []
    manifest = read_manifest(folder)
    is_ours = manifest is not None and kind in ("", manifest.kind)
    known = {MANIFEST, *manifest.files} if manifest is not None and is_ours else set()
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return sorted(found - known)


def is_complete(folder: Path, inputs: Mapping[str, str]) -> bool:
    """True where the artifact was finished from just these inputs and its files still stand."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.inputs != dict(inputs):
        return False
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == file.size
        for name, file in manifest.files.items()
    )


def seal(
    folder: Path,
    kind: str,
    inputs: Mapping[str, str],
    *,
    notes: Mapping[str, Any] | None = None,
    leave_out: tuple[str, ...] = (),
    known: Mapping[str, FileRecord] | None = None,
) -> Manifest:
    """Declare a folder whole: hash its files and write the manifest, last.

    Args:
        folder: The artifact.
        kind: What it is: ``dialogues``, ``dataset``, ``adapter``, ``model``, ``evaluation``.
        inputs: Name to hash of everything it was made from.
        notes: Facts worth keeping (counts, losses).
        leave_out: Names of files and folders that may go on changing, such as a journal.
        known: Files that were hashed while they were written; they are not read again.
    """
    known = known or {}
    with file_faults(folder):
        files = {
            path.relative_to(folder).as_posix(): known.get(path.relative_to(folder).as_posix())
            or FileRecord(size=path.stat().st_size, sha256=hash_file(path))
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not _left_out(path.relative_to(folder), leave_out)
        }
    manifest = Manifest(
        kind=kind,
        inputs=dict(inputs),
        files=files,
        notes=dict(notes or {}),
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_text(folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
    return manifest


def unseal(folder: Path) -> None:
    """Take the manifest away, before the files of a folder change."""
    with file_faults(folder):
        (folder / MANIFEST).unlink(missing_ok=True)


def _left_out(path: Path, names: tuple[str, ...]) -> bool:
    """True for hidden files, the manifest, and what stands under one of the names.

    SQLite writes beside ``journal.sqlite`` a ``journal.sqlite-wal``.
    """
    first = path.parts[0]
    return (
        any(part.startswith(".") for part in path.parts)
        or first == MANIFEST
        or any(first == name or first.startswith(f"{name}-") for name in names)
    )


@contextmanager
def new_artifact(folder: Path) -> Iterator[Path]:
    """Work in an empty folder beside the target; it takes the target's place when all went well.

    The body writes its files and seals the folder it was given. What it leaves when it fails is
    deleted: a full disk gets its room back.
    """
    aside, old = (folder.with_name(f".{folder.name}.{word}") for word in ("partial", "old"))
    make_folder(folder.parent)
    with file_faults(folder):
        for leftover in (aside, old):
            shutil.rmtree(leftover, ignore_errors=True)
        aside.mkdir()
        try:
            yield aside
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        if folder.exists():
            folder.replace(old)  # in one step: no half-deleted folder looks finished
        aside.replace(folder)
        shutil.rmtree(old, ignore_errors=True)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that shape results; absent ones are left out."""
    found = {"python": platform.python_version()}
    for name in VERSIONS_OF:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
