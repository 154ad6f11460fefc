"""The Batch API of OpenAI as one more chat model: half the price, answers within a day.

Requests that wait together go out as one file. Every batch is written into the journal before it is
sent, under a name of our own that goes along as metadata; so a run that was killed anywhere finds
its batches again, by their id or by that name, and pays for none of them twice.

Source: OpenAI's guide to the Batch API (files of at most 50,000 requests and 200 MB).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx2
import openai

from exagirl.artifact import Manifest
from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel, read_answer
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.price import BATCH_DISCOUNT, price_of
from exagirl.chatmodel.protocol import ChatReply, ChatRequest, TransportFault
from exagirl.dialogue.generate import fill_order
from exagirl.dialogue.journal import Journal
from exagirl.dialogue.order import Order
from exagirl.dialogue.voices import Voice, Voices
from exagirl.errors import RecipeError, TeacherError
from exagirl.progress import Watcher

ENDPOINT = "/v1/chat/completions"
METADATA = "exagirl"
MAX_REQUESTS = 50_000
MAX_BYTES = 150_000_000
POLL_S = 30.0
GATHER_S = 1.0
"""A batch goes out when no request has joined it for so long."""
_LISTED_BATCHES = 1000
_FINAL = frozenset(("completed", "failed", "expired", "cancelled"))


class _Waiting(NamedTuple):
    line: str
    answer: asyncio.Future[ChatReply]


class BatchModel:
    """A chat model whose answers come in batches.

    Args:
        options: The endpoint.
        journal: Where batches are written down.
        say: Is told, in words, how batches go.
        poll_s: How often a batch is looked at.
        gather_s: How long no request may have joined before a batch goes out.
    """

    def __init__(
        self,
        options: TeacherOptions,
        journal: Journal,
        say: Callable[[str], None],
        poll_s: float = POLL_S,
        gather_s: float = GATHER_S,
    ) -> None:
        self._model = OpenAICompatibleModel(options)
        self._options = options
        self._book = journal.batches
        self._say = say
        self._poll_s, self._gather_s = poll_s, gather_s
        self._waiting: dict[str, _Waiting] = {}
        self._under_way: dict[str, asyncio.Future[ChatReply]] = {}
        self._joined = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._model.__aenter__()
        for name, remote, requests in self._book.open_batches(self._options.model):
            found = remote or await self._find(name)
            if found is None:  # it was never sent
                self._book.forget(name)
                continue
            self._book.sent(name, found)
            self._say(f"배치 {found}을(를) 이어서 기다립니다(요청 {len(requests):,}개).")
            self._follow(name, found, requests)
        self._start(self._gather())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._model.__aexit__(kind, error, trace)

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Wait for the batch that this request goes into, or went into before a restart.

        Raises:
            TransportFault: The request failed or ran out of time; it goes into the next batch.
            TeacherError: The endpoint takes no such batches.
        """
        body = self._model.body(request)
        name = _custom_id(request, body)
        answer = self._under_way.get(name)
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            line = {"custom_id": name, "method": "POST", "url": ENDPOINT, "body": body}
            self._waiting[name] = _Waiting(json.dumps(line, ensure_ascii=False), answer)
            self._joined.set()
        return await answer

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _gather(self) -> None:
        """Send a batch whenever requests have stopped joining."""
        while True:
            await self._joined.wait()
            count = -1
            while count != len(self._waiting):
                count = len(self._waiting)
                await asyncio.sleep(self._gather_s)
            self._joined.clear()
            self._book.settle()  # who asks again has written the earlier answer down
            waiting, self._waiting = self._waiting, {}
            for part in _parts(waiting):
                await self._send(part)

    async def _send(self, part: dict[str, _Waiting]) -> None:
        name = uuid.uuid4().hex
        self._under_way.update({one: waiting.answer for one, waiting in part.items()})
        self._book.plan(name, self._options.model, list(part))
        try:
            remote = await self._create(name, [waiting.line for waiting in part.values()])
        except (TransportFault, TeacherError) as error:
            self._book.forget(name)
            self._fail(list(part), error)
            return
        self._book.sent(name, remote)
        self._say(f"배치 {remote}을(를) 보냈습니다(요청 {len(part):,}개).")
        self._follow(name, remote, list(part))

    async def _create(self, name: str, lines: Sequence[str]) -> str:
        content = "\n".join(lines).encode() + b"\n"
        client = self._model.client
        with self._faults():
            file = await client.files.create(file=(f"{name}.jsonl", content), purpose="batch")
            batch = await client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={METADATA: name},
            )
        return batch.id

    @contextlib.contextmanager
    def _faults(self) -> Any:
        try:
            yield
        except openai.NotFoundError as error:
            raise TeacherError(
                f"{self._options.base_url or 'OpenAI'}: 배치 API가 없거나 배치가 사라졌습니다"
                "(HTTP 404). --batch 없이 실행하세요."
            ) from error
        except openai.OpenAIError as error:
            raise self._model.fault(error) from error
        except httpx2.HTTPError as error:
            raise TransportFault(type(error).__name__) from error

    async def _find(self, name: str) -> str | None:
        """The id of a batch that was sent but not written down, if there is one."""
        looked = 0
        with self._faults():
            async for batch in self._model.client.batches.list(limit=100):
                if (batch.metadata or {}).get(METADATA) == name:
                    return str(batch.id)
                looked += 1
                if looked >= _LISTED_BATCHES:
                    break
        return None

    def _follow(self, name: str, remote: str, requests: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        for one in requests:
            self._under_way.setdefault(one, loop.create_future())
        self._start(self._collect(name, remote, requests))

    async def _collect(self, name: str, remote: str, requests: Sequence[str]) -> None:
        """Wait for a batch and hand its answers out."""
        try:
            batch = await self._finished(remote)
            if batch.status == "failed":
                raise _failure(batch)
            for file in (batch.output_file_id, batch.error_file_id):
                if file:
                    self._hand_out(await self._download(file))
        except TeacherError as error:
            self._fail(requests, error)
        else:
            self._fail(requests, TransportFault(f"배치가 답하지 않음({batch.status})"))
        self._book.collected(name)

    async def _finished(self, remote: str) -> Any:
        told = None
        while True:
            with contextlib.suppress(TransportFault), self._faults():
                batch = await self._model.client.batches.retrieve(remote)
                counts = batch.request_counts
                done = (batch.status, counts.completed if counts else 0)
                if done != told and counts:
                    told = done
                    self._say(
                        f"배치 {remote}: {counts.completed:,}/{counts.total:,} {batch.status}"
                    )
                if batch.status in _FINAL:
                    return batch
            await asyncio.sleep(self._poll_s)

    async def _download(self, file: str) -> str:
        while True:
            with contextlib.suppress(TransportFault), self._faults():
                content = await self._model.client.files.content(file)
                return content.text
            await asyncio.sleep(self._poll_s)

    def _hand_out(self, text: str) -> None:
        for line in text.split("\n"):
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                row = json.loads(line)
                answer = self._under_way.pop(row["custom_id"], None)
                if answer is None or answer.done():
                    continue
                try:
                    answer.set_result(_read_row(row))
                except (TransportFault, TeacherError) as error:
                    _refuse(answer, error)

    def _fail(self, requests: Sequence[str], error: Exception) -> None:
        for one in requests:
            answer = self._under_way.pop(one, None)
            if answer is not None and not answer.done():
                _refuse(answer, error)


def _failure(batch: Any) -> TeacherError:
    faults = (batch.errors and batch.errors.data) or ()
    told = "; ".join(str(one.message) for one in faults)[:300]
    return TeacherError(f"배치 {batch.id}이(가) 실패했습니다. {told}")


def _refuse(answer: asyncio.Future[ChatReply], error: Exception) -> None:
    answer.set_exception(error)
    answer.exception()  # looked at: nobody may be waiting for what a killed run had asked


def _custom_id(request: ChatRequest, body: dict[str, Any]) -> str:
    """Names a request: the same after a restart, another for every retry."""
    told = json.dumps([request.topic_key, request.number, body], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:48]


def _read_row(row: dict[str, Any]) -> ChatReply:
    response = row.get("response") or {}
    status = response.get("status_code", 0)
    if status == 200:
        return read_answer(response.get("body"))
    if 400 <= status < 500 and status not in (408, 409, 429):
        told = json.dumps(response.get("body"), ensure_ascii=False)[:200]
        raise TeacherError(f"배치의 요청이 거절되었습니다(HTTP {status}). {told}")
    raise TransportFault(f"배치의 요청이 실패함(HTTP {status})")


def _parts(waiting: dict[str, _Waiting]) -> list[dict[str, _Waiting]]:
    """Part requests into files of a size that the endpoint takes."""
    parts: list[dict[str, _Waiting]] = [{}]
    size = 0
    for name, one in waiting.items():
        length = len(one.line.encode()) + 1
        if parts[-1] and (len(parts[-1]) >= MAX_REQUESTS or size + length > MAX_BYTES):
            parts.append({})
            size = 0
        parts[-1][name] = one
        size += length
    return parts


def generate_by_batch(
    order: Order,
    *,
    folder: Path,
    watcher: Watcher,
    poll_s: float = POLL_S,
    gather_s: float = GATHER_S,
) -> Manifest:
    """Fill every slot over the Batch API; the promise of `generate_dialogues`.

    Ctrl-C stops at once; batches that were sent go on at the endpoint, and the same command
    collects them.

    Raises:
        RecipeError: The teacher or the mode does not go with batches.
    """
    if order.teacher.kind != "openai":
        raise RecipeError("--batch는 teacher.kind가 openai일 때만 쓸 수 있습니다.")
    if order.options.mode != "script":
        raise RecipeError(
            "--batch는 generation.mode: script에서만 쓸 수 있습니다. simulation은 한 마디마다 "
            "답을 기다려야 합니다."
        )
    patient = {"workers": MAX_REQUESTS, "requests_per_minute": None, "tokens_per_minute": None}

    @asynccontextmanager
    async def open_voices(journal: Journal) -> AsyncIterator[Voices]:
        async with contextlib.AsyncExitStack() as stack:

            async def voice(options: TeacherOptions) -> Voice:
                price = price_of(options)
                model = BatchModel(options, journal, watcher.say, poll_s, gather_s)
                return Voice(
                    await stack.enter_async_context(model),
                    options,
                    price.times(BATCH_DISCOUNT) if price else None,
                )

            teacher = await voice(order.teacher)
            judge = order.options.judge
            yield Voices(teacher, teacher, await voice(judge.teacher) if judge else None)

    options = order.options.model_copy(update=patient)
    return fill_order(
        order._replace(options=options),
        open_voices,
        folder=folder,
        watcher=watcher,
        is_patient=False,
    )
