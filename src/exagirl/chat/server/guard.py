"""Who may ask at all: checked before a byte of the body is read."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from exagirl.chat.server.faults import ApiFault, too_large, wrong_host, wrong_key
from exagirl.chat.server.keys import HostNames, is_right

OPEN_PATHS = frozenset({"/health"})
SWALLOWED_BYTES = 2**25
SWALLOWED_S = 5.0


class Guard:
    """Lets a request through that calls the right host, shows the key and is not too large.

    Everybody may ask for the health.

    Args:
        app: What is guarded.
        key: None: everybody may ask.
        max_body_bytes: What a request may say that its body has.
        names: What the server goes by.
    """

    def __init__(
        self, app: Any, key: SecretStr | None, max_body_bytes: int, names: HostNames
    ) -> None:
        self._app = app
        self._names = names
        self._key = key
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as ASGI asks for it."""
        fault = self._fault(scope) if scope["type"] == "http" else None
        if fault is None:
            limited = _Limited(receive, self._max_body_bytes)
            await self._app(scope, limited if scope["type"] == "http" else receive, send)
            return
        if fault.status == 413:
            await _swallow(receive)
        await as_response(fault)(scope, receive, send)

    def _fault(self, scope: Any) -> ApiFault | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._names.takes(host):
            return wrong_host(host)
        is_open = self._key is None or scope["path"] in OPEN_PATHS
        if not is_open and not is_right(headers.get("authorization", ""), self._key):
            return wrong_key()
        told = headers.get("content-length", "")
        if told.isdecimal() and int(told[:20]) > self._max_body_bytes:
            return too_large(self._max_body_bytes)
        return None


class _Limited:
    """A body whose length was not told, counted while it comes."""

    def __init__(self, receive: Any, most: int) -> None:
        self._receive = receive
        self._left = most

    async def __call__(self) -> Any:
        event = await self._receive()
        self._left -= len(event.get("body", b""))
        if self._left < 0:
            if event.get("more_body", False):
                await _swallow(self._receive)
            raise HTTPException(413)
        return event


async def _swallow(receive: Any) -> None:
    """Read a body and forget it: a client whose sending is cut off never reads why."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SWALLOWED_S):
            while size < SWALLOWED_BYTES:
                event = await receive()
                size += len(event.get("body", b""))
                if not event.get("more_body", False):
                    return


def as_response(fault: ApiFault) -> JSONResponse:
    """A refusal as a response."""
    return JSONResponse(fault.body, fault.status, headers=fault.headers)
