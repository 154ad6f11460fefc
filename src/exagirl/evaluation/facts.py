"""What a character says of itself and of the world: facts of the card, and probes with answers.

A reply is right where it says an accepted answer and nothing that contradicts it, wrong where it
says something that contradicts it, whatever else it says, and silent elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from exagirl.dialogue.records import Probe
from exagirl.evaluation.buckets import TURNS, bucket_of
from exagirl.evaluation.claims import first_said
from exagirl.evaluation.intervals import bootstrap_difference
from exagirl.evaluation.measuring import Kind, Placed, Taken, not_taken, take_share, taken
from exagirl.evaluation.scores import Drift, Measure, Reply, Trouble
from exagirl.korean.particles import fill_placeholders
from exagirl.persona.character import Fact
from exagirl.record import Record

Verdict = Literal["right", "wrong", "silent"]

RECALL = Kind("fact_recall", "higher", layer="facts")
CONTRADICTION = Kind("fact_contradiction", "lower", layer="facts")
DRIFT = Kind("fact_drift", "higher", layer="facts")
RIGHT = Kind("probe_right", "higher", layer="facts")
WRONG = Kind("probe_wrong", "lower", layer="facts")

SCORED_KINDS = ("identity", "knowledge", "unknown", "ai")
"""Kinds of probes that may have answers."""

_NO_FACTS = "캐릭터 파일에 사실(facts)이 없어 재지 못했습니다. 물음과 답을 몇 가지 적어 주세요."
_NOT_ASKED = "사실을 물은 답이 없습니다."
_NO_CONTRADICTIONS = "어긋나는 말(contradictions)을 적어 둔 사실을 물은 답이 없습니다."
_ONE_TURN = "사실을 물은 차례가 하나뿐이라 달라짐을 재지 못했습니다."
_NO_ANSWERS = "답이 정해진 물음이 없습니다."
_NO_WRONG = "틀린 답이 정해진 물음이 없습니다."


class Answer(Record):
    """What came of one question."""

    question: str
    """Of a fact, as the card writes it; of a probe, its id."""
    scenario: str
    kind: str
    """``fact``, or the kind of the probe."""
    turn: int
    """One of ``TURNS``: the last that the reply's position has reached."""
    verdict: Verdict
    said: str = ""
    """The words that decided; empty where the reply is silent."""
    has_answers: bool
    """False where nothing can be right."""
    has_wrong: bool
    """False where nothing can be wrong."""
    text: str
    """The reply, or those of a probe one below the other."""


class FactReport(Record):
    """What was found of facts, or of probes."""

    measures: tuple[Measure, ...]
    values: dict[str, dict[str, tuple[float, ...]]] = Field(default_factory=dict)
    """Measure to scenario to the values that it is the mean of, for a paired bootstrap."""
    drift: tuple[Drift, ...] = ()
    answers: tuple[Answer, ...] = ()
    trouble: Trouble | None = None
    """Why nothing was measured; None where something was."""


def measure_facts(
    replies: Sequence[Reply],
    facts: Sequence[Fact],
    *,
    user: str = "",
    character: str = "",
    seed: int = 0,
) -> FactReport:
    """Recall, contradiction and drift of a card's facts.

    Args:
        replies: Of one model. One counts where the user's last turn before it is the question of a
            fact; the others are passed over.
        facts: The card's. A character without facts gets measures without a value, and a trouble.
        user: The name that stood for ``{유저}`` when the questions were asked; "" if none did.
        character: The same of ``{캐릭터}``.
        seed: Of the bootstrap of the drift.

    Returns:
        ``fact_recall`` and ``fact_contradiction`` with Wilson's intervals over all turns;
        ``fact_drift``, the recall at the last turn minus that at the first over the same
        questions, which are what the bootstrap draws. The drift curves have a point for each of
        the turns 1, 5, 10 and 20 that was asked at.
    """
    if not facts:
        return _nothing((RECALL, CONTRADICTION, DRIFT), _NO_FACTS)
    by_question = {
        _squeezed(asked): fact
        for fact in facts
        for asked in (fact.question, _filled(fact.question, user, character))
    }
    answers = [
        _fact_answer(reply, fact)
        for reply in replies
        if reply.before and (fact := by_question.get(_squeezed(reply.asked)))
    ]
    if not answers:
        return _nothing((RECALL, CONTRADICTION, DRIFT), _NOT_ASKED)
    everything = (_recall(answers), _contradiction(answers), _drift_of_recall(answers, seed))
    return FactReport(
        measures=tuple(one.measure for one in everything),
        values={one.measure.name: dict(one.values) for one in everything if one.values},
        drift=tuple(_curve(answers, measure) for measure in (_recall, _contradiction)),
        answers=tuple(answers),
    )


