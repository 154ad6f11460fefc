"""How a count or a list of values becomes a measure; one that could not be taken says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from exagirl.evaluation.intervals import Interval, bootstrap_mean, wilson
from exagirl.evaluation.scores import Better, Layer, Measure, Unit

NO_REPLIES = "잰 답이 없습니다."
ONE_SCENE = "장면이 하나라 구간이 없습니다."


class Kind(NamedTuple):
    """What a measure is, before anything is measured."""

    name: str
    better: Better
    unit: Unit = "share"
    layer: Layer = "rules"


class Placed(NamedTuple):
    """A value, or 1 and 0 for yes and no, and the scenario that it comes from."""

    scenario: str
    value: float


class Taken(NamedTuple):
    """A measure, and what it is the mean of."""

    measure: Measure
    values: Mapping[str, tuple[float, ...]] = MappingProxyType({})
    """Scenario to its values, for a paired bootstrap against another model; empty where the measure
    is no mean, such as diversity, or has no value."""


def share_of(
    kind: Kind,
    hits: Sequence[bool],
    *,
    reference: tuple[float, float] | None = None,
    none: str = NO_REPLIES,
    note: str = "",
) -> Measure:
    """How often something is so, with Wilson's interval.

    Args:
        kind: What is measured.
        hits: One for each thing that was looked at.
        reference: The range that is right.
        none: The note where ``hits`` is empty, in Korean.
        note: The note elsewhere.
    """
    if not hits:
        return not_taken(kind, none, reference=reference)
    share = wilson(sum(hits), len(hits))
    interval = Interval(value=share.value, low=share.low, high=share.high, count=share.total)
    return taken(kind, interval, reference=reference, note=note)


def mean_of(
    kind: Kind,
    values: Sequence[Placed],
    *,
    seed: int,
    reference: tuple[float, float] | None = None,
    none: str = NO_REPLIES,
    note: str = "",
) -> Measure:
    """The mean of values, with a bootstrap over their scenarios; arguments as for ``share_of``."""
    interval = bootstrap_mean(_by_scenario(values), seed=seed)
    if interval.value is None:
        return not_taken(kind, none, reference=reference)
    if interval.low is None:
        note = " ".join(part for part in (note, ONE_SCENE) if part)
    return taken(kind, interval, reference=reference, note=note)


def take_share(
    kind: Kind,
    hits: Sequence[Placed],
    *,
    reference: tuple[float, float] | None = None,
    none: str = NO_REPLIES,
) -> Taken:
    """A share with its values by scenario; arguments as for ``share_of``, hits 1 or 0."""
    measure = share_of(kind, [bool(hit.value) for hit in hits], reference=reference, none=none)
    return Taken(measure, _by_scenario(hits))


def take_mean(
    kind: Kind,
    values: Sequence[Placed],
    *,
    seed: int,
    reference: tuple[float, float] | None = None,
    none: str = NO_REPLIES,
    note: str = "",
) -> Taken:
    """A mean with its values by scenario; arguments as for ``mean_of``."""
    measure = mean_of(kind, values, seed=seed, reference=reference, none=none, note=note)
    return Taken(measure, _by_scenario(values))


def not_taken(kind: Kind, why: str, *, reference: tuple[float, float] | None = None) -> Measure:
    """A measure without a value, and why."""
    return taken(kind, Interval(value=None), reference=reference, note=why)


def taken(
    kind: Kind,
    interval: Interval,
    *,
    reference: tuple[float, float] | None = None,
    note: str = "",
) -> Measure:
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
        reference=reference,
        note=note,
    )


def _by_scenario(placed: Sequence[Placed]) -> dict[str, tuple[float, ...]]:
    found: dict[str, list[float]] = {}
    for one in placed:
        found.setdefault(one.scenario, []).append(float(one.value))
    return {scenario: tuple(some) for scenario, some in found.items()}
