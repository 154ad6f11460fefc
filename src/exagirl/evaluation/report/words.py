"""What measures are called, and how their numbers are written, in a report and on a screen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from exagirl.evaluation.scores import Evaluation, Measure, ModelScores, Unit
from exagirl.record import Record, shipped_yaml

MAIN_MOST = 8
"""So many measures fit above the fold."""


class Words(Record):
    """What people call a thing."""

    ko: str
    en: str = ""
    about: str = ""
    mark: str = ""
    """A sign that stands beside the colour, so that colour alone never says it."""


@lru_cache(maxsize=1)
def _book() -> Mapping[str, Any]:
    source = resources.files("exagirl.evaluation.report") / "words.yaml"
    book: Mapping[str, Any] = shipped_yaml(source.read_text("utf-8"))
    return book


def words_of(chapter: str, name: str) -> Words:
    """The words for a name; the name itself where the book has none.

    Args:
        chapter: ``measures``, ``layers``, ``verdicts`` …
        name: A key of that chapter. ``interview.warmth`` may also be asked for as ``warmth``, and
            ``probe_right.ai`` is what the book says of ``probe_right``, with its last part.
    """
    entries = _book()[chapter]
    if name in entries:
        found = entries[name]
        return Words(ko=found) if isinstance(found, str) else Words(**found)
    if chapter == "measures":
        if f"interview.{name}" in entries:
            return Words(**entries[f"interview.{name}"])
        head, _, tail = name.rpartition(".")
        if head in entries:
            found = Words(**entries[head])
            kind = words_of("kinds", tail).ko
            return found.model_copy(
                update={"ko": f"{found.ko}: {kind}", "en": f"{found.en}: {tail}"}
            )
    return Words(ko=name)


def model_label(model: ModelScores) -> str:
    """What people call a model."""
    known = words_of("models", model.name).ko
    return model.label or known


def main_measures(evaluation: Evaluation) -> list[str]:
    """The measures to look at first: at most eight that have a value for some model."""
    measured = {
        one.name
        for model in evaluation.models
        for one in model.measures
        if one.value is not None and not math.isnan(one.value)
    }
    known = [name for name in _book()["main"] if name in measured]
    return (known or sorted(measured))[:MAIN_MOST]


def measure_names(evaluation: Evaluation) -> list[str]:
    """Every measure of any model, in the order in which it first stands."""
    return list(dict.fromkeys(one.name for model in evaluation.models for one in model.measures))


def any_measure(evaluation: Evaluation, name: str) -> Measure | None:
    """A model's measure of a name, for its unit and direction."""
    found = (model.measure(name) for model in evaluation.models)
    return next((one for one in found if one is not None), None)


def show_number(value: float | None, unit: Unit) -> str:
    """A value as people read it: ``87%``, ``1.32비트``, ``4.1점``; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return _signless(f"{value * 100:.0f}%" if unit == "share" else _plain(value, unit))


def show_difference(value: float | None, unit: Unit) -> str:
    """A difference with its sign: ``+23%p``, ``−0.41비트``."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{abs(value) * 100:.0f}%p" if unit == "share" else _plain(abs(value), unit)
    is_nothing = not any(digit in text for digit in "123456789")
    return text if is_nothing else ("+" if value > 0 else "−") + text


def show_interval(measure: Measure) -> str:
    """The 95 % interval, its unit once: ``35~47%``; nothing where there is none."""
    if measure.low is None or measure.high is None:
        return ""
    low, high = show_number(measure.low, measure.unit), show_number(measure.high, measure.unit)
    return f"{low.removesuffix(_SUFFIXES[measure.unit])}~{high}"


def show_differences(low: float | None, high: float | None, unit: Unit) -> str:
    """The 95 % interval of a difference: ``+47~+59%p``; nothing where there is none."""
    if low is None or high is None:
        return ""
    first = show_difference(low, unit)
    for suffix in ("%p", _SUFFIXES[unit]):
        first = first.removesuffix(suffix)
    return f"{first}~{show_difference(high, unit)}"


_SUFFIXES: dict[Unit, str] = {
    "share": "%",
    "bits": "비트",
    "points": "점",
    "ratio": "",
    "count": "",
}


def _plain(value: float, unit: Unit) -> str:
    if unit == "bits":
        return f"{value:.2f}비트"
    if unit == "points":
        return f"{value:.1f}점"
    if unit == "ratio":
        return f"{value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"


def _signless(text: str) -> str:
    """A true minus, and none before a zero."""
    if not text.startswith("-"):
        return text
    return "−" + text[1:] if any(digit in text for digit in "123456789") else text[1:]
