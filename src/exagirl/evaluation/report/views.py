"""What stands where in the report: an evaluation, as the page's template wants it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from exagirl.evaluation.report.pictures import Dot, Span, key, span_of, track
from exagirl.evaluation.report.safe import safe
from exagirl.evaluation.report.words import (
    any_measure,
    main_measures,
    measure_names,
    model_label,
    show_difference,
    show_differences,
    show_interval,
    show_number,
    words_of,
)
from exagirl.evaluation.scores import Change, Evaluation, Measure, ModelScores

COLOURS = 6
JUDGED = frozenset(("interview", "arena"))
"""Layers whose numbers a judge made."""
_UNITS = ("share", "points", "bits", "ratio", "count")
_UNIT_NAMES = {
    "share": "몫(%p)",
    "points": "점수",
    "bits": "비트",
    "ratio": "비율",
    "count": "수",
}


def model_views(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Every model's name for people, its sign and its colour."""
    return {
        model.name: {
            "name": safe(model.name, 80),
            "label": safe(model_label(model), 80),
            "digest": safe(model.digest, 100),
            "replies": model.replies,
            "empty": model.empty_replies,
            "style": f"m{number % COLOURS}",
            "shape": number,
            "key": key(f"m{number % COLOURS}", number),
        }
        for number, model in enumerate(evaluation.models)
    }


def label_of(models: dict[str, dict[str, Any]], name: str) -> str:
    """What people call a model, also one that has no scores of its own."""
    return str(models[name]["label"]) if name in models else words_of("models", safe(name, 80)).ko


def is_doubted(evaluation: Evaluation, measure: Measure) -> bool:
    """True where a judge that is not to be trusted made the number."""
    certificate = evaluation.certificate
    return measure.layer in JUDGED and certificate is not None and not certificate.is_trusted


def dot_of(measure: Measure | None, style: str, shape: int) -> Dot | None:
    """A measure as a dot; None where it has no finite value."""
    if measure is None or measure.value is None or not math.isfinite(measure.value):
        return None
    low, high = measure.low, measure.high
    is_whole = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    return Dot(
        value=measure.value,
        low=low if is_whole else None,
        high=high if is_whole else None,
        style=style,
        shape=shape,
    )


def named(name: str, measure: Measure | None) -> dict[str, Any]:
    """A measure's names."""
    words = words_of("measures", name)
    return {
        "key": safe(name, 80),
        "ko": safe(words.ko, 80),
        "en": words.en,
        "about": words.about,
        "better": words_of("better", measure.better).ko if measure else "",
    }


