"""A client that goes away ends the work for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect

Receive = Callable[[], Awaitable[Any]]
T = TypeVar("T")


async def or_gone(receive: Receive, work: Awaitable[T]) -> T:
    """Wait for some work, but no longer than the client waits.

    Args:
        receive: ASGI's, after the body was read.
        work: Cancelled, and waited for, when the client is gone.

    Raises:
        ClientDisconnect: It is gone.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_leaves(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        for one in (task, watch):
            if not one.done():
                one.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
