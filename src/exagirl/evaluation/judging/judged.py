"""Interview, arena and certificate together, through one gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exagirl.artifact import fingerprint
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatModel
from exagirl.dialogue.records import Turn
from exagirl.evaluation.answers import Answers
from exagirl.evaluation.judging.arena import Fight, Fought, arena
from exagirl.evaluation.judging.certify import certify
from exagirl.evaluation.judging.interview import Interview, Interviewed, interview
from exagirl.evaluation.judging.judge import Judge, Prompts
from exagirl.evaluation.judging.line import BACKOFF_S, Line, Seat
from exagirl.evaluation.judging.options import JudgingOptions
from exagirl.evaluation.judging.talker import Talker
from exagirl.evaluation.scores import EvaluationPart, Trouble
from exagirl.persona.character import Character
from exagirl.progress import Watcher


@dataclass(frozen=True)
class Case:
    """What is judged, and by whom."""

    models: tuple[Seat, ...]
    """Who plays the character, names all different."""
    judge: Seat
    character: Character
    system: str
    """The system prompt that the models were made for."""
    dialogues: tuple[tuple[Turn, ...], ...]
    """Good dialogues of the character, which no training read; faults are planted in them. Where
    there are none, the examples of the character serve."""
    interrogator: Seat | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        names = [seat.name for seat in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"models of the same name would share their scores: {names}")


class JudgedParts(EvaluationPart):
    """What the judge's layers give to an evaluation, and all that was said for it."""

    interviews: tuple[Interview, ...] = ()
    """Every conversation with what was said of it."""
    fights: tuple[Fight, ...] = ()


async def judge_models(
    case: Case,
    options: JudgingOptions,
    *,
    answers: Answers,
    watcher: Watcher,
    backoff_s: tuple[float, float] = BACKOFF_S,
) -> JudgedParts:
    """Certify the judge, interview every model and let every two of them meet in the arena.

    Every answer is kept in ``answers`` as soon as it is there; a second call asks only what is
    missing. What could not be asked or read is counted and said, never filled in.

    Args:
        case: Models, judge, character.
        options: How much is asked; a part with 0 is left out.
        answers: What was answered before.
        watcher: Told about every step.
        backoff_s: The longest first wait after a fault of the line, and the longest of all.

    Raises:
        TeacherError: A model cannot answer at all.
    """
    line = Line(answers, options, backoff_s)
    judge = Judge(line, case.judge, case.character, options.tries)
    talker = Talker(line, case.character, case.system, case.interrogator)
    certificate = None
    if options.certify_pairs:
        certificate = await certify(
            judge,
            case.dialogues or _examples(case.character),
            case.character,
            options,
            seed=case.seed,
            watcher=watcher,
        )
        if not certificate.is_trusted:
            watcher.say(f"심사 {judge.name}: {certificate.reason}")
    held = fought = None
    if options.interviews or options.drifts:
        held = await interview(case.models, judge, talker, options, seed=case.seed, watcher=watcher)
    if options.arena_scenarios and len(case.models) > 1:
        fought = await arena(case.models, judge, talker, options, seed=case.seed, watcher=watcher)
    troubles = (*_troubles(line, held, fought, options),)
    return JudgedParts(
        measures=held.measures if held else {},
        drift={name: drift for name, drift in held.drift.items() if drift} if held else {},
        quotes=held.quotes if held else (),
        arena=fought.results if fought else (),
        ranking=fought.ranking if fought else None,
        certificate=certificate,
        troubles=troubles,
        repeat={"judging": _repeat(case, options, line)},
        is_whole=not any(trouble.part == "judge" for trouble in troubles),
        interviews=held.interviews if held else (),
        fights=fought.fights if fought else (),
    )


def seat_at(options: TeacherOptions, model: ChatModel, *, temperature: float | None = None) -> Seat:
    """A seat for a judge or an interrogator, from its options.

    Args:
        options: Where it is and how it is drawn.
        model: The opened model.
        temperature: In place of the options' own; a judge is asked at ``judge_temperature``.
    """
    return Seat(
        model=model,
        name=options.model or options.kind,
        digest=fingerprint([options.kind, options.model, options.base_url, options.query]),
        temperature=options.temperature if temperature is None else temperature,
        max_tokens=options.max_tokens,
        seed=options.seed,
    )


def _examples(character: Character) -> tuple[tuple[Turn, ...], ...]:
    return tuple(
        tuple(Turn(role=line.role, content=line.content) for line in example)
        for example in character.examples
    )


def _troubles(
    line: Line, held: Interviewed | None, fought: Fought | None, options: JudgingOptions
) -> list[Trouble]:
    """What kept a part from being done."""
    found: list[Trouble] = list(fought.troubles) if fought else []
    if line.over_budget:
        message = (
            f"물을 수 있는 횟수({options.max_calls})를 다 써서 {line.over_budget}번을 묻지 "
            "못했습니다. max_calls를 늘리고 같은 명령을 다시 실행하면 남은 것만 묻습니다."
        )
        found.append(Trouble(part="judge", message=message))
    if line.lost:
        message = (
            f"{line.lost}번은 답을 받지 못했습니다(마지막: {line.last_fault}). 같은 명령을 다시 "
            "실행하면 남은 것만 묻습니다."
        )
        found.append(Trouble(part="judge", message=message))
    if held is None:
        return found
    if short := sum(one.is_short for one in held.interviews):
        message = (
            f"면접관이 말을 잇지 않아 면접 {short}건이 일찍 끝났습니다. 한 데까지만 심사했습니다."
        )
        found.append(Trouble(part="interview", message=message))
    for name in held.measures:
        if empty := sum(one.empty_replies for one in held.interviews if one.model == name):
            message = (
                f"{name}: 면접에서 빈 답이 {empty}번 나왔습니다. 빈 답뿐인 대목은 점수가 없습니다."
            )
            found.append(Trouble(part="interview", message=message))
    return found


def _repeat(case: Case, options: JudgingOptions, line: Line) -> dict[str, Any]:
    return {
        "seed": case.seed,
        "prompts": Prompts().digest,
        "judge": {"name": case.judge.name, "digest": case.judge.digest},
        "interrogator": case.interrogator
        and {"name": case.interrogator.name, "digest": case.interrogator.digest},
        "models": {seat.name: seat.digest for seat in case.models},
        "options": options.model_dump(mode="json"),
        "calls": line.calls,
        "recalled": line.recalled,
    }
