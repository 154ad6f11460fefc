"""How far a judge can be trusted: it is shown faults that were planted on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exagirl.artifact import fingerprint
from exagirl.dialogue.records import Turn
from exagirl.evaluation.judging.judge import Compared, Judge
from exagirl.evaluation.judging.line import together
from exagirl.evaluation.judging.options import JudgingOptions
from exagirl.evaluation.judging.planted import FAULTS, FaultKind, Planted, plant_faults
from exagirl.evaluation.judging.reading import Points, Silence
from exagirl.evaluation.measuring import Kind, Placed, mean_of, share_of
from exagirl.evaluation.scores import JudgeCertificate, Measure
from exagirl.persona.character import Character
from exagirl.progress import Watcher

PADDING = "padding"
LEAST_PAIRS = 10
"""With fewer a judge that guesses passes too easily: at this many, and a threshold of 0.7, fewer
than one in two hundred would (binomial, one in four found by chance)."""
LOW_SCORE = 2.0
"""A clean dialogue that gets no more than this in any dimension was accused of a fault."""
NOT_PLANTED = "이 캐릭터의 대화에는 심지 못했습니다."
NOT_READ = "읽을 수 있는 심사가 없습니다."


class _Tried(NamedTuple):
    """One planted fault, and all that the judge said of it."""

    planted: Planted
    compared: Compared
    clean: Points | Silence
    faulted: Points | Silence

    @property
    def is_found(self) -> bool:
        """True where the clean one won in both orders; of padding, where it never lost."""
        if self.planted.kind == PADDING:
            return self.compared.first != 0 and self.compared.second != 0
        return self.compared.first == 1 and self.compared.second == 1

    @property
    def is_marked_down(self) -> bool | None:
        """True where the fault cost points; None where a score is missing."""
        if isinstance(self.clean, Silence) or isinstance(self.faulted, Silence):
            return None
        return self.faulted.mean < self.clean.mean


async def certify(
    judge: Judge,
    dialogues: Sequence[Sequence[Turn]],
    character: Character,
    options: JudgingOptions,
    *,
    seed: int,
    watcher: Watcher,
) -> JudgeCertificate:
    """Show a judge pairs of a clean and a faulted dialogue, and both of them alone.

    A fault is found where the clean dialogue wins in both orders; a judge that guesses finds a
    quarter. Padding adds length and nothing else: there it is enough not to prefer it.

    Args:
        judge: Who is tried.
        dialogues: Good ones of the character.
        character: Who speaks in them.
        options: How many a kind, and the thresholds.
        seed: Chooses what is planted where, and resamples for the intervals.
        watcher: Told about every pair.

    Raises:
        TeacherError: The judge cannot answer at all; what was answered is kept.
    """
    planted = plant_faults(dialogues, character, count=options.certify_pairs, seed=seed)
    watcher.start("심사 시험", len(planted))
    clean = {_key(one.clean): one.clean for one in planted if one.kind != PADDING}
    scored = await together(judge.score(turns) for turns in clean.values())
    by_key = dict(zip(clean, scored, strict=True))

    async def attempt(one: Planted) -> _Tried:
        unasked = Silence(why="lost")
        compared = await judge.compare(one.clean, one.faulted)
        faulted = unasked if one.kind == PADDING else await judge.score(one.faulted)
        watcher.advance(note=one.kind)
        return _Tried(one, compared, by_key.get(_key(one.clean), unasked), faulted)

    tried = await together(attempt(one) for one in planted)
    alone = [*scored, *(one.faulted for one in tried)]
    certificate = _certificate(judge.name, tried, alone, options, seed)
    watcher.finish(certificate.reason)
    return certificate


def _key(turns: Sequence[Turn]) -> str:
    return fingerprint(list(turns))


def _certificate(
    name: str,
    tried: Sequence[_Tried],
    alone: Sequence[Points | Silence],
    options: JudgingOptions,
    seed: int,
) -> JudgeCertificate:
    read = [one for one in tried if one.compared.value is not None]
    silences = [one.why for one in alone if isinstance(one, Silence)]
    points = sum(isinstance(one, Points) for one in alone)
    unreadable = sum(one.compared.unreadable for one in tried) + silences.count("unreadable")
    refused = sum(one.compared.refused for one in tried) + silences.count("refused")
    answered = sum(2 - one.compared.lost for one in tried if not one.compared.is_same)
    padded = [one for one in read if one.planted.kind == PADDING]
    fair = (round(1 - options.max_length_preference, 6), options.max_length_preference)
    certificate = JudgeCertificate(
        judge=name,
        is_trusted=False,
        reason="",
        detection={kind: _detection(kind, tried) for kind in FAULTS},
        false_alarms=_false_alarms(alone[: len(alone) - len(tried)]),
        flip_rate=share_of(
            Kind("flip_rate", "lower", "share", "arena"),
            [one.compared.is_flipped for one in read],
            none=NOT_READ,
        ),
        length_preference=mean_of(
            Kind("length_preference", "range", "share", "arena"),
            [Placed(one.planted.scenario, 1 - (one.compared.value or 0.0)) for one in padded],
            seed=seed,
            none=NOT_READ if tried else NOT_PLANTED,
        ).model_copy(update={"reference": fair}),
        unreadable=unreadable,
        refused=refused,
        asked=answered + points + silences.count("unreadable") + silences.count("refused"),
    )
    faults = _faults(certificate, tried, options)
    reason = f"믿지 않는 까닭: {' '.join(faults)}" if faults else _praise(certificate, tried)
    return certificate.model_copy(update={"is_trusted": not faults, "reason": reason})


def _detection(kind: FaultKind, tried: Sequence[_Tried]) -> Measure:
    mine = [one for one in tried if one.planted.kind == kind]
    marked = [one.is_marked_down for one in mine if one.is_marked_down is not None]
    note = f"따로 점수를 매기면 {len(marked)}건 가운데 {sum(marked)}건에서 점수가 내려갔습니다."
    return share_of(
        Kind(f"detection.{kind}", "higher", "share", "arena"),
        [one.is_found for one in mine if one.compared.value is not None],
        none=NOT_READ if mine else NOT_PLANTED,
        note=note if marked else "",
    )


def _false_alarms(clean: Sequence[Points | Silence]) -> Measure:
    """How often a dialogue without fault was given a low score."""
    return share_of(
        Kind("false_alarms", "lower", "share", "interview"),
        [
            any(point.score <= LOW_SCORE for point in one.by_name.values())
            for one in clean
            if isinstance(one, Points)
        ],
        none=NOT_READ,
    )


def _faults(
    certificate: JudgeCertificate, tried: Sequence[_Tried], options: JudgingOptions
) -> list[str]:
    """Why a judge is not to be trusted, a sentence each; none where it is."""
    real = [one for one in tried if one.planted.kind != PADDING]
    found = [one.is_found for one in real if one.compared.value is not None]
    marked = [one.is_marked_down for one in real if one.is_marked_down is not None]
    told: list[str] = []
    if len(found) < LEAST_PAIRS:
        told.append(
            f"읽을 수 있는 시험이 {len(found)}짝뿐입니다(적어도 {LEAST_PAIRS}짝). "
            "certify_pairs를 늘리거나 다른 심사 모델을 쓰세요."
        )
    if found and (share := sum(found) / len(found)) < options.threshold:
        told.append(f"심은 흠을 {share:.0%}만 찾았습니다(기준 {options.threshold:.0%}).")
    if not marked:
        told.append("따로 매긴 점수는 하나도 읽을 수 없었습니다.")
    elif (share := sum(marked) / len(marked)) < options.threshold:
        told.append(
            f"따로 점수를 매길 때는 흠을 {share:.0%}만 알아챘습니다(기준 {options.threshold:.0%})."
        )
    silent = certificate.unreadable + certificate.refused
    limits = (
        (certificate.flip_rate.value, options.max_flips, "차례를 바꾸면 {}에서 달리 고릅니다"),
        (
            certificate.false_alarms.value,
            options.max_false_alarms,
            "멀쩡한 대화의 {}를 나무랐습니다",
        ),
        (
            certificate.length_preference.value,
            options.max_length_preference,
            "늘려 쓴 답을 {} 골랐습니다",
        ),
        (
            silent / certificate.asked if certificate.asked else None,
            options.max_silence,
            "심사의 {}를 읽을 수 없거나 거절했습니다",
        ),
    )
    told += [
        f"{words.format(f'{value:.0%}')}(한도 {limit:.0%})."
        for value, limit, words in limits
        if value is not None and value > limit
    ]
    return told


def _praise(certificate: JudgeCertificate, tried: Sequence[_Tried]) -> str:
    real = [one for one in tried if one.planted.kind != PADDING and one.compared.value is not None]
    found = sum(one.is_found for one in real)
    flips = certificate.flip_rate.value or 0.0
    return (
        f"심은 흠 {len(real)}개 가운데 {found}개를 두 차례 모두 찾았고, 차례를 바꾸면 달리 고른 "
        f"짝은 {flips:.0%}입니다."
    )
