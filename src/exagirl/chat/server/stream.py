"""One reply: it waits for its turn, is spoken, filled with names and cut at a stop string."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from exagirl.chat.filling import Fill, NameStream
from exagirl.chat.server.backend import Backend, Piece, Prompt
from exagirl.chat.server.queue import FairQueue
from exagirl.chat.server.stops import StopFinder
from exagirl.chatmodel.sampling import Sampling


class Ask(NamedTuple):
    """A request that was found in order."""

    prompt: Prompt
    sampling: Sampling
    stops: list[str]
    client: str
    """Whose turn is taken."""


async def speak(
    ask: Ask, backend: Backend, queue: FairQueue, fill: Fill | None
) -> AsyncGenerator[Piece, None]:
    """Yield a reply as it comes; the last piece says how it ended.

    Closing the generator gives the slot back.

    Raises:
        ApiFault: No turn was to be had.
        BackendError: The model failed.
    """
    names, stops = NameStream(fill) if fill else None, StopFinder(ask.stops)
    async with (
        queue.slot(ask.client),
        aclosing(backend.speak(ask.prompt, ask.sampling)) as pieces,  # type: ignore[type-var]
    ):
        async for piece in pieces:
            text = names.feed(piece.text) if names else piece.text
            if piece.finish and names:
                text += names.end()
            text = stops.feed(text)
            finish = "stop" if stops.is_found else piece.finish
            if finish and not stops.is_found:
                text += stops.end()
            if text or finish:
                yield piece._replace(text=text, finish=finish)
            if finish:
                return
