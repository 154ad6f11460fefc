"""Which curves, which radar: an evaluation's larger pictures."""

from __future__ import annotations

from typing import Any

from exagirl.evaluation.report.pictures import Line, Shape, Span, curve, radar, span_of
from exagirl.evaluation.report.safe import safe
from exagirl.evaluation.report.views import dot_of, is_doubted, named
from exagirl.evaluation.report.words import (
    any_measure,
    main_measures,
    measure_names,
    show_number,
    words_of,
)
from exagirl.evaluation.scores import Evaluation, Measure, ModelScores

POINTS = (1.0, 5.0)
"""The worst and the best that a judge gives."""
_FEWEST, _MOST = 3, 8
"""A radar's axes."""
_TICKS = 5


def drift_figures(
    evaluation: Evaluation, models: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """A picture for every measure that was followed over turns."""
    names = dict.fromkeys(one.name for model in evaluation.models for one in model.drift)
    return [_drift_figure(evaluation, models, name) for name in names]


def _drift_figure(
    evaluation: Evaluation, models: dict[str, dict[str, Any]], name: str
) -> dict[str, Any]:
    drifts = [
        (models[model.name], drift)
        for model in evaluation.models
        if (drift := next((one for one in model.drift if one.name == name), None))
    ]
    turns = sorted({turn for _, drift in drifts for turn in drift.at})
    measures = [one for _, drift in drifts for one in drift.measures]
    first = measures[0] if measures else None
    span = span_of(measures)
    lines = []
    rows = []
    for view, drift in drifts:
        at = dict(zip(drift.at, drift.measures, strict=False))
        dots = [dot_of(at.get(turn), view["style"], view["shape"]) for turn in turns]
        lines.append(Line(style=view["style"], shape=view["shape"], values=tuple(dots)))
        rows.append({"model": view, "values": [_told(at.get(turn)) for turn in turns]})
    ticks = [
        show_number(span.low + step / (_TICKS - 1) * (span.high - span.low), first.unit)
        for step in range(_TICKS)
        if first is not None
    ]
    title = named(name, first)
    return title | {
        "picture": curve(lines, turns, span, ticks, title["ko"]) if turns else "",
        "turns": turns,
        "rows": rows,
        "doubted": first is not None and is_doubted(evaluation, first),
        "notes": list(dict.fromkeys(safe(one.note) for one in measures if one.note)),
    }


def _told(measure: Measure | None) -> str:
    return show_number(measure.value, measure.unit) if measure else "–"


def radar_figure(
    evaluation: Evaluation, models: dict[str, dict[str, Any]]
) -> dict[str, Any] | None:
    """The interview's dimensions, or the main shares where no judge can be trusted.

    None where fewer than three measures have a value for every model.
    """
    interview = [
        name
        for name in measure_names(evaluation)
        if (one := any_measure(evaluation, name)) is not None
        and one.layer == "interview"
        and one.unit in ("points", "share")
        and not is_doubted(evaluation, one)
    ]
    for title, names in (
        ("면접 점수", interview),
        ("주요 잣대", [*main_measures(evaluation), *measure_names(evaluation)]),
    ):
        axes = [
            name
            for name in dict.fromkeys(names)
            if all(goodness(model.measure(name)) is not None for model in evaluation.models)
        ][:_MOST]
        if len(axes) >= _FEWEST and evaluation.models:
            labels = [_axis(evaluation, name) for name in axes]
            shapes = [_shape(model, axes, models[model.name]) for model in evaluation.models]
            return {"title": title, "picture": radar(labels, shapes, title), "axes": labels}
    return None


def goodness(measure: Measure | None) -> float | None:
    """How good a value is, from 0 to 1; None where a measure has no best value or no value."""
    if measure is None or measure.value is None or measure.better == "range":
        return None
    if measure.unit not in ("share", "points"):
        return None
    low, high = POINTS if measure.unit == "points" else (0.0, 1.0)
    share = Span(low=low, high=high).share(measure.value)
    return 1.0 - share if measure.better == "lower" else share


def _axis(evaluation: Evaluation, name: str) -> str:
    words = safe(words_of("measures", name).ko, 24)
    measure = any_measure(evaluation, name)
    return f"{words} 없음" if measure is not None and measure.better == "lower" else words


def _shape(model: ModelScores, axes: list[str], view: dict[str, Any]) -> Shape:
    values = tuple(goodness(model.measure(name)) or 0.0 for name in axes)
    return Shape(style=view["style"], shape=view["shape"], values=values)
