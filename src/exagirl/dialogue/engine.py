"""Fill every slot with an accepted dialogue: ask, write down, parse, check, ask again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Iterator

from exagirl.artifact import fingerprint
from exagirl.chatmodel.protocol import ChatModel, ChatReply, ChatRequest, TransportFault
from exagirl.dialogue.check import Rejection, check_dialogue
from exagirl.dialogue.journal import Journal
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.records import Dialogue, Slot
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.transcript import parse_transcript
from exagirl.errors import TeacherError, TranscriptError
from exagirl.progress import Watcher
from exagirl.record import Record

BACKOFF_S = (1.0, 60.0)
"""The longest wait after the first transport fault and after any; it doubles in between."""


class Teacher(Record):
    """How the teacher is asked, apart from the prompt."""

    identity: str
    """Names the teacher and its settings; part of a request's hash."""
    temperature: float = 0.9
    max_tokens: int = 1600


class Filled(Record):
    """What became of the slots."""

    dialogues: tuple[Dialogue, ...]
    """In slot order."""
    missing: tuple[str, ...]
    """Keys of slots that stayed open."""


class Gate:
    """One gate for all workers: a 429 closes it for everybody."""

    def __init__(self) -> None:
        self._opens_at = 0.0

    async def wait(self) -> None:
        """Return when the gate is open."""
        while (left := self._opens_at - time.monotonic()) > 0:
            await asyncio.sleep(left)

    def close_for(self, seconds: float) -> None:
        """Keep the gate shut for so long, plus jitter."""
        jitter = random.uniform(0, 0.25 * seconds + 0.05)
        self._opens_at = max(self._opens_at, time.monotonic() + seconds + jitter)


class Engine:
    """Fills slots from one teacher into one journal."""

    def __init__(
        self,
        model: ChatModel,
        teacher: Teacher,
        prompt: TeacherPrompt,
        journal: Journal,
        options: GenerationOptions,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._model = model
        self._teacher = teacher
        self._prompt = prompt
        self._journal = journal
        self._options = options
        self._backoff_s = backoff_s
        self._gate = Gate()
        self._was_answered = False

    async def fill(self, slots: Iterable[Slot], watcher: Watcher) -> Filled:
        """Fill the slots with as many workers as the options say.

        Raises:
            TeacherError: The teacher cannot answer at all; what was accepted stays journalled.
            sqlite3.Error: The journal cannot be written.
        """
        ordered = list(slots)
        waiting = iter(ordered)
        found: dict[str, Dialogue | None] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._options.workers, len(ordered))):
                    group.create_task(self._work(waiting, found, watcher))
        except ExceptionGroup as errors:
            # Every worker met the same fault; one message is enough.
            raise errors.exceptions[0] from None
        return Filled(
            dialogues=tuple(
                dialogue for slot in ordered if (dialogue := found[slot.key]) is not None
            ),
            missing=tuple(slot.key for slot in ordered if found[slot.key] is None),
        )

    async def _work(
        self, waiting: Iterator[Slot], found: dict[str, Dialogue | None], watcher: Watcher
    ) -> None:
        for slot in waiting:
            found[slot.key] = await self._fill_one(slot)
            watcher.advance(note=slot.topic)

    def request_hash(self, slot: Slot) -> str:
        """The hash that a slot's request is known by."""
        return fingerprint(
            {
                "teacher": self._teacher.identity,
                "messages": [m.model_dump() for m in self._prompt.messages(slot)],
            }
        )

    async def _fill_one(self, slot: Slot) -> Dialogue | None:
        request = self.request_hash(slot)
        closed = self._journal.accepted(slot.key, request)
        if closed is not None:
            return closed
        while (unread := self._journal.unread(slot.key, request)) is not None:
            attempt, reply = unread
            outcome = self._judge(slot, request, attempt, reply)
            if isinstance(outcome, Dialogue):
                return outcome
        rejection: Rejection | None = None
        for number in range(self._options.rejected_retries + 1):
            # The first retry tells the teacher what was wrong; the next ones start afresh.
            told = rejection.message if rejection is not None and number == 1 else ""
            answer = await self._ask(slot, request, told)
            if answer is None:
                return None
            outcome = self._judge(slot, request, *answer)
            if isinstance(outcome, Dialogue):
                return outcome
            rejection = outcome
        return None

    async def _ask(self, slot: Slot, request: str, told: str) -> tuple[int, ChatReply] | None:
        """Send one request through transport faults; None when their budget is spent.

        Raises:
            TeacherError: The budget is spent and nobody was ever answered.
        """
        for failures in range(self._options.transport_retries + 1):
            await self._gate.wait()
            started = time.monotonic()
            try:
                reply = await self._model.reply(
                    ChatRequest(
                        messages=self._prompt.messages(slot, told),
                        temperature=self._teacher.temperature,
                        max_tokens=self._teacher.max_tokens,
                        topic_key=slot.key,
                    )
                )
            except TransportFault as fault:
                if failures < self._options.transport_retries:
                    await self._back_off(fault, failures)
                    continue
                if not self._was_answered:
                    raise TeacherError(
                        f"교사가 한 번도 답하지 않았습니다(마지막: {fault}). 서버가 켜져 있는지, "
                        "teacher.base_url과 인터넷 연결을 확인하세요."
                    ) from fault
                return None
            self._was_answered = True
            latency_s = time.monotonic() - started
            return self._journal.write_reply(slot.key, request, reply, latency_s), reply
        return None

    async def _back_off(self, fault: TransportFault, failures: int) -> None:
        if fault.retry_after_s is not None:
            self._gate.close_for(min(fault.retry_after_s, self._backoff_s[1]))
            return
        longest = min(self._backoff_s[0] * 2**failures, self._backoff_s[1])
        await asyncio.sleep(random.uniform(longest / 2, longest))

    def _judge(
        self, slot: Slot, request: str, attempt: int, reply: ChatReply
    ) -> Dialogue | Rejection:
        verdict = self._read(slot, reply)
        if isinstance(verdict, Rejection):
            self._journal.reject(attempt, verdict.code, verdict.message)
        else:
            self._journal.accept(attempt, slot.key, request, verdict)
        return verdict

    def _read(self, slot: Slot, reply: ChatReply) -> Dialogue | Rejection:
        if reply.finish_reason == "length":
            return Rejection(code="cut-off", message="대화가 중간에 끊겼다. 더 짧게 쓴다.")
        try:
            turns = parse_transcript(reply.content)
        except TranscriptError as error:
            return Rejection(code=error.code, message=str(error))
        speaker = self._prompt.speaker(slot)
        rejection = check_dialogue(turns, speaker.check_rules())
        if rejection is not None:
            return rejection
        return Dialogue(
            id=slot.key,
            subset=slot.subset,
            topic=slot.topic,
            character=slot.persona or speaker.name,
            turns=tuple(turns),
            meta={"phrase": slot.phrase},
        )
