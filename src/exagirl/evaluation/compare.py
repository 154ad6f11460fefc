"""Several runs side by side: their evaluations as one, which a report shows like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exagirl.errors import ArtifactError
from exagirl.evaluation.changes import find_changes
from exagirl.evaluation.scores import (
    ArenaResult,
    Change,
    Evaluation,
    ModelScores,
    Quote,
    Trouble,
)

BASE, TUNED = "base", "tuned"
_QUOTES_EACH = 3
"""Of each sort and run: with many runs the page stays readable."""
_MUST_AGREE = {
    "seed": "시드(seed)",
    "questions": "물은 것",
    "heldout": "검증 대화",
    "system_prompt": "시스템 프롬프트(카드)",
    "options": "재는 설정(evaluation)",
    "sampling": "답을 뽑는 법",
    "swapped_cards": "바꿔 본 카드",
    "plain_korean": "보통 한국어 글",
}
"""Keys of ``repeat`` that the numbers depend on, beside the model."""


def compare_runs(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Put the models of several runs into one evaluation.

    A tuned model takes the name of its run. Bases of the same digest are one model, ``base``;
    others are ``base`` with the name of their run. Every tuned model is compared with its base as
    its own evaluation did, and with the first run's as models that were measured apart. Whatever
    else than the model differs between the runs is stated as a trouble.

    Args:
        evaluations: In the order in which they are shown; two or more.

    Raises:
        ArtifactError: There are fewer than two, or they are of different characters or speech
            levels, whose numbers have no common meaning.
    """
    if len(evaluations) < 2:
        raise ArtifactError(
            "견주려면 실행이 둘 이상 있어야 합니다. 'exagirl evaluate A B'처럼 이름을 나란히 "
            "적으세요."
        )
    _need_one_character(evaluations)
    names = _names(evaluations)
    models: dict[str, ModelScores] = {}
    for one, renamed in zip(evaluations, names, strict=True):
        for model in one.models:
            name = renamed[model.name]
            models.setdefault(name, model.model_copy(update=_called(name, model, one.run)))
    # Bases first, as they are read from left to right.
    bases = {renamed.get(BASE) for renamed in names}
    ordered = sorted(models.values(), key=lambda model: model.name not in bases)
    runs = _run_names(evaluations)
    first, *others = [renamed[TUNED] for renamed in names]
    across = [
        change
        for name in others
        if first in models and name in models
        for change in find_changes(models[name], models[first], seed=0)
    ]
    parts = list(zip(evaluations, names, strict=True))
    return Evaluation(
        run=" · ".join(runs),
        character=evaluations[0].character,
        level=evaluations[0].level,
        models=tuple(ordered),
        changes=(*(change for part in parts for change in _changes(*part)), *across),
        arena=tuple(result for part in parts for result in _arena(*part)),
        certificate=_weakest(evaluations),
        quotes=tuple(quote for part in parts for quote in _quotes(*part)),
        troubles=tuple(_troubles(evaluations, runs)),
        repeat={"runs": {run: one.repeat for run, one in zip(runs, evaluations, strict=True)}},
    )


def _need_one_character(evaluations: Sequence[Evaluation]) -> None:
    if len({(one.character, one.level) for one in evaluations}) > 1:
        told = ", ".join(f"{one.run}={one.character}" for one in evaluations)
        raise ArtifactError(
            f"캐릭터가 다른 실행은 견줄 수 없습니다({told}). 말투와 사실을 재는 자가 캐릭터마다 "
            "다릅니다. 같은 캐릭터의 실행만 나란히 적으세요."
        )


def _run_names(evaluations: Sequence[Evaluation]) -> list[str]:
    """The runs' names; a number behind those that are there twice, or mean a model."""
    found: list[str] = []
    for one in evaluations:
        name, count = one.run, 2
        while name in found or name == BASE:
            name, count = f"{one.run} ({count})", count + 1
        found.append(name)
    return found


