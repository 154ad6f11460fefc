"""A local model as a teacher: requests that wait together are answered as one batch."""

from __future__ import annotations

import asyncio
from threading import Event
from types import TracebackType
from typing import NamedTuple, Self

from exagirl.chatmodel.local import Completion, LocalModel, Sampling
from exagirl.chatmodel.protocol import ChatReply, ChatRequest
from exagirl.errors import ExagirlError, TeacherError


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
        if self._server is not None:
            self._server.cancel()

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
            batch = self._next_batch()
            try:
                completions = await asyncio.to_thread(self._answer, [one.request for one in batch])
            except (ExagirlError, RuntimeError, ValueError) as error:
                self._refuse(batch, error)
                continue
            for one, completion in zip(batch, completions, strict=True):
                if not one.answer.done():
                    one.answer.set_result(_as_reply(completion))

    def _next_batch(self) -> list[_Waiting]:
        """Take requests that are drawn alike, the longest-waiting first."""
        first = self._waiting[0].request
        like = [one for one in self._waiting if _sampling(one.request) == _sampling(first)]
        batch = like[: self._batch_size]
        self._waiting = [one for one in self._waiting if one not in batch]
        if not self._waiting:
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
        told = TeacherError(
            f"로컬 교사가 답하지 못했습니다({error}). 메모리가 모자라면 teacher.batch_size나 "
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
