"""Which processes are at work in a folder, told by locks that die with their process.

A lease with a time in it would lie when the clock jumps; the operating system gives a lock back
when its process ends, however it ends.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from exagirl.artifact import file_faults

FOLDER = ".workers"


class Owners:
    """This process among those that work on one folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.name = name

    def is_alive(self, owner: str) -> bool:
        """True while the process that took this name is at work."""
        if owner == self.name:
            return True
        path = self._folder / f"{owner}.lock"
        if not path.exists():
            return False
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return True
        lock.release()
        path.unlink(missing_ok=True)
        return False


@contextmanager
def at_work(folder: Path) -> Iterator[Owners]:
    """Be known as at work until the end of the block."""
    place = folder / FOLDER
    name = uuid.uuid4().hex
    path = place / f"{name}.lock"
    with file_faults(folder):
        place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=0)
        lock.acquire()
    try:
        yield Owners(place, name)
    finally:
        lock.release()
        path.unlink(missing_ok=True)
