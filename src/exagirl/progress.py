"""How the library tells a watcher how far it is. It never prints; the command line does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class BoardLine(NamedTuple):
    """One of several pieces of work that go on side by side."""

    label: str
    done: int
    total: int
    note: str = ""
    """What else there is to say of it: how much was refused."""


class Watcher(Protocol):
    """Somebody who watches a stage: a progress bar, a log, or nobody."""

    def start(self, title: str, total: int | None = None) -> None:
        """A piece of work begins; ``total`` steps are known ahead, or None."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """The running piece of work took ``steps`` steps; ``note`` says how it goes."""

    def board(self, lines: Sequence[BoardLine], summary: str) -> None:
        """How every part of the running piece of work stands, in place of ``advance``."""

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

    def board(self, lines: Sequence[BoardLine], summary: str) -> None:
        """Do nothing."""

    def finish(self, summary: str = "") -> None:
        """Do nothing."""

    def say(self, line: str) -> None:
        """Do nothing."""
