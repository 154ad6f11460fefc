"""Dice of replies: repeated under a seed, but not where the same is asked again."""

from __future__ import annotations

from threading import Lock

from exagirl.chat.backend import Messages


class Dice:
    """Counts how often the same was asked in a row; safe for threads.

    Who asks the same again wants another reply, also under a fixed seed.
    """

    def __init__(self) -> None:
        self._last: Messages = []
        self._again = 0
        self._lock = Lock()

    def seed(self, messages: Messages, first: int | None) -> int | None:
        """The seed of the next reply to messages.

        Args:
            messages: What is asked.
            first: The seed when it is asked for the first time; None where none is fixed.

        Returns:
            ``first`` plus how often the same was asked just before; None where none is fixed.
        """
        with self._lock:
            self._again = self._again + 1 if messages == self._last else 0
            self._last = [dict(message) for message in messages]
            return None if first is None else first + self._again
