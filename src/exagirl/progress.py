"""How the library tells a watcher how far it is. It never prints; the command line does."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Somebody who watches a stage: a progress bar, a log, or nobody."""

    def start(self, title: str, total: int | None = None) -> None:
        """A piece of work begins; ``total`` steps are known ahead, or None."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """The running piece of work took ``steps`` steps; ``note`` says how it goes."""

    def finish(self, summary: str = "") -> None:
        """The running piece of work is done."""

    def say(self, line: str) -> None:
        """Something that a person should read once, between the bars."""


class Nobody:
    """A watcher that looks away."""

    def start(self, title: str, total: int | None = None) -> None:
        """Do nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Do nothing."""

    def finish(self, summary: str = "") -> None:
        """Do nothing."""

    def say(self, line: str) -> None:
        """Do nothing."""
