"""A local model as a teacher: requests that wait together are answered as one batch."""

from __future__ import annotations

import asyncio
from threading import Event
from types import TracebackType
from typing import NamedTuple, Self

from exagirl.chatmodel.local import Completion, LocalModel, Sampling
from exagirl.chatmodel.protocol import ChatReply, ChatRequest
from exagirl.errors import TeacherError


class _Waiting(NamedTuple):
    request: ChatRequest
    answer: asyncio.Future[ChatReply]


class LocalTeacher:
    """Answers up to ``batch_size`` requests at a time, in a thread of its own."""

    def __init__(self, model: LocalModel, batch_size: int) -> None:
        self._model = model
        self._batch_size = batch_size
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._stop = Event()
        self._server: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._server = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._arrived.set()
        if self._server is not None:
            await self._server  # a batch at work ends after its next token

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Wait for the batch that this request goes into.

        Raises:
            TeacherError: The model cannot answer at all.
        """
        answer: asyncio.Future[ChatReply] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, answer))
        self._arrived.set()
        return await answer

    async def _serve(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(0)  # let every worker that is ready join the batch
            batch = [] if self._stop.is_set() else self._next_batch()
            if batch:
                await self._serve_batch(batch)
            if self._stop.is_set():
                for one in (*batch, *self._waiting):
                    one.answer.cancel()
                return

    async def _serve_batch(self, batch: list[_Waiting]) -> None:
        try:
            completions = await asyncio.to_thread(self._answer, [one.request for one in batch])
        except Exception as error:  # noqa: BLE001 (whatever it is, nobody may wait for ever)
            self._refuse(batch, error)
            return
        if self._stop.is_set():  # what was stopped in the middle is no reply
            return
        for one, completion in zip(batch, completions, strict=True):
            if not one.answer.done():
                one.answer.set_result(_as_reply(completion))

    def _next_batch(self) -> list[_Waiting]:
        """Take requests that are drawn alike, the longest-waiting first."""
        waiting = [one for one in self._waiting if not one.answer.done()]
        batch: list[_Waiting] = []
        rest: list[_Waiting] = []
        for one in waiting:
            is_like = _sampling(one.request) == _sampling(waiting[0].request)
            has_room = len(batch) < self._batch_size
            (batch if is_like and has_room else rest).append(one)
        self._waiting = rest
        if not rest:
            self._arrived.clear()
        return batch

    def _answer(self, requests: list[ChatRequest]) -> list[Completion]:
        conversations = [
            [{"role": message.role, "content": message.content} for message in request.messages]
            for request in requests
        ]
        sampling = _sampling(requests[0]).model_copy(update={"seed": requests[0].seed})
        return self._model.complete(conversations, sampling, self._stop)

    @staticmethod
    def _refuse(batch: list[_Waiting], error: Exception) -> None:
        why = str(error) or type(error).__name__
        told = TeacherError(
            f"로컬 교사가 답하지 못했습니다({why}). 메모리가 모자라면 teacher.batch_size나 "
            "teacher.max_tokens를 줄이세요."
        )
        for one in batch:
            if not one.answer.done():
                one.answer.set_exception(told)


def _sampling(request: ChatRequest) -> Sampling:
    """How a request is drawn, apart from the seed: a batch takes that of its first request."""
    return Sampling(
        max_new_tokens=request.max_tokens,
        temperature=request.temperature,
        repetition_penalty=1.0,
    )


def _as_reply(completion: Completion) -> ChatReply:
    return ChatReply(
        content=completion.text,
        finish_reason="length" if completion.is_cut else "stop",
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
    )