def _names(evaluations: Sequence[Evaluation]) -> list[dict[str, str]]:
    """For every run, the old name of each model to its new one."""
    bases = {base.digest for one in evaluations if (base := one.model(BASE))}
    names: list[dict[str, str]] = []
    for run, one in zip(_run_names(evaluations), evaluations, strict=True):
        renamed = {model.name: f"{run}: {model.name}" for model in one.models}
        renamed[TUNED] = run
        if one.model(BASE):
            renamed[BASE] = BASE if len(bases) == 1 else f"{BASE}: {run}"
        names.append(renamed)
    return names


def _called(name: str, model: ModelScores, run: str) -> dict[str, str]:
    if model.name == TUNED:
        return {"name": name, "label": name}
    return {"name": name, "label": model.label if name == BASE else f"{model.label} ({run})"}


def _changes(one: Evaluation, names: Mapping[str, str]) -> list[Change]:
    return [
        change.model_copy(
            update={
                "of": names.get(change.of, change.of),
                "against": names.get(change.against, change.against),
            }
        )
        for change in one.changes
    ]


def _arena(one: Evaluation, names: Mapping[str, str]) -> list[ArenaResult]:
    return [
        result.model_copy(
            update={
                "one": names.get(result.one, result.one),
                "other": names.get(result.other, result.other),
            }
        )
        for result in one.arena
    ]


def _quotes(one: Evaluation, names: Mapping[str, str]) -> list[Quote]:
    kept: list[Quote] = []
    for why in ("worst", "best"):
        some = [quote for quote in one.quotes if quote.why == why and quote.reply.model != BASE]
        kept += some[:_QUOTES_EACH]
    return [
        quote.model_copy(
            update={
                "reply": quote.reply.model_copy(
                    update={"model": names.get(quote.reply.model, quote.reply.model)}
                )
            }
        )
        for quote in kept
    ]


def _weakest(evaluations: Sequence[Evaluation]) -> Any:
    """The certificate that warns most: one bad judge makes judged numbers doubtful."""
    found = [one.certificate for one in evaluations if one.certificate]
    return next((one for one in found if not one.is_trusted), found[0] if found else None)


def _troubles(evaluations: Sequence[Evaluation], runs: Sequence[str]) -> list[Trouble]:
    found = [
        Trouble(part="compare", message=f"{what}: 실행마다 다릅니다. {why}")
        for what, why in _differences(evaluations, runs)
    ]
    of: dict[Trouble, list[str]] = {}
    for run, one in zip(runs, evaluations, strict=True):
        for trouble in one.troubles:
            of.setdefault(trouble, []).append(run)
    return found + [
        trouble.model_copy(update={"message": f"{', '.join(names)}: {trouble.message}"})
        for trouble, names in of.items()
    ]


def _differences(evaluations: Sequence[Evaluation], runs: Sequence[str]) -> list[tuple[str, str]]:
    advice = "이 실행들의 수는 나란히 놓을 수 있어도 그 차이는 모델만의 것이 아닙니다."
    found = []
    for key, what in _MUST_AGREE.items():
        values = [one.repeat.get(key) for one in evaluations]
        if any(value != values[0] for value in values):
            found.append((what, _told(values, runs) + advice))
    dataset = [_inputs(one).get("dataset") for one in evaluations]
    if any(value != dataset[0] for value in dataset):
        found.append(("데이터셋(검증 대화가 든 곳)", advice))
    if len({base.digest for one in evaluations if (base := one.model(BASE))}) > 1:
        found.append(("기본 모델", "학습 전 모델을 따로따로 보입니다."))
    judges = {one.certificate.judge if one.certificate else "" for one in evaluations}
    if len(judges) > 1:
        found.append(("심사", "면접과 맞대결의 수는 심사가 다르면 견줄 수 없습니다."))
    return found


def _told(values: Sequence[Any], runs: Sequence[str]) -> str:
    """The values themselves where they are short enough to read."""
    if all(isinstance(value, int | float | str) and len(str(value)) <= 20 for value in values):
        return (
            "("
            + ", ".join(f"{run} {value}" for run, value in zip(runs, values, strict=True))
            + ") "
        )
    return ""


def _inputs(evaluation: Evaluation) -> Mapping[str, Any]:
    inputs = evaluation.repeat.get("inputs")
    return inputs if isinstance(inputs, Mapping) else {}
