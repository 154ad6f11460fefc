"""Answers that come in batches, within a day: one more kind of chat model.

Requests that wait together go out as one file. Every batch is written into the journal before it is
sent, under a name of our own that goes along as metadata; so a run that was killed anywhere finds
its batches again, by their id or by that name, and pays for none of them twice. A batch stands open
in the journal until each of its answers was taken by who asked.

Source: OpenAI's guide to the Batch API (files of at most 50,000 requests and 200 MB).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeVar

from exagirl.artifact import fingerprint
from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatReply, ChatRequest, TransportFault
from exagirl.dialogue.batch_endpoint import FINAL, URL, BatchEndpoint, BatchLostError
from exagirl.dialogue.journal import Journal
from exagirl.dialogue.voices import teacher_identity
from exagirl.errors import TeacherError

if TYPE_CHECKING:
    from openai.types import Batch

MAX_REQUESTS = 50_000
MAX_BYTES = 150_000_000
POLL_S = 30.0
GATHER_S = 1.0

Role = Literal["teacher", "judge"]
_T = TypeVar("_T")


class Pace(NamedTuple):
    """How patient a `BatchModel` is, in seconds."""

    poll_s: float = POLL_S
    """How often a batch is looked at."""
    gather_s: float = GATHER_S
    """A batch goes out when no request has joined it for so long."""


class _Unanswered(Exception):  # noqa: N818 (a state of a request)
    """A batch from before is lost, as was told: the request goes into a new one."""


class BatchModel:
    """A chat model whose answers come in batches.

    Args:
        options: The endpoint.
        role: What it is asked for.
        order: Names the order; the batches of others are none of its own.
        journal: Where batches are written down.
        say: Is told, in words, how batches go.
        pace: How patient it is.
    """

    def __init__(
        self,
        options: TeacherOptions,
        role: Role,
        order: str,
        journal: Journal,
        say: Callable[[str], None],
        pace: Pace,
    ) -> None:
        self._model = OpenAICompatibleModel(options)
        self._endpoint = BatchEndpoint(options, self._model)
        self._role = role
        asked = fingerprint([order, teacher_identity(options)])
        self._whom = f"{role} {options.model} {asked[:16]}"
        self._book = journal.batches
        self._say = say
        self._pace = pace
        self._waiting: dict[str, str] = {}  # the request's line in the file
        self._answers: dict[str, asyncio.Future[ChatReply]] = {}  # until they are taken
        self._collected: dict[str, Sequence[str]] = {}
        self._joined = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._resume()
        except BaseException:
            await self._close()
            raise
        self._start(self._gather())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._settle()
        finally:
            await self._close()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._endpoint.close()
        await self._model.__aexit__(None, None, None)

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Wait for the batch that this request goes into, or went into before a restart.

        Raises:
            TransportFault: The request failed or ran out of time; it goes into the next batch.
            TeacherError: The endpoint takes no such batches, or one failed.
        """
        name = self._custom_id(request)
        while True:
            if self._fault is not None:
                raise self._fault
            if name not in self._answers:
                self._join(name, self._model.body(request))
            try:
                reply = await self._answers[name]
            except Exception as error:
                self._answers.pop(name, None)
                if not isinstance(error, _Unanswered):
                    raise
            else:
                # Whoever asked writes it down before anything else happens.
                self._answers.pop(name, None)
                return reply

    def _custom_id(self, request: ChatRequest) -> str:
        """Names a request: the same after a restart, another for every retry.

        After a restart a teacher is not told again what was wrong (its last message), and how many
        tokens it may use can have been changed; an answer that was paid for counts all the same.
        """
        messages = request.messages if self._role == "judge" else request.messages[:1]
        told = [message.model_dump() for message in messages]
        return fingerprint([request.topic_key, request.number, told])[:48]

    def _join(self, name: str, body: dict[str, Any]) -> None:
        line = {"custom_id": name, "method": "POST", "url": URL, "body": body}
        self._waiting[name] = json.dumps(line, ensure_ascii=False)
        self._answers[name] = asyncio.get_running_loop().create_future()
        self._joined.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        """Nobody waits for what can never come."""
        self._fault = error
        self._refuse(list(self._answers), error)

    async def _resume(self) -> None:
        """Find the batches of a run that ended early."""
        asked_later: set[str] = set()
        for batch in reversed(self._book.open_batches(self._whom)):
            remote = batch.remote or await self._find(batch.name)
            if remote is None:  # it was never sent
                self._book.forget(batch.name)
                continue
            self._book.sent(batch.name, remote)
            mine = [one for one in batch.requests if one not in asked_later]
            asked_later.update(mine)
            self._say(f"배치 {remote}을(를) 이어서 기다립니다(요청 {len(mine):,}개).")
            self._follow(batch.name, remote, mine, was_told=batch.was_told)

    async def _find(self, name: str) -> str | None:
        try:
            return await self._endpoint.find(name)
        except TransportFault as fault:
            raise TeacherError(
                f"지난번에 보낸 배치를 찾지 못했습니다({fault}). 인터넷 연결을 확인하고 같은 "
                "명령을 다시 실행하세요."
            ) from fault

    async def _gather(self) -> None:
        """Send a batch whenever requests have stopped joining."""
        while True:
            await self._joined.wait()
            count = -1
            while count != len(self._waiting):
                count = len(self._waiting)
                await asyncio.sleep(self._pace.gather_s)
            self._joined.clear()
            self._settle()
            waiting, self._waiting = self._waiting, {}
            for part in parts_of(waiting):
                await self._send(part)

    def _settle(self) -> None:
        """Be done with every batch whose answers were all taken; they are in the journal."""
        for name, requests in list(self._collected.items()):
            if not any(one in self._answers for one in requests):
                self._book.done(name)
                del self._collected[name]

    async def _send(self, part: Mapping[str, str]) -> None:
        name = uuid.uuid4().hex
        self._book.plan(name, self._whom, list(part))
        file = remote = None
        fault = TransportFault("")
        try:
            file = await self._endpoint.upload(name, list(part.values()))
            remote = await self._endpoint.create(name, file)
        except TransportFault as lost:
            fault = lost
            if file is not None:  # it may have been made, and only the answer was lost
                remote = await self._patiently(self._endpoint.find, name)
        except TeacherError:
            self._book.forget(name)
            raise
        if remote is None:
            self._book.forget(name)
            self._refuse(list(part), fault)
            return
        self._book.sent(name, remote)
        self._say(f"배치 {remote}을(를) 보냈습니다(요청 {len(part):,}개).")
        self._follow(name, remote, list(part))

    def _follow(
        self, name: str, remote: str, requests: Sequence[str], *, was_told: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        for one in requests:
            self._answers.setdefault(one, loop.create_future())
        self._start(self._collect(name, remote, requests, was_told=was_told))

    async def _collect(
        self, name: str, remote: str, requests: Sequence[str], *, was_told: bool
    ) -> None:
        """Wait for a batch and hand its answers out."""
        try:
            batch = await self._finished(remote)
            for file in (batch.output_file_id, batch.error_file_id):
                if file:
                    text = await self._patiently(self._endpoint.download, file)
                    self._hand_out(text, frozenset(requests))
            self._endpoint.check_end(batch)
        except BatchLostError as error:
            self._book.told(name)
            self._refuse(requests, _Unanswered() if was_told else error)
        except TeacherError as error:
            self._refuse(requests, error)
        else:
            self._refuse(requests, TransportFault(f"배치가 답하지 않음({batch.status})"))
            self._collected[name] = requests

    async def _finished(self, remote: str) -> Batch:
        told = ""
        while True:
            batch = await self._patiently(self._endpoint.look, remote)
            counts = batch.request_counts
            done = f"{counts.completed:,}/{counts.total:,} " if counts else ""
            line = f"배치 {remote}: {done}{batch.status}"
            if line != told:
                self._say(line)
            told = line
            if batch.status in FINAL:
                return batch
            await asyncio.sleep(self._pace.poll_s)

    async def _patiently(self, ask: Callable[[str], Awaitable[_T]], what: str) -> _T:
        """Ask until the line holds: what a batch costs is spent, and it waits at the endpoint."""
        is_told = False
        while True:
            try:
                return await ask(what)
            except TransportFault as fault:
                if not is_told:
                    self._say(f"배치에 관해 답이 없어 계속 물어봅니다({fault}).")
                is_told = True
            await asyncio.sleep(self._pace.poll_s)

    def _hand_out(self, text: str, wanted: frozenset[str]) -> None:
        for line in text.split("\n"):
            with contextlib.suppress(
                ValueError, KeyError, TypeError, AttributeError, RecursionError
            ):
                row = json.loads(line)
                name = row["custom_id"]
                answer = self._answers.get(name) if name in wanted else None
                if answer is None or answer.done():
                    continue
                try:
                    answer.set_result(self._endpoint.read(row))
                except (TransportFault, TeacherError) as error:
                    self._refuse([name], error)

    def _refuse(self, requests: Sequence[str], error: BaseException) -> None:
        """Tell whoever waits, or will ask, for requests that have no answer."""
        for one in requests:
            answer = self._answers.get(one)
            if answer is not None and not answer.done():
                answer.set_exception(error)
                answer.exception()  # looked at: perhaps nobody asks


def parts_of(
    lines: Mapping[str, str], most_requests: int = MAX_REQUESTS, most_bytes: int = MAX_BYTES
) -> list[dict[str, str]]:
    """Part requests into files of a size that the endpoint takes."""
    parts: list[dict[str, str]] = []
    size = 0
    for name, line in lines.items():
        length = len(line.encode()) + 1
        if not parts or len(parts[-1]) >= most_requests or size + length > most_bytes:
            parts.append({})
            size = 0
        parts[-1][name] = line
        size += length
    return parts
