"""Tells a watcher how many bytes went over the line, each byte once."""

from __future__ import annotations

from threading import Lock

from exagirl.progress import Watcher

STEP_BYTES = 1 << 20
"""A bar moves by steps of this size; smaller ones would only cost time."""


class Meter:
    """Counts the bytes of the file under way.

    A file that is sent again from its start (the line was cut) moves the bar only where it passes
    what was counted before; what the hub had already moves it at the end.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._lock = Lock()
        self._highest: dict[str, int] = {}
        self._name = ""
        self._size = self._told = self._counted = 0

    def begin(self, name: str, size: int) -> None:
        """A file of ``size`` bytes comes next."""
        self._highest = {}
        self._name, self._size, self._told, self._counted = name, size, 0, 0

    def sent(self, url: str, position: int) -> None:
        """The body for ``url`` has been sent up to ``position``."""
        with self._lock:
            before = self._highest.get(url, 0)
            if position <= before:
                return
            self._highest[url] = position
            self._counted = min(self._size, self._counted + position - before)
            if self._counted - self._told >= STEP_BYTES:
                self._tell()

    def end(self) -> None:
        """The file is whole on the other side."""
        with self._lock:
            self._counted = self._size
            self._tell()

    def _tell(self) -> None:
        if self._counted > self._told:
            self._watcher.advance(self._counted - self._told, note=self._name)
            self._told = self._counted
