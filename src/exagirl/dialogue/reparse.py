"""Read every raw reply again after a parser or a check changed. Nobody is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exagirl.artifact import fingerprint
from exagirl.dialogue.check import Rejection
from exagirl.dialogue.duplicates import Fingers, Limits, Seen, fingers_of
from exagirl.dialogue.engine import near_rejection
from exagirl.dialogue.journal import ACCEPTED, KEPT, Address, Attempt, Journal, Verdict
from exagirl.dialogue.judge import Judge
from exagirl.dialogue.mode import Kept, Mode
from exagirl.dialogue.records import Dialogue, Slot
from exagirl.progress import Watcher


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


class Rereader:
    """Goes through the journal slot by slot; each slot changes in one transaction.

    Likeness is looked for among what this pass accepts, in slot order, so the outcome depends on
    the replies and the checks alone.
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
        for slot in slots:
            before = self._journal.is_closed(slot.key, fingerprint([self._order, slot]))
            after = self._read_one(slot)
            accepted += after
            won += after and not before
            lost += before and not after
            watcher.advance(note=slot.topic)
        return Reread(accepted, won, lost)

    def _read_one(self, slot: Slot) -> bool:
        request = fingerprint([self._order, slot])
        attempts = self._journal.attempts(slot.key, request)
        if not attempts:
            return False
        # What was accepted stays so if it still may; the others follow in the order they came.
        conversations = sorted(
            self._conversations(slot, attempts), key=lambda many: many[-1].verdict != ACCEPTED
        )
        verdicts: list[Verdict] = []
        found: _Found | None = None
        for conversation in conversations:
            told, here = self._read_conversation(slot, conversation, is_open=found is None)
            verdicts += told
            found = found or here
        self._journal.resettle(Address(slot.key, request), verdicts, found)
        if found is not None:
            self._seen.add(found.attempt, found.fingers)
            self._texts[found.attempt] = found.dialogue
        return found is not None

    def _conversations(self, slot: Slot, attempts: Sequence[Attempt]) -> list[list[Attempt]]:
        """Part the replies of a slot into dialogues: one reply each, or one line each."""
        if self._mode.replies(slot) == 1:
            return [[attempt] for attempt in attempts]
        return [list(attempts)]

    def _read_conversation(
        self, slot: Slot, attempts: Sequence[Attempt], *, is_open: bool
    ) -> tuple[list[Verdict], _Found | None]:
        verdicts: list[Verdict] = []
        said: list[str] = []
        kept: list[int] = []
        for attempt in attempts:
            outcome = self._mode.read(slot, said, attempt.reply)
            if isinstance(outcome, Kept):
                verdicts.append(Verdict(attempt.number, KEPT, outcome.content))
                said.append(outcome.content)
                kept.append(attempt.number)
                continue
            if isinstance(outcome, Dialogue):
                admitted = self._admit(attempt, outcome, is_open=is_open)
                if isinstance(admitted, _Found):
                    return verdicts, admitted
                if admitted is None:
                    return [*verdicts, Verdict(attempt.number, None)], None
                outcome = admitted
            verdicts.append(Verdict(attempt.number, outcome.code, outcome.message))
            if outcome.is_whole:
                verdicts += [Verdict(number, outcome.code, outcome.message) for number in kept]
                said, kept = [], []
        return verdicts, None

    def _admit(
        self, attempt: Attempt, dialogue: Dialogue, *, is_open: bool
    ) -> _Found | Rejection | None:
        if not is_open:
            return Rejection(code="spare", message="이 자리는 다른 답으로 채워졌다.")
        fingers = fingers_of(dialogue.turns)
        near = self._seen.near(dialogue, fingers, self._limits)
        if near is not None:
            return near_rejection(near)
        if self._judge is None:
            return _Found(attempt.number, dialogue, fingers)
        for judged in self._journal.judgements(attempt.number):
            appraisal = self._judge.read(judged.reply)
            if appraisal is not None:
                low = self._judge.verdict(appraisal)
                return low or _Found(attempt.number, dialogue, fingers)
        return None  # nobody has judged it yet; the next generate will ask