def scorecard(evaluation: Evaluation, models: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The measures to look at first, every model in each."""
    cards = []
    for name in main_measures(evaluation):
        first = any_measure(evaluation, name)
        rows = _rows(evaluation, models, name)
        if first is None or not rows:
            continue
        change = _last_change(evaluation, name)
        cards.append(
            named(name, first)
            | {
                "rows": rows,
                "shown": rows[-1],
                "verdict": _verdict(change) if change else None,
                "difference": show_difference(change.difference, first.unit) if change else "",
                "track": _track_of(evaluation, models, name),
                "doubted": is_doubted(evaluation, first),
            }
        )
    return cards


def _last_change(evaluation: Evaluation, name: str) -> Change | None:
    """Of two models the change between them; of more there is no single one."""
    if len(evaluation.models) != 2:
        return None
    return next((one for one in evaluation.changes if one.name == name), None)


def _rows(
    evaluation: Evaluation, models: dict[str, dict[str, Any]], name: str
) -> list[dict[str, Any]]:
    rows = []
    for model in evaluation.models:
        measure = model.measure(name)
        rows.append(
            {
                "model": models[model.name],
                "value": show_number(measure.value, measure.unit) if measure else "–",
                "interval": show_interval(measure) if measure else "",
                "count": measure.count if measure else 0,
                "note": safe(measure.note) if measure else "",
                "is_missing": measure is None,
            }
        )
    return rows


def _track_of(evaluation: Evaluation, models: dict[str, dict[str, Any]], name: str) -> Any:
    found = [(model, model.measure(name)) for model in evaluation.models]
    dots = [
        dot
        for model, measure in found
        if (dot := dot_of(measure, models[model.name]["style"], models[model.name]["shape"]))
    ]
    if not dots:
        return ""
    measures = [measure for _, measure in found if measure is not None]
    told = ", ".join(
        f"{models[model.name]['label']} {show_number(measure.value, measure.unit)}"
        for model, measure in found
        if measure is not None
    )
    return track(dots, span_of(measures), reference=_reference(measures), label=told)


def _reference(measures: Sequence[Measure]) -> tuple[float, float] | None:
    return next((one.reference for one in measures if one.reference), None)


def _verdict(change: Change) -> dict[str, str]:
    words = words_of("verdicts", change.verdict)
    return {"class": change.verdict, "ko": words.ko, "en": words.en, "mark": words.mark}


def layers(evaluation: Evaluation, models: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Every measure, by layer."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in measure_names(evaluation):
        first = any_measure(evaluation, name)
        assert first is not None
        measures = [one for model in evaluation.models if (one := model.measure(name))]
        reference = _reference(measures)
        rows = _rows(evaluation, models, name)
        found.setdefault(first.layer, []).append(
            named(name, first)
            | {
                "rows": rows,
                "notes": list(dict.fromkeys(row["note"] for row in rows if row["note"])),
                "reference": "~".join(show_number(edge, first.unit) for edge in reference)
                if reference
                else "",
                "doubted": is_doubted(evaluation, first),
            }
        )
    order = ("rules", "facts", "likelihood", "interview", "arena")
    return [
        {"words": words_of("layers", layer), "measures": found[layer]}
        for layer in order
        if layer in found
    ]


def change_views(evaluation: Evaluation, models: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What changed, a part for every pair of models."""
    pairs = list(dict.fromkeys((one.of, one.against) for one in evaluation.changes))
    views = []
    for of, against in pairs:
        changes = [one for one in evaluation.changes if (one.of, one.against) == (of, against)]
        views.append(
            {
                "of": label_of(models, of),
                "against": label_of(models, against),
                "tally": _tally(evaluation, changes),
                "groups": _groups(evaluation, changes),
            }
        )
    return views


def _tally(evaluation: Evaluation, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """How many went which way; what a doubtful judge made does not count."""
    trusted = [
        one
        for one in changes
        if (measure := any_measure(evaluation, one.name)) is None
        or not is_doubted(evaluation, measure)
    ]
    return [
        _verdict(of_kind[0]) | {"count": len(of_kind)}
        for verdict in ("better", "worse", "same", "unknown")
        if (of_kind := [one for one in trusted if one.verdict == verdict])
    ]


def _groups(evaluation: Evaluation, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Changes that share an axis: those of one unit, and those that have a range."""
    grouped: dict[str, list[tuple[Change, Measure | None]]] = {}
    for change in changes:
        measure = any_measure(evaluation, change.name)
        is_ranged = measure is not None and measure.better == "range"
        group = f"range.{measure.unit}" if is_ranged and measure else _unit(measure)
        grouped.setdefault(group, []).append((change, measure))
    order = [*_UNITS, *(f"range.{unit}" for unit in _UNITS)]
    return [_group(evaluation, name, grouped[name]) for name in order if name in grouped]


def _group(
    evaluation: Evaluation, name: str, members: Sequence[tuple[Change, Measure | None]]
) -> dict[str, Any]:
    is_ranged = name.startswith("range.")
    reach = max(
        (
            abs(number)
            for change, _ in members
            for number in (change.difference, change.low, change.high)
            if number is not None and math.isfinite(number)
        ),
        default=1.0,
    )
    reach = reach * 1.06 or 1.0
    span = Span(low=-reach, high=reach)
    return {
        "name": ("알맞은 범위가 있는 것: " if is_ranged else "")
        + _UNIT_NAMES[name.removeprefix("range.")],
        "left": "줄어듦" if is_ranged else "나빠짐",
        "right": "늘어남" if is_ranged else "좋아짐",
        "rows": [_change_row(evaluation, change, measure, span) for change, measure in members],
    }


def _change_row(
    evaluation: Evaluation, change: Change, measure: Measure | None, span: Span
) -> dict[str, Any]:
    unit = measure.unit if measure else "ratio"
    # Right is always the good side: where lower is better, the picture is turned, not the number.
    side = -1.0 if measure is not None and measure.better == "lower" else 1.0
    interval = ""
    drawn: Any = ""
    if change.difference is not None and math.isfinite(change.difference):
        low, high = change.low, change.high
        is_whole = low is not None and high is not None
        interval = show_differences(low, high, unit)
        ends = sorted((side * (low or 0.0), side * (high or 0.0)))
        dot = Dot(
            value=side * change.difference,
            low=ends[0] if is_whole else None,
            high=ends[1] if is_whole else None,
            style=change.verdict,
            shape={"better": 0, "worse": 2}.get(change.verdict, 1),
        )
        told = f"{show_difference(change.difference, unit)} {interval}"
        drawn = track([dot], span, zero=0.0, label=told)
    return named(change.name, measure) | {
        "track": drawn,
        "difference": show_difference(change.difference, unit),
        "interval": interval,
        "verdict": _verdict(change),
        "doubted": measure is not None and is_doubted(evaluation, measure),
    }


def _unit(measure: Measure | None) -> str:
    return measure.unit if measure else "ratio"


def found_codes(scores: Sequence[ModelScores]) -> list[dict[str, Any]]:
    """How many replies of each model have what fault, the commonest first."""
    codes = {code for model in scores for code in model.findings}
    order = sorted(codes, key=lambda code: (-max(m.findings.get(code, 0) for m in scores), code))
    return [
        {"code": safe(code, 80), "counts": [model.findings.get(code, 0) for model in scores]}
        for code in order
    ]