def measure_probes(replies: Sequence[Reply], probes: Sequence[Probe]) -> FactReport:
    """How many probes were answered right, and how many wrong.

    Args:
        replies: Of one model. Those whose scenario is a probe's id count; a probe of several lines
            is one question, and any of its replies may answer it or be wrong.
        probes: Those of the kinds identity, ai, knowledge and unknown count.

    Returns:
        ``probe_right`` over the probes that have answers, ``probe_wrong`` over those that have
        wrong ones, then both for every kind: ``probe_right.knowledge``.
    """
    by_id = {probe.id: probe for probe in probes if probe.kind in SCORED_KINDS}
    said: dict[str, list[Reply]] = {}
    for reply in replies:
        if reply.scenario in by_id:
            said.setdefault(reply.scenario, []).append(reply)
    answers = [_probe_answer(by_id[name], some) for name, some in said.items()]
    everything = [*_probe_measures(answers, "")]
    for kind in SCORED_KINDS:
        everything += _probe_measures([one for one in answers if one.kind == kind], f".{kind}")
    trouble = None if answers else Trouble(part="probes", message="물음에 답한 것이 없습니다.")
    return FactReport(
        measures=tuple(one.measure for one in everything),
        values={one.measure.name: dict(one.values) for one in everything if one.values},
        answers=tuple(answers),
        trouble=trouble,
    )


def judge_reply(
    text: str, answers: Iterable[str], wrong: Iterable[str], *, asked: str = ""
) -> tuple[Verdict, str]:
    """Tell whether a reply is right, wrong or silent, and by which words.

    Args:
        text: The reply.
        answers: Any one of these makes it right.
        wrong: Any one of these makes it wrong, whatever else it says.
        asked: The question, which says nothing where the reply repeats it.
    """
    if found := first_said(text, wrong, asked=asked):
        return "wrong", found
    if found := first_said(text, answers, asked=asked):
        return "right", found
    return "silent", ""


def _fact_answer(reply: Reply, fact: Fact) -> Answer:
    verdict, said = judge_reply(reply.text, fact.answers, fact.contradictions, asked=reply.asked)
    return Answer(
        question=fact.question,
        scenario=reply.scenario,
        kind="fact",
        turn=bucket_of(reply.position, TURNS),
        verdict=verdict,
        said=said,
        has_answers=True,
        has_wrong=bool(fact.contradictions),
        text=reply.text,
    )


def _probe_answer(probe: Probe, replies: Sequence[Reply]) -> Answer:
    judged = [
        judge_reply(reply.text, probe.answers, probe.wrong, asked=reply.asked) for reply in replies
    ]
    order: dict[Verdict, int] = {"wrong": 0, "right": 1, "silent": 2}
    verdict, said = min(judged, key=lambda one: order[one[0]])
    return Answer(
        question=probe.id,
        scenario=probe.id,
        kind=probe.kind,
        turn=bucket_of(replies[-1].position, TURNS),
        verdict=verdict,
        said=said,
        has_answers=bool(probe.answers),
        has_wrong=bool(probe.wrong),
        text="\n".join(reply.text for reply in replies),
    )


def _probe_measures(answers: Sequence[Answer], suffix: str) -> tuple[Taken, Taken]:
    right = [_is(one, "right") for one in answers if one.has_answers]
    wrong = [_is(one, "wrong") for one in answers if one.has_wrong]
    return (
        take_share(RIGHT._replace(name=RIGHT.name + suffix), right, none=_NO_ANSWERS),
        take_share(WRONG._replace(name=WRONG.name + suffix), wrong, none=_NO_WRONG),
    )


def _is(answer: Answer, verdict: Verdict) -> Placed:
    return Placed(answer.scenario, answer.verdict == verdict)


def _recall(answers: Sequence[Answer]) -> Taken:
    return take_share(RECALL, [_is(one, "right") for one in answers], none=_NOT_ASKED)


def _contradiction(answers: Sequence[Answer]) -> Taken:
    """Over the facts that name contradictions: the others cannot be seen to be contradicted."""
    wrong = [_is(one, "wrong") for one in answers if one.has_wrong]
    return take_share(CONTRADICTION, wrong, none=_NO_CONTRADICTIONS)


def _drift_of_recall(answers: Sequence[Answer], seed: int) -> Taken:
    turns = sorted({one.turn for one in answers})
    if len(turns) < 2:
        return Taken(not_taken(DRIFT, _ONE_TURN))
    first, last = (_by_question(answers, turn) for turn in (turns[0], turns[-1]))
    difference = bootstrap_difference(last, first, seed=seed)
    if difference.value is None:
        return Taken(not_taken(DRIFT, "처음과 끝에 함께 물은 사실이 없습니다."))
    note = f"{turns[-1]}번째 답에서 맞힌 몫에서 {turns[0]}번째 답에서 맞힌 몫을 뺐습니다."
    return Taken(taken(DRIFT, difference, note=note))


def _by_question(answers: Sequence[Answer], turn: int) -> Mapping[str, Sequence[float]]:
    found: dict[str, list[float]] = {}
    for one in answers:
        if one.turn == turn:
            found.setdefault(one.question, []).append(float(one.verdict == "right"))
    return found


def _curve(answers: Sequence[Answer], measure: Callable[[Sequence[Answer]], Taken]) -> Drift:
    turns = tuple(sorted({one.turn for one in answers}))
    points = tuple(measure([one for one in answers if one.turn == turn]).measure for turn in turns)
    return Drift(name=points[0].name, at=turns, measures=points)


def _nothing(kinds: Sequence[Kind], why: str) -> FactReport:
    return FactReport(
        measures=tuple(not_taken(kind, why) for kind in kinds),
        trouble=Trouble(part="facts", message=why),
    )


def _filled(question: str, user: str, character: str) -> str:
    return fill_placeholders(question, user=user, character=character) if character else question


def _squeezed(text: str) -> str:
    return "".join(text.split())
