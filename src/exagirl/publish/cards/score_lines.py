"""Scores as a card shows them: base against tuned, with intervals, and what is weak."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from exagirl.evaluation.report.words import (
    main_measures,
    measure_names,
    show_difference,
    show_differences,
    show_interval,
    show_number,
    words_of,
)
from exagirl.evaluation.scores import Change, Evaluation, Measure
from exagirl.record import Record

FURTHER = ("plain_bits", "probe_right")
"""Worth a line beside the main measures: what was forgotten, what is known."""
MOST = 10
WEAK = {"higher": 0.5, "lower": 0.3}
"""A share below or above this is told among the limits."""
DIFFERENCES = ("fact_drift",)
"""Shares less shares: near 0 is neither low nor weak."""
ON_HELDOUT = ("bits_per_character", "persona_gain")
"""Measured on the held-out dialogues alone, so that they are a result on that data set."""


class ScoreRow(Record):
    """One measure of base and tuned, in words."""

    ko: str
    en: str
    about: str
    base: str
    tuned: str
    difference: str
    verdict: str


class Weakness(Record):
    """Something that the scores show the model cannot do."""

    ko: str
    en: str
    about: str
    value: str
    is_worse: bool
    """It got worse by training; else it is merely low."""


def score_rows(evaluation: Evaluation) -> list[ScoreRow]:
    """The six to ten measures that matter, as far as they were measured."""
    names = list(dict.fromkeys((*main_measures(evaluation), *FURTHER)))
    rows = [_row(evaluation, name) for name in names if _tuned(evaluation, name) is not None]
    return rows[:MOST]


def unmeasured(evaluation: Evaluation) -> list[tuple[str, str]]:
    """What could not be measured, and why."""
    tuned = evaluation.model("tuned")
    measures = tuned.measures if tuned else ()
    return [
        (words_of("measures", one.name).ko, one.note)
        for one in measures
        if _is_whole(one.name) and not _has(one)
    ]


def count_measured(evaluation: Evaluation) -> int:
    """How many measures of the tuned model have a value."""
    return len(list(_measured(evaluation)))


def weaknesses(evaluation: Evaluation) -> list[Weakness]:
    """What got worse by training, and shares that are low; each measure once."""
    found = {change.name: change for change in evaluation.changes if change.of == "tuned"}
    return [
        weak
        for name in measure_names(evaluation)
        if _is_whole(name) and (weak := _weakness(evaluation, name, found.get(name)))
    ]


def model_index(evaluation: Evaluation, name: str, dataset: str) -> list[dict[str, Any]]:
    """Results in the form of the Hub's ``model-index``; only what is true of that data set.

    Args:
        evaluation: The scores.
        name: The model's name.
        dataset: The repository that holds the held-out dialogues.
    """
    metrics = [
        {
            "type": one.name,
            "name": f"{words_of('measures', one.name).ko} ({words_of('measures', one.name).en})",
            "value": round(one.value, 4),
        }
        for one in _measured(evaluation)
        if one.name in ON_HELDOUT and one.value is not None
    ]
    if not metrics:
        return []
    task = {"type": "text-generation", "name": "Korean role-play"}
    place = {"type": dataset, "name": dataset.rpartition("/")[2], "split": "validation"}
    return [{"name": name, "results": [{"task": task, "dataset": place, "metrics": metrics}]}]


def _measured(evaluation: Evaluation) -> Iterator[Measure]:
    tuned = evaluation.model("tuned")
    return (one for one in (tuned.measures if tuned else ()) if _has(one))


def _has(measure: Measure) -> bool:
    return measure.value is not None and math.isfinite(measure.value)


def _tuned(evaluation: Evaluation, name: str) -> Measure | None:
    return next((one for one in _measured(evaluation) if one.name == name), None)


def _row(evaluation: Evaluation, name: str) -> ScoreRow:
    base, tuned = (evaluation.model(model) for model in ("base", "tuned"))
    before = base.measure(name) if base else None
    after = tuned.measure(name) if tuned else None
    change = next((c for c in evaluation.changes if c.name == name and c.of == "tuned"), None)
    words = words_of("measures", name)
    verdict = words_of("verdicts", change.verdict if change else "unknown")
    unit = after.unit if after else "share"
    return ScoreRow(
        ko=words.ko,
        en=words.en,
        about=words.about,
        base=_shown(before),
        tuned=_shown(after),
        difference=_difference(change, unit),
        verdict=f"{verdict.mark} {verdict.ko} / {verdict.en}",
    )


def _shown(measure: Measure | None) -> str:
    if measure is None or not _has(measure):
        return "재지 못함 / not measured"
    interval = show_interval(measure)
    value = show_number(measure.value, measure.unit)
    return f"{value} ({interval})" if interval else value


def _difference(change: Change | None, unit: Any) -> str:
    if change is None or change.difference is None:
        return "–"
    interval = show_differences(change.low, change.high, unit)
    value = show_difference(change.difference, unit)
    return f"{value} ({interval})" if interval else value


def _is_whole(name: str) -> bool:
    """False for a part of another measure, such as ``probe_right.ai``."""
    return "." not in name or name.startswith("interview.")


def _weakness(evaluation: Evaluation, name: str, change: Change | None) -> Weakness | None:
    tuned = _tuned(evaluation, name)
    if tuned is None or tuned.value is None:
        return None
    is_worse = change is not None and change.verdict == "worse"
    limit = WEAK.get(tuned.better, 0.0)
    is_low = (
        name not in DIFFERENCES
        and tuned.unit == "share"
        and (
            (tuned.better == "higher" and tuned.value < limit)
            or (tuned.better == "lower" and tuned.value > limit)
        )
    )
    if not (is_worse or is_low):
        return None
    words = words_of("measures", name)
    value = _shown(tuned)
    if is_worse:
        base = evaluation.model("base")
        value = f"{_shown(base.measure(name) if base else None)} → {value}"
    return Weakness(ko=words.ko, en=words.en, about=words.about, value=value, is_worse=is_worse)
