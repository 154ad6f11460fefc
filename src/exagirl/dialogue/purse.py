"""What a run may take in all: attempts and dollars, counted with what is in flight."""

from __future__ import annotations

import asyncio

from exagirl.dialogue.journal import Spent


class Purse:
    """Budgets that are never overrun: a request that might is not sent.

    Args:
        spent: What the journal has taken so far.
        max_attempts: The most replies, or None.
        max_dollars: The most US dollars, or None.
    """

    def __init__(self, spent: Spent, max_attempts: int | None, max_dollars: float | None) -> None:
        self.attempts, self.dollars = spent.attempts, spent.dollars
        self._max_attempts, self._max_dollars = max_attempts, max_dollars
        self._in_flight, self._reserved = 0, 0.0
        self._changed = asyncio.Condition()

    async def reserve(self, dollars: float) -> bool:
        """Set money for one request aside, at most so much; False where it cannot be had.

        Waits while requests in flight may turn out cheaper than was set aside for them.
        """
        async with self._changed:
            while not self._has_room(dollars):
                if self._in_flight == 0:
                    return False
                await self._changed.wait()
            self._in_flight += 1
            self._reserved += dollars
            return True

    async def pay(self, reserved: float, dollars: float) -> None:
        """A reply came: it cost this much."""
        self.attempts += 1
        self.dollars += dollars
        await self.give_back(reserved)

    async def give_back(self, reserved: float) -> None:
        """No reply came: nothing was spent."""
        async with self._changed:
            self._in_flight -= 1
            self._reserved -= reserved
            self._changed.notify_all()

    def _has_room(self, dollars: float) -> bool:
        if self._max_attempts is not None and self.attempts + self._in_flight >= self._max_attempts:
            return False
        if self._max_dollars is None:
            return True
        return self.dollars + self._reserved + dollars <= self._max_dollars
