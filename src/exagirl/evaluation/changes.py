"""What changed from one model to another, measure by measure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from exagirl.evaluation.intervals import ByScenario, bootstrap_difference
from exagirl.evaluation.scores import Change, Measure, ModelScores
from exagirl.record import Record

Verdict = Literal["better", "worse", "same", "unknown"]


class Difference(Record):
    """One side minus the other, with its 95 % interval."""

    value: float
    low: float | None
    high: float | None


def find_changes(
    ours: ModelScores,
    theirs: ModelScores,
    values: tuple[Mapping[str, ByScenario], Mapping[str, ByScenario]] = ({}, {}),
    *,
    seed: int,
) -> tuple[Change, ...]:
    """Compare two models in every measure that either has.

    Where the values of both are known by scenario and share scenarios, the interval comes from a
    bootstrap that draws the same scenarios for both. Elsewhere it is built from the two intervals
    as if the models had been measured apart, which is rather too wide.

    Args:
        ours: What is compared.
        theirs: With what; mostly the base.
        values: Of ours and theirs: measure to its values by scenario.
        seed: Of the bootstrap.
    """
    names = dict.fromkeys(one.name for scores in (ours, theirs) for one in scores.measures)
    changes = []
    for name in names:
        one, other = ours.measure(name), theirs.measure(name)
        difference = _difference(one, other, values, seed)
        changes.append(
            Change(
                name=name,
                of=ours.name,
                against=theirs.name,
                difference=difference.value if difference else None,
                low=difference.low if difference else None,
                high=difference.high if difference else None,
                verdict=_verdict(one, other, difference),
            )
        )
    return tuple(changes)


def _difference(
    one: Measure | None,
    other: Measure | None,
    values: tuple[Mapping[str, ByScenario], Mapping[str, ByScenario]],
    seed: int,
) -> Difference | None:
    if one is None or other is None or one.value is None or other.value is None:
        return None
    ours, theirs = (side.get(one.name, {}) for side in values)
    if ours.keys() == theirs.keys():
        paired = bootstrap_difference(ours, theirs, seed=seed)
        if paired.value is not None and paired.low is not None:
            return Difference(value=paired.value, low=paired.low, high=paired.high)
    return apart(one, other)


def apart(one: Measure, other: Measure) -> Difference:
    """The difference of two measures that were taken apart, from their own intervals.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent
    proportions", Statistics in Medicine 17 (1998), method 10; for any measure: G. Y. Zou and
    A. Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27
    (2008).

    Raises:
        ValueError: One of them has no value.
    """
    if one.value is None or other.value is None:
        raise ValueError("a measure without a value has no difference")
    value = one.value - other.value
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return Difference(value=value, low=None, high=None)
    return Difference(
        value=value,
        low=value - math.hypot(one.value - one.low, other.high - other.value),
        high=value + math.hypot(one.high - one.value, other.value - other.low),
    )


def _verdict(one: Measure | None, other: Measure | None, difference: Difference | None) -> Verdict:
    if one is None or other is None or difference is None:
        return "unknown"
    if difference.low is None or difference.high is None:
        return "unknown"
    if difference.low <= 0 <= difference.high:
        return "same"
    if one.better == "range":
        return _nearer(one, other)
    return "better" if (difference.value > 0) == (one.better == "higher") else "worse"


def _nearer(one: Measure, other: Measure) -> Verdict:
    """Which of two is nearer to the range that is right; within it, both are right."""
    reference = one.reference or other.reference
    if reference is None or one.value is None or other.value is None:
        return "unknown"
    ours, theirs = _miss(one.value, reference), _miss(other.value, reference)
    if math.isclose(ours, theirs, abs_tol=1e-9):
        return "same"
    return "better" if ours < theirs else "worse"


def _miss(value: float, reference: tuple[float, float]) -> float:
    low, high = reference
    return max(low - value, value - high, 0.0)
