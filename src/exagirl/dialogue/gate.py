"""The pace of all workers together: budgets a minute, and one pause that a 429 sets for everybody.

Only the monotonic clock is asked; setting the clock of the machine changes nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[object]]


class Gate:
    """One gate for all workers.

    Args:
        requests_per_minute: The most requests to start in a minute, evenly spread.
        tokens_per_minute: The most tokens to ask for in a minute; what a request may take at most
            counts until its answer tells the true number.
        sleep: How to wait; the engine's ends early when the run is stopped.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._request_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._token_s = 60.0 / tokens_per_minute if tokens_per_minute else 0.0
        self._sleep = sleep
        self._opens_at = 0.0
        self._next_request_at = 0.0
        self._next_tokens_at = 0.0

    async def wait(self, tokens: int = 0) -> None:
        """Return when a request of so many tokens may be sent."""
        now = time.monotonic()
        mine = max(now, self._next_request_at, self._next_tokens_at)
        self._next_request_at = mine + self._request_s
        self._next_tokens_at = mine + tokens * self._token_s
        if mine > now:
            await self._sleep(mine - now)
        while (left := self._opens_at - time.monotonic()) > 0:
            await self._sleep(left)

    def settle(self, expected_tokens: int, tokens: int) -> None:
        """Correct the count of tokens by what a request really took."""
        self._next_tokens_at -= (expected_tokens - tokens) * self._token_s

    def close_for(self, seconds: float) -> None:
        """Keep the gate shut for so long, plus jitter."""
        jitter = random.uniform(0, 0.25 * seconds + 0.05)
        self._opens_at = max(self._opens_at, time.monotonic() + seconds + jitter)
