"""Shares of replies and of sentences, and what is right for the character."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from exagirl.evaluation.intervals import wilson
from exagirl.evaluation.measuring import Kind, Placed, Taken, not_taken, take_mean, take_share
from exagirl.evaluation.rules.families import FAMILIES, has_fault
from exagirl.evaluation.rules.reading import ReadReply, sentences_of
from exagirl.evaluation.rules.reference import FEWEST_LINES, Reference
from exagirl.korean.speech import sentence_levels
from exagirl.persona.character import Character

_OLD = "하오체 같은 옛 말투라 반말·존댓말로 나눌 수 없습니다. 대신 끝말(endings)을 보세요."
_NO_LEVEL = "반말인지 존댓말인지 드러나는 문장이 없습니다."
_NO_ENDINGS = "캐릭터 파일에 정해 둔 끝말이 없습니다."
_NO_SENTENCES = "소리 내어 한 말이 없습니다."


class Measured(NamedTuple):
    """What is measured, and against what."""

    read: tuple[ReadReply, ...]
    character: Character
    reference: Reference
    seed: int


def reply_measures(measured: Measured) -> tuple[Taken, ...]:
    """Shares of whole replies and of sentences."""
    return (
        take_share(Kind("empty", "lower"), [one.placed(one.is_empty) for one in measured.read]),
        take_share(Kind("cut", "lower"), [one.placed(one.reply.is_cut) for one in measured.read]),
        violations(measured),
        level(measured),
        level_replies(measured),
        _endings(measured),
        _forbidden_endings(measured),
        hangul(measured),
        action_rate(measured),
        _action_form(measured),
    )


def fault_measures(measured: Measured) -> tuple[Taken, ...]:
    """For every family of findings, the share of replies that have one."""
    return tuple(_fault(measured, family) for family in FAMILIES)


def violations(measured: Measured) -> Taken:
    """Replies with at least one finding of severity error."""
    return take_share(
        Kind("violations", "lower"),
        [
            one.placed(any(f.severity == "error" for f in one.reply.findings))
            for one in measured.read
        ],
    )


def level(measured: Measured) -> Taken:
    """Sentences at the character's level, among those whose level shows."""
    kind, speech = Kind("level", "higher"), measured.character.speech
    if speech.is_old:
        return Taken(not_taken(kind, _OLD))
    hits = [
        Placed(one.scenario, one.level == speech.level)
        for one in sentences_of(measured.read)
        if one.level != "none"
    ]
    return take_share(kind, hits, none=_NO_LEVEL)


def level_replies(measured: Measured) -> Taken:
    """Replies at the character's level, among those whose level shows."""
    kind, speech = Kind("level_replies", "higher"), measured.character.speech
    if speech.is_old:
        return Taken(not_taken(kind, _OLD))
    hits = [one.placed(one.level == speech.level) for one in measured.read if one.level != "none"]
    return take_share(kind, hits, none=_NO_LEVEL)


def hangul(measured: Measured) -> Taken:
    """Hangul among the letters of a reply, the mean over replies."""
    values = [one.placed(one.hangul_share) for one in measured.read if one.hangul_share is not None]
    return take_mean(
        Kind("hangul", "higher"), values, seed=measured.seed, none="글자가 든 답이 없습니다."
    )


def action_rate(measured: Measured) -> Taken:
    """Replies with at least one whole action, against the character's range."""
    return take_share(
        Kind("action_rate", "range"),
        [one.placed(one.has_action) for one in measured.read],
        reference=_action_range(measured.character),
    )


def _action_form(measured: Measured) -> Taken:
    """Replies that act as the character should: an action, and no fault in any marker.

    Of a character that need not act, only replies with markers count.
    """
    must_act = measured.character.actions.min_share > 0
    looked_at = [one for one in measured.read if must_act or "*" in one.reply.text]
    return take_share(
        Kind("action_form", "higher"),
        [
            one.placed(one.has_action and not has_fault(one.reply.findings, "action_faults"))
            for one in looked_at
        ],
        none="행동을 쓴 답이 없습니다." if measured.read else "잰 답이 없습니다.",
    )


def _action_range(character: Character) -> tuple[float, float]:
    return character.actions.min_share, character.actions.max_share


def _fault(measured: Measured, family: str) -> Taken:
    kind = Kind(family, "lower")
    if family == "level_slips" and measured.character.speech.is_old:
        return Taken(not_taken(kind, _OLD))
    return take_share(
        kind, [one.placed(has_fault(one.reply.findings, family)) for one in measured.read]
    )


def _endings(measured: Measured) -> Taken:
    """Sentences that end as the card likes, held against the card's own lines."""
    kind, speech = Kind("endings", "range"), measured.character.speech
    if not speech.endings:
        return Taken(not_taken(kind, _NO_ENDINGS))
    return take_share(
        kind,
        [
            Placed(one.scenario, speech.ends_as_declared(one.text))
            for one in sentences_of(measured.read)
        ],
        reference=_own_endings(measured.reference, speech.ends_as_declared),
        none=_NO_SENTENCES,
    )


def _forbidden_endings(measured: Measured) -> Taken:
    """Sentences that end as the card forbids."""
    kind, speech = Kind("forbidden_endings", "lower"), measured.character.speech
    if not speech.forbidden_endings:
        return Taken(not_taken(kind, _NO_ENDINGS))
    ends = [
        Placed(one.scenario, speech.ends_as_forbidden(one.text))
        for one in sentences_of(measured.read)
    ]
    return take_share(kind, ends, none=_NO_SENTENCES)


def _own_endings(reference: Reference, ends: Callable[[str], bool]) -> tuple[float, float] | None:
    """How often the card's own sentences end so: the interval of the share."""
    sentences = [one.text for line in reference.lines for one in sentence_levels(line)]
    if len(sentences) < FEWEST_LINES:
        return None
    share = wilson(sum(map(ends, sentences)), len(sentences))
    return share.low, share.high
