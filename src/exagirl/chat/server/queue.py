"""Whose turn it is: clients one after the other, and of one client the first come first."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exagirl.chat.server.faults import queue_is_full, shutting_down

LONGEST_RETRY_S = 60
FIRST_GUESS_S = 5.0
SMOOTHING = 0.2


class FairQueue:
    """Lets so many requests in at once; the others wait in line.

    A free slot goes to the client that was served longest ago, whoever asked more often.

    Args:
        slots: How many are let in at once.
        most_waiting: How many may wait.
    """

    def __init__(self, slots: int, most_waiting: int) -> None:
        self._slots = slots
        self._most_waiting = most_waiting
        self._running = 0
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._is_closed = False
        self._usual_s = FIRST_GUESS_S

    @property
    def running(self) -> int:
        """How many are let in."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._lines.values()))

    @property
    def is_closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._is_closed

    @asynccontextmanager
    async def slot(self, client: str) -> AsyncIterator[None]:
        """Wait for a slot and hold it.

        Raises:
            ApiFault: 429 where too many wait; 503 where the queue is closed, also while waiting.
        """
        await self._enter(client)
        begin = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - begin
            self._usual_s += SMOOTHING * (took - self._usual_s)
            self._leave()

    def check(self) -> None:
        """Refuse now what would be refused anyway, before any work is done for it.

        Raises:
            ApiFault: As for `slot`.
        """
        if self._is_closed:
            raise shutting_down()
        if self._running >= self._slots and self.waiting >= self._most_waiting:
            raise queue_is_full(self._retry_after_s())

    def close(self) -> None:
        """Refuse who waits and who comes; who was let in stays."""
        self._is_closed = True
        for line in self._lines.values():
            for place in line:
                if not place.done():
                    place.set_exception(shutting_down())
        self._lines.clear()

    async def _enter(self, client: str) -> None:
        self.check()
        if self._running < self._slots and not self._lines:
            self._running += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(client, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._leave()  # its turn came in the moment in which it went away
            else:
                self._forget(client, place)
            raise

    def _leave(self) -> None:
        self._running -= 1
        while self._running < self._slots and self._lines:
            client, line = self._lines.popitem(last=False)
            place = line.popleft()
            if line:
                self._lines[client] = line  # behind all others
            if not place.done():
                self._running += 1
                place.set_result(None)

    def _forget(self, client: str, place: asyncio.Future[None]) -> None:
        line = self._lines.get(client)
        if line is not None and place in line:
            line.remove(place)
            if not line:
                del self._lines[client]

    def _retry_after_s(self) -> int:
        rounds = (self.waiting + 1) / max(1, self._slots)
        return max(1, min(LONGEST_RETRY_S, math.ceil(rounds * self._usual_s)))
