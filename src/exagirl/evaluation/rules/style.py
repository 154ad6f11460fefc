"""Repetition, length, diversity and voice: measures that are no plain share of faults."""

from __future__ import annotations

from exagirl.evaluation.intervals import Interval
from exagirl.evaluation.measuring import Kind, Taken, not_taken, take_mean, take_share, taken
from exagirl.evaluation.rules.counted import Measured
from exagirl.evaluation.rules.diversity import (
    SAMPLE_GRAMS,
    SAMPLE_REPLIES,
    distinct,
    morphemes_of,
    self_bleu,
)
from exagirl.evaluation.rules.voice import SAMPLE_LETTERS, Voice
from exagirl.korean.repetition import repeated_ngram_share

_NO_REFERENCE = "길이의 기준이 되는 대사가 다섯 줄이 안 됩니다. 캐릭터에 보기 대화를 더하세요."
_NO_VOICE = "목소리를 견줄 대사가 캐릭터에 다섯 줄이 안 됩니다. 보기 대화나 보기 말을 더하세요."
_NO_KIWI = "형태소 분석기(kiwipiepy)가 없어 재지 못했습니다."
_FEW_GRAMS = f"형태소가 모자랍니다. 견줄 수 있으려면 {SAMPLE_GRAMS}개가 있어야 합니다."
_FEW_REPLIES = f"답이 모자랍니다. 견줄 수 있으려면 {SAMPLE_REPLIES}개가 있어야 합니다."
_FEW_LETTERS = f"답이 짧습니다. 견줄 수 있으려면 모두 {SAMPLE_LETTERS}자가 있어야 합니다."
_ONE_SAMPLE = "표본 한 벌을 겨우 채워 구간이 없습니다."


def style_measures(measured: Measured) -> tuple[Taken, ...]:
    """Repetition, length, diversity and voice, in this order."""
    return (
        *_repetition(measured),
        *_length(measured),
        *_diversity(measured),
        _voice(measured),
    )


def _repetition(measured: Measured) -> tuple[Taken, Taken]:
    repeated = [one.placed(repeated_ngram_share(one.reply.text)) for one in measured.read]
    likeness = [one.placed(one.likeness) for one in measured.read if one.likeness is not None]
    return (
        take_mean(Kind("rep4", "lower", "ratio"), repeated, seed=measured.seed),
        take_mean(
            Kind("likeness", "lower", "ratio"),
            likeness,
            seed=measured.seed,
            none="앞선 대사가 있는 답이 없습니다.",
        ),
    )


def _length(measured: Measured) -> tuple[Taken, Taken]:
    """Characters of a reply, actions and blanks included."""
    span = measured.reference.lengths
    lengths = [one.placed(len(one.reply.text.strip())) for one in measured.read]
    mean = take_mean(
        Kind("length", "range", "count"),
        lengths,
        seed=measured.seed,
        reference=span,
        note="" if span else _NO_REFERENCE,
    )
    fit = Kind("length_fit", "higher")
    if span is None:
        return mean, Taken(not_taken(fit, _NO_REFERENCE))
    return mean, take_share(
        fit, [one._replace(value=span[0] <= one.value <= span[1]) for one in lengths]
    )


def _diversity(measured: Measured) -> tuple[Taken, ...]:
    kinds = (
        Kind("distinct1", "higher", "ratio"),
        Kind("distinct2", "higher", "ratio"),
        Kind("self_bleu", "lower", "ratio"),
    )
    said = [one.reply.text for one in measured.read if not one.is_empty]
    tokens = morphemes_of(said)
    if tokens is None:
        return tuple(Taken(not_taken(kind, _NO_KIWI)) for kind in kinds)
    return (
        _sampled(kinds[0], distinct(tokens, 1, seed=measured.seed), _FEW_GRAMS),
        _sampled(kinds[1], distinct(tokens, 2, seed=measured.seed), _FEW_GRAMS),
        _sampled(kinds[2], self_bleu(tokens, seed=measured.seed), _FEW_REPLIES),
    )


def _sampled(
    kind: Kind, interval: Interval, few: str, reference: tuple[float, float] | None = None
) -> Taken:
    if interval.value is None:
        return Taken(not_taken(kind, few, reference=reference))
    note = "" if interval.low is not None else _ONE_SAMPLE
    return Taken(taken(kind, interval, reference=reference, note=note))


def _voice(measured: Measured) -> Taken:
    """Closeness to the card's lines; see ``voice.py`` for the formula."""
    kind, voice = Kind("voice", "higher", "ratio"), Voice(measured.reference.lines)
    if not voice.is_known:
        return Taken(not_taken(kind, _NO_VOICE))
    found = voice.closeness([one.reply.text for one in measured.read], seed=measured.seed)
    own = None if found.value is None else voice.own_range(seed=measured.seed)
    return _sampled(kind, found, _FEW_LETTERS, own)
