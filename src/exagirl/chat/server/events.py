"""A reply as server-sent events.

Source: WHATWG HTML, "Server-sent events"; the form of the events is OpenAI's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from exagirl.chat.server.backend import Piece
from exagirl.chat.server.faults import ApiFault
from exagirl.chat.server.gone import or_gone
from exagirl.chat.server.wire import DONE, ChunkWriter, usage_of


class EventStream(Response):
    """Sends every piece when it is there; ends the reply when the client goes away.

    Args:
        first: The first piece, which has come already, so that what fails before has a status.
        pieces: The others.
        writer: Writes the events.
        explain: Makes a refusal of whatever went wrong in the middle.
    """

    media_type = "text/event-stream"

    def __init__(
        self, first: Piece, pieces: AsyncGenerator[Piece, None], writer: ChunkWriter, explain: Any
    ) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._first = first
        self._pieces = pieces
        self._writer = writer
        self._explain = explain

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 (ASGI's)
        """Answer as ASGI asks for it; nobody is left to be told that the client has gone."""
        async with aclosing(self._pieces):
            with suppress(ClientDisconnect):
                await or_gone(receive, self._send_all(send))

    async def _send_all(self, send: Any) -> None:
        async def put(data: bytes, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": more})

        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        writer = self._writer
        head = writer.delta({"role": "assistant", "content": ""})
        try:
            await put(head + self._event(self._first))
            last = self._first
            async for piece in self._pieces:
                await put(self._event(piece))
                last = piece
        except Exception as error:  # noqa: BLE001 (whatever it is, the client must hear of it)
            fault: ApiFault = self._explain(error)
            await put(writer.fault(fault) + DONE, more=False)
            return
        await put(writer.end(usage_of(last)), more=False)

    def _event(self, piece: Piece) -> bytes:
        said = self._writer.delta({"content": piece.text}) if piece.text else b""
        return said + self._writer.delta({}, piece.finish) if piece.finish else said
