"""The application: its routes, and what each of them answers."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from exagirl.chat.filling import Fill
from exagirl.chat.server.backend import Backend, Piece
from exagirl.chat.server.events import EventStream
from exagirl.chat.server.faults import ApiFault, BackendError, unknown_model
from exagirl.chat.server.gone import or_gone
from exagirl.chat.server.guard import Guard, as_response
from exagirl.chat.server.keys import HostNames
from exagirl.chat.server.options import ServeOptions
from exagirl.chat.server.queue import FairQueue
from exagirl.chat.server.reading import Reader
from exagirl.chat.server.stream import Ask, speak
from exagirl.chat.server.telling import explain, explain_http, explain_invalid
from exagirl.chat.server.wire import (
    ChatAnswer,
    ChatBody,
    Choice,
    ChunkWriter,
    ErrorAnswer,
    Health,
    ModelCard,
    ModelList,
    SaidMessage,
    usage_of,
)

SEEDS = 2**63
GONE = 499
"""Nobody reads this status any more; other servers log the same one."""
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": what}
    for status, what in {
        400: "요청이 잘못됨",
        401: "키가 없거나 틀림",
        403: "받지 않는 Host 헤더",
        404: "그런 모델이 없음",
        413: "본문이 너무 큼",
        429: "기다리는 요청이 너무 많음",
        500: "모델의 문제",
        503: "서버가 꺼지는 중",
    }.items()
}


def build_app(
    backend: Backend, options: ServeOptions, *, fill: Fill | None = None, system: str = ""
) -> FastAPI:
    """The OpenAI-compatible API of one character.

    ``/openapi.json`` documents it; the page ``/docs`` is off, as it would load scripts from
    elsewhere. ``app.state.queue`` tells how many run and wait; closing it begins the end.

    Args:
        backend: What speaks; it is opened and closed with the application.
        options: Limits, key and origins.
        fill: Puts names for the placeholders of a whole reply.
        system: The system message of requests that bring none; empty: none is added.
    """
    queue = FairQueue(backend.slots, options.max_queue)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with backend.running():
            yield

    app = FastAPI(
        title=f"exagirl · {backend.name}",
        summary="OpenAI와 같은 형식으로 캐릭터와 이야기하는 API.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={status: REFUSALS[status] for status in (401, 403)},
    )
    app.state.queue = queue
    _add_faults(app, options)
    _add_models(app, backend, queue)
    _add_chat(app, _Speaker(backend, queue, fill), Reader(backend, options, system))
    app.add_middleware(
        Guard,
        key=options.api_key,
        max_body_bytes=options.max_body_bytes,
        names=HostNames(options.host, options.hosts),
    )
    if options.cors:
        # Outside of the guard: a browser asks without the key first, and must read refusals too.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(options.cors),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return app


class _Speaker:
    """Speaks what is asked."""

    def __init__(self, backend: Backend, queue: FairQueue, fill: Fill | None) -> None:
        self.backend = backend
        self.queue = queue
        self._fill = fill

    def begin(self, ask: Ask) -> AsyncGenerator[Piece, None]:
        return speak(ask, self.backend, self.queue, self._fill)

    async def whole(self, ask: Ask) -> tuple[str, Piece]:
        """The text, and the last piece."""
        texts, last = [], Piece("")
        async for piece in self.begin(ask):
            texts.append(piece.text)
            last = piece
        return "".join(texts), last


def _add_models(app: FastAPI, backend: Backend, queue: FairQueue) -> None:
    card = ModelCard(id=backend.name, created=int(time.time()))

    @app.get("/health", tags=["health"])
    async def health() -> Health:
        """서버가 살아 있는지. 키가 필요 없다."""
        status = "draining" if queue.is_closed else "ok"
        return Health(status=status, running=queue.running, waiting=queue.waiting)

    @app.get("/v1/models", tags=["models"])
    async def models() -> ModelList:
        """있는 모델."""
        return ModelList(data=[card])

    @app.get("/v1/models/{model:path}", tags=["models"], responses={404: REFUSALS[404]})
    async def model(model: str) -> ModelCard:
        """모델 하나."""
        if model != backend.name:
            raise unknown_model(model, backend.name)
        return card


def _add_chat(app: FastAPI, speaker: _Speaker, reader: Reader) -> None:
    @app.post(
        "/v1/chat/completions",
        tags=["chat"],
        response_model=ChatAnswer,
        responses=REFUSALS | {200: {"content": {"text/event-stream": {}}}},
    )
    async def chat(body: ChatBody, request: Request) -> Response:
        """답 하나. stream이 true면 조각마다 사건 하나씩 보내고 [DONE]으로 끝낸다."""
        speaker.queue.check()
        content = await asyncio.to_thread(reader.read, body)
        client = request.client.host if request.client else ""
        ask = content._replace(client=client)
        if ask.sampling.seed is None:
            seed = random.randrange(SEEDS)
            ask = ask._replace(sampling=ask.sampling.model_copy(update={"seed": seed}))
        reply_id, created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
        if body.stream:
            options = body.stream_options
            writer = ChunkWriter(
                reply_id=reply_id,
                created=created,
                model=speaker.backend.name,
                with_usage=bool(options and options.include_usage),
            )
            pieces = speaker.begin(ask)
            first = await or_gone(request.receive, anext(pieces))
            return EventStream(first, pieces, writer, explain)
        text, last = await or_gone(request.receive, speaker.whole(ask))
        finish = "length" if last.finish == "length" else "stop"
        answer = ChatAnswer(
            id=reply_id,
            created=created,
            model=speaker.backend.name,
            choices=[Choice(message=SaidMessage(content=text), finish_reason=finish)],
            usage=usage_of(last),
        )
        return Response(answer.model_dump_json(), media_type="application/json")


def _add_faults(app: FastAPI, options: ServeOptions) -> None:
    @app.exception_handler(ApiFault)
    async def refused(_request: Request, fault: ApiFault) -> Response:
        return as_response(fault)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return as_response(explain_invalid(error))

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> Response:
        return as_response(explain_http(error, options.max_body_bytes))

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=GONE)

    @app.exception_handler(BackendError)
    @app.exception_handler(Exception)
    async def failed(_request: Request, error: Exception) -> Response:
        return as_response(explain(error))
