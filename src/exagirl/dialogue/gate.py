"""The pace of all workers together: budgets a minute, and one pause that a 429 sets for everybody.

Only the monotonic clock is asked; setting the clock of the machine changes nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[bool | None]]
"""Waits so many seconds; returns True where waiting has lost its sense."""


class Gate:
    """One gate for all workers.

    Args:
        requests_per_minute: The most requests to start in a minute, evenly spread.
        tokens_per_minute: The most tokens to ask for in a minute; what a request may take at most
            counts until its answer tells the true number.
        sleep: How to wait; the engine's ends early when the run is stopped.
        clock: What time it is, in seconds; never goes back.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._token_s = 60.0 / tokens_per_minute if tokens_per_minute else 0.0
        self._sleep, self._clock = sleep, clock
        self._opens_at = 0.0
        self._next_request_at = 0.0
        self._next_tokens_at = 0.0

    async def wait(self, tokens: int = 0) -> None:
        """Return when a request of so many tokens may be sent."""
        while True:
            now = self._clock()
            mine = max(now, self._opens_at, self._next_request_at, self._next_tokens_at)
            self._next_request_at = mine + self._request_s
            self._next_tokens_at = mine + tokens * self._token_s
            if mine > now and await self._sleep(mine - now):
                return
            if mine >= self._opens_at:
                return
            # Shut meanwhile: whoever waited takes a new turn behind the others, so that they do
            # not all start at the moment at which it opens.
            self.settle(tokens, 0)

    def settle(self, expected_tokens: int, tokens: int) -> None:
        """Correct the count of tokens by what a request really took."""
        self._next_tokens_at -= (expected_tokens - tokens) * self._token_s

    def close_for(self, seconds: float) -> None:
        """Keep the gate shut for so long, plus jitter."""
        jitter = random.uniform(0, 0.25 * seconds + 0.05)
        self._opens_at = max(self._opens_at, self._clock() + seconds + jitter)
