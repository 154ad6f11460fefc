"""A reply as the measures see it: read and checked once, counted many times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exagirl.evaluation.measuring import Placed
from exagirl.evaluation.scores import Finding, Reply
from exagirl.korean.actions import has_action
from exagirl.korean.check import Rules, check_turn
from exagirl.korean.repetition import similarity
from exagirl.korean.script import count_letters
from exagirl.korean.speech import SpeechLevel, sentence_levels


class Sentence(NamedTuple):
    """One sentence that is said aloud."""

    text: str
    level: SpeechLevel
    scenario: str


class ReadReply(NamedTuple):
    """A reply with what was read in it."""

    reply: Reply
    """With its findings."""
    sentences: tuple[Sentence, ...]
    has_action: bool
    hangul_share: float | None
    """Hangul among the letters, those of the character's foreign words left out; 0.0 of an empty
    reply, None of one that says something without letters (``…``)."""
    likeness: float | None
    """To the most similar of the character's earlier turns; None where there is none."""

    def placed(self, value: float) -> Placed:
        """A value of this reply, in its scenario."""
        return Placed(self.reply.scenario, value)

    @property
    def is_empty(self) -> bool:
        """True where nothing was said."""
        return not self.reply.text.strip()

    @property
    def level(self) -> SpeechLevel:
        """Of the whole reply: polite if any sentence is."""
        levels = {sentence.level for sentence in self.sentences}
        return "polite" if "polite" in levels else "banmal" if "banmal" in levels else "none"


def read_reply(reply: Reply, rules: Rules) -> ReadReply:
    """Check one reply, and read what is counted in it."""
    text = reply.text
    found = check_turn(text, rules, [turn.content for turn in reply.before])
    findings = tuple(
        Finding(
            code=one.code,
            message=one.message,
            excerpt=text[one.start : one.end],
            severity=one.severity,
        )
        for one in found
    )
    earlier = [turn.content for turn in reply.before if turn.role == "assistant"]
    return ReadReply(
        reply=reply.model_copy(update={"findings": findings}),
        sentences=tuple(
            Sentence(one.text, one.level, reply.scenario) for one in sentence_levels(text)
        ),
        has_action=has_action(text),
        hangul_share=_hangul_share(text, rules),
        likeness=max((similarity(text, one) for one in earlier), default=None),
    )


def sentences_of(read: Iterable[ReadReply]) -> Iterator[Sentence]:
    """All sentences of replies."""
    for one in read:
        yield from one.sentences


def _hangul_share(text: str, rules: Rules) -> float | None:
    if not text.strip():
        return 0.0
    for word in rules.foreign_words:
        if word and word in text:
            text = re.sub(re.escape(word), " ", text)
    letters = count_letters(text)
    return letters.hangul_share if letters.hangul + letters.latin + letters.other else None
