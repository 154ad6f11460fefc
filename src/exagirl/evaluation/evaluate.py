"""Any number of models, side by side, on questions and dialogues that no training read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from exagirl.artifact import (
    fingerprint,
    is_complete,
    new_artifact,
    seal,
    versions,
    write_lines,
    write_text,
)
from exagirl.chatmodel.sampling import Sampling
from exagirl.errors import ArtifactError
from exagirl.evaluation.answers import Answers
from exagirl.evaluation.bench import Asked, Candidate, Measured, Subject, choose, measure_model
from exagirl.evaluation.changes import find_changes
from exagirl.evaluation.quotes import choose_quotes
from exagirl.evaluation.scores import (
    FORMAT,
    Change,
    Evaluation,
    EvaluationPart,
    ModelScores,
    Reply,
    Trouble,
)
from exagirl.progress import Watcher

__all__ = [
    "Candidate",
    "Hooks",
    "Place",
    "Subject",
    "measure_models",
    "read_evaluation",
    "read_replies",
]

SCORES, REPLIES = "scores.json", "replies.jsonl"
BASE = "base"
UNFINISHED = "unfinished"
"""Stands among the inputs of an evaluation that the same command has to finish."""


@dataclass(frozen=True)
class Place:
    """Where an evaluation is written."""

    folder: Path
    """The artifact."""
    answers: Path
    """The file of answers that were given, outside of the artifact."""
    inputs: Mapping[str, str]
    """What the scores depend on, beside what is asked and the models' digests."""


@dataclass(frozen=True)
class Hooks:
    """Where others take part."""

    judge: Callable[[Sequence[Reply]], EvaluationPart] | None = None
    """Given every reply of every model, when none is in memory."""
    report: Callable[[Evaluation, EvaluationPart, Path], object] | None = None
    """Given what the judge gave, writes more files into a folder, beside ``scores.json``."""


def measure_models(
    candidates: Mapping[str, Candidate],
    subject: Subject,
    place: Place,
    *,
    watcher: Watcher,
    hooks: Hooks | None = None,
) -> Evaluation:
    """Measure every model, one in memory at a time, and write the evaluation.

    An evaluation that was finished from the same inputs is read back. One that was killed goes on:
    nothing that was answered is asked again.

    Args:
        candidates: Name to model; all are compared with ``base``, or with the first.
        subject: Who is measured, and on what.
        place: Where all is written: ``scores.json``, ``replies.jsonl``, the manifest last.
        watcher: Told about every batch.
        hooks: Where judges and reports take part.

    Raises:
        ExagirlError: A model cannot be loaded or cannot answer; what was answered is kept.
    """
    hooks = hooks or Hooks()
    asked = choose(subject)
    inputs = {
        **place.inputs,
        "asked": fingerprint([asked, subject.character, subject.options, subject.seed, FORMAT]),
        "models": fingerprint({name: one.digest for name, one in candidates.items()}),
    }
    if is_complete(place.folder, inputs):
        return read_evaluation(place.folder)
    with Answers(place.answers) as kept:
        measured = {
            name: measure_model(name, one, subject, asked, answers=kept, watcher=watcher)
            for name, one in candidates.items()
        }
    replies = [reply for one in measured.values() for reply in one.replies]
    part = hooks.judge(replies) if hooks.judge else EvaluationPart()
    evaluation = _put_together(measured, part, subject, asked, inputs)
    with new_artifact(place.folder) as aside:
        write_text(aside / SCORES, evaluation.model_dump_json(indent=2) + "\n")
        write_lines(aside / REPLIES, (reply.model_dump_json() for reply in replies))
        if hooks.report:
            hooks.report(evaluation, part, aside)
        seal(aside, "evaluation", inputs if part.is_whole else {**inputs, UNFINISHED: "judge"})
    return evaluation


