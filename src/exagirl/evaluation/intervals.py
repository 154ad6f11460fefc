"""How sure a number is: shares, means and differences with their 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exagirl.record import Record

Z_95 = 1.959964
"""The 97.5th percentile of the standard normal distribution."""

DRAWS = 2000
"""Resamples of a bootstrap."""

Floats = NDArray[np.float64]
ByScenario = Mapping[str, Sequence[float]]
"""Scenario to the values that were measured in it."""

# Weights that are drawn at once: 16 MB.
_DRAWN_AT_ONCE = 2_000_000


class Share(Record):
    """A share with its 95 % interval."""

    hits: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself; NaN where nothing was counted."""
        return self.hits / self.total if self.total else math.nan


class Interval(Record):
    """A mean, or a difference of means, with its 95 % interval."""

    value: float | None
    """None where there are no values."""
    low: float | None = None
    """None where fewer than two scenarios leave nothing to resample."""
    high: float | None = None
    count: int = 0
    """Values; of a difference, those of the first side."""
    scenarios: int = 0


def wilson(hits: int, total: int) -> Share:
    """Wilson's score interval of a share.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).

    Raises:
        ValueError: More hits than trials, or a negative count.
    """
    if not 0 <= hits <= total:
        raise ValueError(f"{hits} of {total}")
    if total == 0:
        return Share(hits=0, total=0, low=0.0, high=1.0)
    share, spread = hits / total, Z_95**2 / total
    middle = (share + spread / 2) / (1 + spread)
    reach = Z_95 * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return Share(
        hits=hits, total=total, low=max(0.0, middle - reach), high=min(1.0, middle + reach)
    )


def bootstrap_mean(values: ByScenario, *, seed: int, draws: int = DRAWS) -> Interval:
    """The mean of all values, with a percentile interval that resamples whole scenarios.

    Values of one scenario depend on one another, so that scenarios are drawn, not values; a
    scenario with more values weighs more.

    Args:
        values: Scenarios without values are left out.
        seed: Of the resampling; the same values and seed give the same interval.
        draws: Resamples.

    Source: B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13;
    the cluster bootstrap of A. C. Davison and D. V. Hinkley, "Bootstrap Methods" (1997), 3.8.
    """
    names = [name for name, some in values.items() if len(some)]
    sums, counts = _totals(values, names)
    if not names:
        return Interval(value=None)
    means = (w @ sums / (w @ counts) for w in _weights(len(names), seed, draws))
    return _interval(sums.sum() / counts.sum(), means, counts)


def bootstrap_difference(
    ours: ByScenario, theirs: ByScenario, *, seed: int, draws: int = DRAWS
) -> Interval:
    """The mean of ours minus the mean of theirs, over the scenarios that both have.

    Every resample draws the same scenarios for both sides, so that what makes a scenario hard for
    both falls out.

    Args:
        ours: As for ``bootstrap_mean``.
        theirs: The same scenarios, or some of them.
        seed: Of the resampling.
        draws: Resamples.
    """
    names = [name for name, some in ours.items() if len(some) and len(theirs.get(name, ()))]
    if not names:
        return Interval(value=None)
    (sums, counts), (sums2, counts2) = _totals(ours, names), _totals(theirs, names)
    differences = (
        w @ sums / (w @ counts) - w @ sums2 / (w @ counts2)
        for w in _weights(len(names), seed, draws)
    )
    value = sums.sum() / counts.sum() - sums2.sum() / counts2.sum()
    return _interval(value, differences, counts)


def _totals(values: ByScenario, names: Sequence[str]) -> tuple[Floats, Floats]:
    """Sum and number of the values of each scenario."""
    sums = np.array([math.fsum(values[name]) for name in names], dtype=np.float64)
    counts = np.array([len(values[name]) for name in names], dtype=np.float64)
    return sums, counts


def _weights(scenarios: int, seed: int, draws: int) -> Iterator[Floats]:
    """How often each scenario is drawn, shape (some draws, scenarios); a row adds up to them."""
    dice = np.random.default_rng(seed)
    at_once = max(1, _DRAWN_AT_ONCE // scenarios)
    for start in range(0, draws, at_once):
        rows = min(at_once, draws - start)
        drawn = dice.integers(scenarios, size=(rows, scenarios))
        drawn += np.arange(rows)[:, None] * scenarios
        weights = np.bincount(drawn.ravel(), minlength=rows * scenarios)
        yield weights.reshape(rows, scenarios).astype(np.float64)


def _interval(value: Any, resampled: Iterator[Floats], counts: Floats) -> Interval:
    scenarios, count = len(counts), int(counts.sum())
    if scenarios < 2:
        return Interval(value=float(value), count=count, scenarios=scenarios)
    low, high = np.percentile(np.concatenate([*resampled]), (2.5, 97.5))
    return Interval(
        value=float(value), low=float(low), high=float(high), count=count, scenarios=scenarios
    )
