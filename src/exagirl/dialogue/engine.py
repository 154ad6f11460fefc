"""Fill every slot with an accepted dialogue: claim, ask, write down, read, check, ask again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from exagirl.artifact import fingerprint
from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.check import Rejection
from exagirl.dialogue.duplicates import Limits, Near, fingers_of
from exagirl.dialogue.journal import KEPT, Address, Journal, Verdict
from exagirl.dialogue.judge import TRIES, UNREADABLE, Judge
from exagirl.dialogue.line import BACKOFF_S, Halted, Line, LineLost
from exagirl.dialogue.mode import Kept, Mode, Outcome
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.reader import Reader
from exagirl.dialogue.records import Dialogue, Slot
from exagirl.dialogue.tally import Tally
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.voices import Voices
from exagirl.owners import Owners
from exagirl.progress import Watcher
from exagirl.record import Record

TICK_S = 0.25
UNREAD = 512
"""The most replies that may wait to be read while more are asked for."""
AHEAD = 32
"""Requests that stand ready for the moment when one in flight is answered."""
ELSEWHERE_S = 0.3
"""How often a slot is looked at that another process is working on."""


class Filled(Record):
    """What became of the slots."""

    accepted: int
    missing: tuple[str, ...]
    """Keys of slots that stayed open."""
    why_stopped: str = ""
    """``interrupted``, ``budget``, ``yield:TOPIC``, or empty where the run came to its end."""


@dataclass(frozen=True)
class Desk:
    """Where work is written down, and who works there."""

    journal: Journal
    owners: Owners
    order: str
    """Names teacher, prompts and mode; part of a request's hash."""


@dataclass
class _Talk:
    """One slot at work."""

    slot: Slot
    address: Address
    asked: int
    said: list[str] = field(default_factory=list)
    refused: int = 0
    refused_in_a_row: int = 0
    rejection: Rejection | None = None

    @property
    def told(self) -> str:
        """The first retry tells the teacher what was wrong; the next ones start afresh."""
        is_told = self.rejection is not None and self.refused_in_a_row == 1
        return self.rejection.message if is_told and self.rejection else ""