def read_evaluation(folder: Path) -> Evaluation:
    """Read ``scores.json`` back.

    Raises:
        ArtifactError: There is none, or it is of another form.
    """
    path = folder / SCORES
    try:
        evaluation = Evaluation.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ArtifactError(
            f"{path}: 잰 결과가 없습니다. 먼저 'exagirl evaluate'로 재세요."
        ) from error
    except ValidationError as error:
        raise ArtifactError(
            f"{path}: 읽을 수 없는 결과입니다. 다른 판의 exagirl이 썼거나 손상되었습니다. 이 "
            "폴더를 지우고 'exagirl evaluate'로 다시 재세요. 받아 둔 답은 그대로 씁니다."
        ) from error
    if evaluation.format != FORMAT:
        raise ArtifactError(
            f"{path}: 형식 {evaluation.format}입니다. 이 exagirl은 형식 {FORMAT}만 읽습니다. "
            "'exagirl evaluate'로 다시 재세요."
        )
    return evaluation


def read_replies(folder: Path) -> tuple[Reply, ...]:
    """Read ``replies.jsonl`` back: every reply of every model.

    Raises:
        ArtifactError: There is none, or a line is no reply.
    """
    path = folder / REPLIES
    try:
        lines = path.read_text("utf-8").split("\n")
        return tuple(Reply.model_validate_json(line) for line in lines if line)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{path}: 받은 답을 읽을 수 없습니다. 'exagirl evaluate'로 다시 재세요."
        ) from error


def _put_together(
    measured: Mapping[str, Measured],
    part: EvaluationPart,
    subject: Subject,
    asked: Asked,
    inputs: Mapping[str, str],
) -> Evaluation:
    models = {name: _with_part(one.scores, part) for name, one in measured.items()}
    speech = subject.character.speech
    return Evaluation(
        run=subject.run,
        character=subject.character.name,
        level=None if speech.is_old else speech.level,
        models=tuple(models.values()),
        changes=_changes(models, measured, subject.seed),
        arena=part.arena,
        ranking=part.ranking,
        certificate=part.certificate,
        quotes=(
            *choose_quotes([reply for one in measured.values() for reply in one.replies]),
            *part.quotes,
        ),
        troubles=(*_troubles(subject, measured), *part.troubles),
        repeat={**_repeat(subject, asked, inputs, models), **part.repeat},
    )


def _with_part(scores: ModelScores, part: EvaluationPart) -> ModelScores:
    more = {
        "measures": (*scores.measures, *part.measures.get(scores.name, ())),
        "drift": (*scores.drift, *part.drift.get(scores.name, ())),
    }
    return scores.model_copy(update=more)


def _changes(
    models: Mapping[str, ModelScores], measured: Mapping[str, Measured], seed: int
) -> tuple[Change, ...]:
    against = BASE if BASE in models else next(iter(models), "")
    return tuple(
        change
        for name, scores in models.items()
        if name != against
        for change in find_changes(
            scores,
            models[against],
            (measured[name].values, measured[against].values),
            seed=seed,
        )
    )


def _troubles(subject: Subject, measured: Mapping[str, Measured]) -> list[Trouble]:
    found = []
    if not subject.conversations:
        found.append(
            Trouble(
                part="heldout",
                message="검증 대화가 없어 그 답과 비트, 카드의 값은 재지 못했습니다. 데이터셋에 "
                "validation이 있어야 합니다(dataset.validation_share).",
            )
        )
    if subject.options.facts and not subject.character.facts:
        found.append(
            Trouble(
                part="facts",
                message=f"'{subject.character.name}' 카드에 facts가 없어 설정을 기억하는지는 재지 "
                "못했습니다. 캐릭터 파일에 question과 answers를 적으세요.",
            )
        )
    return [*found, *(trouble for one in measured.values() for trouble in one.troubles)]


def _repeat(
    subject: Subject,
    asked: Asked,
    inputs: Mapping[str, str],
    models: Mapping[str, ModelScores],
) -> dict[str, Any]:
    """Everything that a second evaluation needs to come to the same."""
    return {
        "seed": subject.seed,
        "models": {name: scores.digest for name, scores in models.items()},
        "inputs": dict(inputs),
        "options": subject.options.model_dump(mode="json"),
        "sampling": Sampling(max_new_tokens=subject.options.max_new_tokens).model_dump(mode="json"),
        "system_prompt": subject.system,
        "questions": [script.scenario for script in asked.questions.scripts],
        "swapped_cards": list(asked.texts.others),
        "plain_korean": fingerprint(list(asked.texts.plain)),
        "versions": versions(),
    }
