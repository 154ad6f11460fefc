"""Read every raw reply again after a parser or a check changed. Nobody is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from exagirl.artifact import fingerprint
from exagirl.dialogue.check import Rejection
from exagirl.dialogue.duplicates import Fingers, Limits, Seen, fingers_of
from exagirl.dialogue.engine import near_rejection
from exagirl.dialogue.journal import KEPT, Address, Attempt, Journal, Verdict
from exagirl.dialogue.judge import TRIES, UNREADABLE, Judge
from exagirl.dialogue.mode import Kept, Mode
from exagirl.dialogue.records import Dialogue, Slot
from exagirl.dialogue.talks import ADRIFT, SPARE, Talk, part_talks
from exagirl.progress import Watcher

TAKEN = Rejection(code=SPARE, message="이 자리는 다른 답으로 채워졌다.")
LOST_THREAD = "앞말이 바뀌어 이어지지 않는다."


class Reread(NamedTuple):
    """What became of the slots."""

    accepted: int
    won: int
    """Slots that were open and are filled now."""
    lost: int
    """Slots that were filled and are open now."""


class _Found(NamedTuple):
    attempt: int
    dialogue: Dialogue
    fingers: Fingers


class _Read(NamedTuple):
    """What became of one dialogue."""

    verdicts: list[Verdict]
    found: _Found | None = None
    stands: bool = False
    """True where it is accepted, waits for a judge, or goes on: no other one of the slot may."""


class Rereader:
    """Goes through the journal slot by slot; each slot changes in one transaction.

    What was accepted stays if it still may, so that reading again with the same checks changes
    nothing. Then the open slots are looked at, in their order.
    """

    def __init__(
        self, journal: Journal, order: str, mode: Mode, limits: Limits, judge: Judge | None
    ) -> None:
        self._journal, self._order, self._mode = journal, order, mode
        self._limits, self._judge = limits, judge
        self._texts: dict[int, Dialogue] = {}
        self._seen = Seen(self._texts.get)

    def read(self, slots: Iterable[Slot], watcher: Watcher) -> Reread:
        """Read all slots again."""
        accepted = won = lost = 0
        later: list[tuple[Slot, bool]] = []
        for slot in slots:
            was_closed = self._journal.is_closed(slot.key, self._request(slot))
            if was_closed and self._stays(slot):
                accepted += 1
                watcher.advance(note=slot.topic)
            else:
                later.append((slot, was_closed))
        for slot, was_closed in later:
            is_closed = self._fill(slot)
            accepted += is_closed
            won += is_closed and not was_closed
            lost += was_closed and not is_closed
            watcher.advance(note=slot.topic)
        return Reread(accepted, won, lost)

    def _request(self, slot: Slot) -> str:
        return fingerprint([self._order, slot])

    def _talks(self, slot: Slot) -> list[Talk]:
        attempts = self._journal.attempts(slot.key, self._request(slot))
        return part_talks(attempts, self._mode.replies(slot))

    def _stays(self, slot: Slot) -> bool:
        """Read a filled slot; where its dialogue may not stay, nothing is changed yet."""
        talks = self._talks(slot)
        for talk in talks:
            if talk.is_accepted:
                read = self._read_talk(slot, talk, is_open=True)
                if read.found is not None:
                    return self._settle(slot, read, [one for one in talks if one is not talk])
        return False

    def _fill(self, slot: Slot) -> bool:
        """Read a slot; the first dialogue that may, fills it."""
        talks = sorted(self._talks(slot), key=lambda talk: not talk.is_accepted)
        return self._settle(slot, _Read([]), talks)

    def _settle(self, slot: Slot, read: _Read, others: list[Talk]) -> bool:
        """Write down what was read of a slot, and read its other dialogues."""
        verdicts, found, is_open = read.verdicts, read.found, not read.stands
        for talk in others:
            one = self._read_talk(slot, talk, is_open=is_open)
            verdicts += one.verdicts
            found = found or one.found
            is_open = is_open and not one.stands
        self._journal.resettle(Address(slot.key, self._request(slot)), verdicts, found)
        if found is not None:
            self._seen.add(found.attempt, found.fingers)
            self._texts[found.attempt] = found.dialogue
        return found is not None

    def _read_talk(self, slot: Slot, talk: Talk, *, is_open: bool) -> _Read:
        """Read one dialogue; nothing is written."""
        if not talk.is_finished and not is_open:
            return _Read(_adrift(*talk.places, talk.tries))
        said: list[str] = []
        kept: list[Verdict] = []
        for line in talk.lines:
            outcome = self._mode.read(slot, said, line.reply)
            if isinstance(outcome, Rejection) and talk.is_finished:
                return _Read(_refuse_whole(talk, len(kept), outcome))
            if isinstance(outcome, Rejection):
                return self._go_back(slot, talk, kept)
            if isinstance(outcome, Kept):
                kept.append(Verdict(line.number, KEPT, outcome.content))
                said.append(outcome.content)
        return self._read_tries(slot, talk, kept, is_open=is_open)

    def _go_back(self, slot: Slot, talk: Talk, kept: list[Verdict]) -> _Read:
        """Take a conversation that goes on back to a line that does not pass any more."""
        at = len(kept)
        shorter = Talk(talk.places[:at], talk.places[at], is_finished=False)
        read = self._read_tries(slot, shorter, kept, is_open=True)
        after = _adrift(*talk.places[at + 1 :], talk.tries)
        return read._replace(verdicts=[*read.verdicts, *after])

    def _read_tries(self, slot: Slot, talk: Talk, kept: list[Verdict], *, is_open: bool) -> _Read:
        """Read what was said at the end of a dialogue: the latest reply that passes goes on.

        What came after that one has no place any more.
        """
        said = [verdict.message for verdict in kept]
        refused: list[Verdict] = []
        for attempt in reversed(talk.tries):
            after = [verdict._replace(verdict=ADRIFT, message=LOST_THREAD) for verdict in refused]
            outcome = self._mode.read(slot, said, attempt.reply)
            if isinstance(outcome, Kept):
                here = Verdict(attempt.number, KEPT, outcome.content)
                return _Read([*kept, here, *after], stands=True)
            if isinstance(outcome, Dialogue):
                admitted = self._admit(attempt, outcome, is_open=is_open)
                if isinstance(admitted, _Found):
                    return _Read([*kept, *after], admitted, stands=True)
                if admitted is None:
                    waits = Verdict(attempt.number, None)
                    return _Read([*kept, waits, *after], stands=bool(kept))
                outcome = admitted
            if talk.is_finished or outcome.is_whole:
                shorter = talk._replace(tries=(attempt,))
                return _Read([*_refuse_whole(shorter, len(kept), outcome), *after])
            refused.append(Verdict(attempt.number, outcome.code, outcome.message))
        return _Read([*kept, *refused], stands=bool(kept))

    def _admit(
        self, attempt: Attempt, dialogue: Dialogue, *, is_open: bool
    ) -> _Found | Rejection | None:
        """Let a dialogue in; None where nobody has judged it, which the next generate will ask."""
        if not is_open:
            return TAKEN
        fingers = fingers_of(dialogue.turns)
        near = self._seen.near(dialogue, fingers, self._limits)
        if near is not None:
            return near_rejection(near)
        found = _Found(attempt.number, dialogue, fingers)
        if self._judge is None:
            return found
        judged = self._journal.judgements(attempt.number)
        for one in judged:
            appraisal = self._judge.read(one.reply)
            if appraisal is not None:
                return self._judge.verdict(appraisal) or found
        return UNREADABLE if len(judged) >= TRIES else None


def _refuse_whole(talk: Talk, position: int, fault: Rejection) -> list[Verdict]:
    """Refuse every line of a conversation; it may come back as it was.

    The message names the line that a fault was found in.
    """
    told = fault.message
    if talk.lines and not fault.is_whole:
        who = "gpt" if position % 2 else "human"
        told = f"{who}{position // 2 + 1}: {told}"
    return [Verdict(one.number, fault.code, told) for one in (*talk.lines, *talk.tries)]


def _adrift(*places: Iterable[Attempt]) -> list[Verdict]:
    return [Verdict(one.number, ADRIFT, LOST_THREAD) for place in places for one in place]