class Engine:
    """Fills slots from its voices into one journal.

    Args:
        voices: Who is asked.
        mode: Whole scripts, or conversations line by line.
        reader: Reads what comes back.
        prompt: Knows who speaks in a slot.
        desk: The journal, and this process among its owners.
        options: Budgets and thresholds.
        backoff_s: The longest first wait after a fault of the line, and the longest of all.
    """

    def __init__(  # noqa: PLR0913 (the parts of a run, each replaceable)
        self,
        voices: Voices,
        mode: Mode,
        reader: Reader,
        prompt: TeacherPrompt,
        desk: Desk,
        options: GenerationOptions,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._voices = voices
        self._mode, self._reader = mode, reader
        self._prompt = prompt
        self._journal, self._owners, self._order = desk.journal, desk.owners, desk.order
        self._options = options
        self._limits = Limits(options.near_dialogue, options.near_opening)
        self._judge = Judge(options.judge) if options.judge and voices.judge else None
        self._line = Line(desk.journal, options, backoff_s)
        self._waiting: deque[Slot] = deque()
        self._elsewhere: deque[Slot] = deque()
        self._tally = Tally([], {})
        self._hashes: dict[str, str] = {}
        self._group: asyncio.TaskGroup | None = None
        self._hired = self._unread = 0
        self._hands = options.workers + AHEAD

    def request_hash(self, slot: Slot) -> str:
        """The hash that a slot's request is known by."""
        found = self._hashes.get(slot.key)
        if found is None:
            found = self._hashes[slot.key] = fingerprint([self._order, slot])
        return found

    def stop(self) -> int:
        """Ask nothing more; returns how many requests are still waited for."""
        self._line.stop("interrupted")
        return self._line.in_flight

    async def fill(
        self, slots: Iterable[Slot], watcher: Watcher, names: dict[str, str] | None = None
    ) -> Filled:
        """Fill the slots with as many workers as the options say.

        Raises:
            TeacherError: The teacher cannot answer at all; what was accepted stays journalled.
            sqlite3.Error: The journal cannot be written.
        """
        ordered = list(slots)
        self._tally = Tally(ordered, names or {})
        for slot in ordered:
            if self._journal.is_closed(slot.key, self.request_hash(slot)):
                self._tally.was_there(slot)
            else:
                self._waiting.append(slot)
        ticker = asyncio.create_task(self._tick(watcher))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._hands, len(self._waiting))):
                    self._hire(group)
        except ExceptionGroup as errors:
            # Every worker met the same fault; one message is enough.
            raise errors.exceptions[0] from None
        finally:
            ticker.cancel()
            watcher.board(self._tally.lines(), self._tally.summary())
        return Filled(
            accepted=self._tally.accepted,
            missing=tuple(
                slot.key
                for slot in ordered
                if not self._journal.is_closed(slot.key, self.request_hash(slot))
            ),
            why_stopped=self._line.why_stopped,
        )

    async def _tick(self, watcher: Watcher) -> None:
        while True:
            watcher.board(self._tally.lines(), self._tally.summary())
            await asyncio.sleep(TICK_S)

    def _hire(self, group: asyncio.TaskGroup) -> None:
        """Start a worker where fewer are free to ask than there should be."""
        self._group = group
        if self._hired - self._unread < self._hands:
            self._hired += 1
            group.create_task(self._work())

    async def _work(self) -> None:
        try:
            await self._work_on()
        finally:
            self._hired -= 1

    async def _work_on(self) -> None:
        while not self._line.is_stopping and self._hired - self._unread <= self._hands:
            if not self._waiting:
                if not self._elsewhere:
                    break
                await self._line.pause(ELSEWHERE_S)
                if self._elsewhere:
                    self._waiting.append(self._elsewhere.popleft())
                continue
            slot = self._waiting.popleft()
            if not self._claim(slot):
                continue
            try:
                await self._fill_one(slot)
            except LineLost:
                continue  # the slot stays open; the next run asks again
            except Halted:
                break
            finally:
                self._journal.release(slot.key, self.request_hash(slot), self._owners.name)

    def _claim(self, slot: Slot) -> bool:
        """Take a slot; False where it is filled by now, or another living process works on it."""
        request = self.request_hash(slot)
        owner = self._journal.claim(slot.key, request, self._owners.name)
        if owner != self._owners.name:
            if self._owners.is_alive(owner):
                self._elsewhere.append(slot)
            else:
                self._journal.release_all(owner)
                self._waiting.appendleft(slot)
            return False
        if self._journal.is_closed(slot.key, request):
            self._tally.was_there(slot)
            self._journal.release(slot.key, request, self._owners.name)
            return False
        return True

    async def _fill_one(self, slot: Slot) -> None:
        request = self.request_hash(slot)
        attempts = self._journal.attempts(slot.key, request)
        talk = _Talk(slot, Address(slot.key, request), asked=len(attempts))
        talk.said = [kept.message for kept in self._journal.kept(slot.key, request)]
        for attempt in attempts:
            is_unread = attempt.verdict is None
            if is_unread and await self._take(talk, attempt.number, attempt.reply):
                return
        while talk.refused <= self._options.rejected_retries:
            question = self._mode.ask(slot, talk.said, talk.told)
            voice = self._voices.user if question.voice == "user" else self._voices.teacher
            asked = voice.request(question.messages, slot.key, talk.asked, as_json=question.as_json)
            talk.asked += 1
            answered = await self._line.ask(voice, asked, talk.address)
            self._tally.paid(answered.dollars)
            if await self._take(talk, answered.attempt, answered.reply):
                return

    async def _take(self, talk: _Talk, attempt: int, reply: ChatReply) -> bool:
        """Read a reply and record what was found; True where the slot is closed now."""
        outcome = await self._read(talk, reply)
        if isinstance(outcome, Kept):
            self._journal.settle(Verdict(attempt, KEPT, outcome.content))
            talk.said.append(outcome.content)
            talk.refused_in_a_row = 0
            return False
        rejection = outcome
        if isinstance(outcome, Dialogue):
            found = await self._admit(talk, attempt, outcome)
            if found is None:
                self._tally.accept(talk.slot)
                return True
            rejection = found
        if isinstance(rejection, Rejection):
            self._refuse(talk, attempt, rejection)
        return False

    async def _read(self, talk: _Talk, reply: ChatReply) -> Outcome:
        """Wait for a reply to be read; another worker asks meanwhile.

        However many work then, no more requests than ``workers`` are in flight: `Line` sees to it.
        """
        self._unread += 1
        if self._group is not None and self._waiting and self._unread < UNREAD:
            self._hire(self._group)
        try:
            return await self._reader.read(talk.slot, talk.said, reply)
        finally:
            self._unread -= 1

    def _refuse(self, talk: _Talk, attempt: int, rejection: Rejection) -> None:
        with self._journal.writing():
            self._journal.settle(Verdict(attempt, rejection.code, rejection.message))
            if rejection.is_whole and talk.said:
                self._journal.drop_kept(*talk.address[:2], rejection.code, rejection.message)
                talk.said.clear()
        talk.rejection = rejection
        talk.refused += 1
        talk.refused_in_a_row += 1
        is_first = talk.refused == 1 and self._options.rejected_retries > 0
        self._tally.refuse(talk.slot, is_pending=is_first)
        if poor := self._tally.poor_topic(self._options.min_yield):
            self._line.stop(f"yield:{poor}")

    async def _admit(self, talk: _Talk, attempt: int, dialogue: Dialogue) -> Rejection | None:
        """Let a dialogue in, or say why not."""
        fingers = fingers_of(dialogue.turns)
        if self._judge is not None:
            near = self._journal.near(dialogue, fingers, self._limits)
            if near is None:
                low = await self._appraise(talk, attempt, dialogue, self._judge)
                if low is not None:
                    return low
        near = self._journal.accept(talk.address, attempt, dialogue, fingers, self._limits)
        return None if near is None else near_rejection(near)

    async def _appraise(
        self, talk: _Talk, attempt: int, dialogue: Dialogue, judge: Judge
    ) -> Rejection | None:
        """Ask the judge, unless it has been asked about this very reply."""
        voice = self._voices.judge
        if voice is None:
            return None
        said = [one.reply for one in self._journal.judgements(attempt)]
        speaker = self._prompt.speaker(talk.slot)
        while True:
            for reply in said:
                if (appraisal := judge.read(reply)) is not None:
                    return judge.verdict(appraisal)
            if len(said) >= TRIES:
                return UNREADABLE
            request = voice.request(
                judge.messages(speaker, dialogue), talk.slot.key, len(said), as_json=True
            )
            address = Address(talk.slot.key, talk.address.request, "judge", attempt)
            answered = await self._line.ask(voice, request, address)
            self._tally.paid(answered.dollars)
            said.append(answered.reply)


def near_rejection(near: Near) -> Rejection:
    """What a teacher is told of a dialogue that is too close to another."""
    if near.part == "opening":
        message = f"첫마디가 이미 받은 대화와 너무 닮았다({near.likeness:.2f}). 다르게 시작한다."
    else:
        message = f"이미 받은 대화와 너무 닮았다({near.likeness:.2f}). 소재와 전개를 바꾼다."
    return Rejection(code=f"near-{near.part}", message=message)
