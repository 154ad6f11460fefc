"""How what a judge said becomes a measure; one that could not be taken says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exagirl.evaluation.intervals import Interval, bootstrap_mean, wilson
from exagirl.evaluation.scores import Better, Layer, Measure, Unit

ONE_SCENE = "장면이 하나라 구간이 없습니다."


class Kind(NamedTuple):
    """What a measure is, before anything is measured."""

    name: str
    better: Better
    unit: Unit
    layer: Layer


class Placed(NamedTuple):
    """A value and the scenario that it comes from."""

    scenario: str
    value: float


def share_of(kind: Kind, hits: Sequence[bool], *, none: str, note: str = "") -> Measure:
    """How often something is so, with Wilson's interval.

    Args:
        kind: What is measured.
        hits: One for each thing that was looked at.
        none: The note where ``hits`` is empty, in Korean.
        note: The note elsewhere.
    """
    if not hits:
        return taken(kind, Interval(value=None), note=none)
    share = wilson(sum(hits), len(hits))
    interval = Interval(value=share.value, low=share.low, high=share.high, count=share.total)
    return taken(kind, interval, note=note)


def mean_of(
    kind: Kind, values: Sequence[Placed], *, seed: int, none: str, note: str = ""
) -> Measure:
    """The mean of values, with a bootstrap over their scenarios; arguments as for ``share_of``."""
    by_scenario: dict[str, list[float]] = {}
    for placed in values:
        by_scenario.setdefault(placed.scenario, []).append(placed.value)
    interval = bootstrap_mean(by_scenario, seed=seed)
    if interval.value is None:
        return taken(kind, Interval(value=None), note=none)
    if interval.low is None:
        note = f"{note} {ONE_SCENE}".strip()
    return taken(kind, interval, note=note)


def taken(kind: Kind, interval: Interval, *, note: str = "") -> Measure:
    """The measure of a value with its interval."""
    return Measure(
        name=kind.name,
        layer=kind.layer,
        unit=kind.unit,
        better=kind.better,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        count=interval.count,
        note=note,
    )
