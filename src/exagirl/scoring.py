"""A run measured: base against tuned by rules and likelihood, and by a judge where one is named."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from exagirl.artifact import fingerprint, write_lines
from exagirl.chatmodel.options import TeacherOptions
from exagirl.dataset.build import read_messages
from exagirl.dialogue.records import Turn
from exagirl.errors import ArtifactError, ExagirlError
from exagirl.evaluation.answers import Answers
from exagirl.evaluation.bench import Candidate, Subject
from exagirl.evaluation.evaluate import Hooks, Place, measure_models
from exagirl.evaluation.judging.judged import Case, JudgedParts, judge_models, seat_at
from exagirl.evaluation.judging.line import Seat
from exagirl.evaluation.judging.options import JudgingOptions
from exagirl.evaluation.report.write import write_report
from exagirl.evaluation.scores import Evaluation, EvaluationPart, Reply, Trouble
from exagirl.job import Job, need, need_train_extra
from exagirl.models import LateModel, open_local_model, open_model

LABELS = {"base": "학습 전", "tuned": "학습 후"}
INTERVIEWS, FIGHTS = "interviews.jsonl", "arena.jsonl"


def score_run(job: Job) -> Evaluation:
    """Measure base and tuned side by side: ``evaluation/``.

    Raises:
        ArtifactError: The run has no merged model or no dataset.
        ExagirlError: A model cannot answer; what was answered is kept, and not asked again.
    """
    need_train_extra()
    from exagirl.training.train import quiet_libraries

    quiet_libraries()
    recipe, folder = job.recipe, job.folder
    dataset = need(folder.dataset, f"exagirl train {recipe.name}")
    subset = recipe.evaluation.data or recipe.training.stages[-1].data
    subject = Subject(
        run=recipe.name,
        character=job.character,
        system=job.system,
        detail=recipe.dataset.system_prompt,
        conversations=_heldout(folder.dataset, subset),
        options=recipe.evaluation,
        seed=recipe.seed,
    )
    candidates = {"base": _base(job), "tuned": _tuned(job)}
    place = Place(
        folder=folder.evaluation,
        answers=folder.answers,
        inputs={"dataset": dataset.digest, "subset": fingerprint(subset)},
    )
    judging = recipe.evaluation.judging
    hooks = Hooks(
        judge=partial(_judge, job, subject, candidates, judging) if judging else None,
        report=_write_beside,
    )
    return measure_models(candidates, subject, place, watcher=job.watcher, hooks=hooks)


def _heldout(dataset: Path, subset: str) -> list[list[dict[str, str]]]:
    """The dialogues that no training read; none where the dataset keeps none, which is told."""
    try:
        return read_messages(dataset, subset, "validation")
    except (ArtifactError, ValueError):  # no such split, or a file without rows
        return []


def _base(job: Job) -> Candidate:
    from exagirl.training.base_model import fetch_base
    from exagirl.training.train import base_identity

    training = job.recipe.training
    source = fetch_base(training.base, job.watcher)

    def load() -> Any:
        from exagirl.chatmodel.local import LocalModel
        from exagirl.training.base_model import give_template, load_base

        model, tokenizer = load_base(str(source), training.dtype)
        return LocalModel(model, give_template(tokenizer, job.system))

    digest = fingerprint([base_identity(source), training.dtype, job.system])
    return Candidate(label=LABELS["base"], digest=digest, load=load)


def _tuned(job: Job) -> Candidate:
    manifest = need(job.folder.model, f"exagirl merge {job.recipe.name}")

    def load() -> Any:
        from exagirl.chatmodel.local import LocalModel

        return LocalModel.load(job.folder.model)

    return Candidate(label=LABELS["tuned"], digest=manifest.digest, load=load)


def _judge(
    job: Job,
    subject: Subject,
    candidates: dict[str, Candidate],
    options: JudgingOptions,
    _replies: Sequence[Reply],
) -> EvaluationPart:
    """Ask the judge; when it cannot answer at all, rules and likelihood stand without it."""
    try:
        return asyncio.run(_judged(job, subject, candidates, options))
    except ExagirlError as error:
        told = f"심사를 마치지 못했습니다: {error} 같은 명령을 다시 실행하면 남은 것만 묻습니다."
        return EvaluationPart(troubles=(Trouble(part="judge", message=told),), is_whole=False)


async def _judged(
    job: Job, subject: Subject, candidates: dict[str, Candidate], options: JudgingOptions
) -> JudgedParts:
    batch = job.recipe.evaluation.batch_size
    async with contextlib.AsyncExitStack() as stack:

        async def seated(asked: TeacherOptions, temperature: float | None = None) -> Seat:
            model = await stack.enter_async_context(open_model(asked))
            return seat_at(asked, model, temperature=temperature)

        async def contestant(name: str, candidate: Candidate) -> Seat:
            opened = partial(open_local_model, candidate.load, batch)
            model = await stack.enter_async_context(LateModel(opened))
            return Seat(
                model=model,
                name=name,
                digest=candidate.digest,
                max_tokens=subject.options.max_new_tokens,
                seed=subject.seed,
            )

        case = Case(
            models=tuple([await contestant(*one) for one in candidates.items()]),
            judge=await seated(options.judge, options.judge_temperature),
            character=subject.character,
            system=subject.system,
            dialogues=tuple(map(_turns, subject.conversations)),
            interrogator=await seated(options.interrogator) if options.interrogator else None,
            seed=subject.seed,
        )
        with Answers(job.folder.answers) as answers:
            return await judge_models(case, options, answers=answers, watcher=job.watcher)


def _turns(messages: Sequence[dict[str, str]]) -> tuple[Turn, ...]:
    return tuple(Turn.model_validate(m) for m in messages if m["role"] != "system")


def _write_beside(evaluation: Evaluation, part: EvaluationPart, folder: Path) -> None:
    write_report(evaluation, folder)
    if isinstance(part, JudgedParts):
        write_lines(folder / INTERVIEWS, (one.model_dump_json() for one in part.interviews))
        write_lines(folder / FIGHTS, (one.model_dump_json() for one in part.fights))
