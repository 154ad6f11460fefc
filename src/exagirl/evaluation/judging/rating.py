"""Win rates from judged pairs: plain, with length taken out, and strengths of many models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from exagirl.errors import MissingExtraError
from exagirl.evaluation.intervals import Interval
from exagirl.evaluation.measuring import ONE_SCENE, Kind, taken
from exagirl.evaluation.scores import Measure, Ranking

Floats = NDArray[np.float64]
DRAWS = 1000
STRENGTH_DRAWS = 200
"""evalica takes about a millisecond a draw."""
LENGTH_RIDGE = 0.1
"""Precision of a normal prior on the slope of the length: without one, a judge that always prefers
the longer reply has no finite slope."""
MIDDLE_RIDGE = 0.01
"""The same for the intercept: a model that always wins has no finite one."""
_STEPS = 40
NO_PAIRS = "두 차례 모두 읽을 수 있는 심사가 없습니다."


class Pair(NamedTuple):
    """One judged pair."""

    scenario: str
    one: str
    other: str
    value: float
    """1, .5 or 0 for the one."""
    longer: float
    """Characters of the one minus those of the other."""


def length_controlled(pairs: Sequence[Pair], *, seed: int, draws: int = DRAWS) -> Measure:
    """The win rate at equal length.

    Fits P(one wins) = σ(θ + φ·tanh(d / s)) by maximum likelihood, ties as halves, where d is the
    difference of length and s its root mean square; σ(θ) is the rate at d = 0. Wide normal
    priors (variance 10 for φ, 100 for θ) keep the fit finite. The interval resamples scenarios.

    Source: Y. Dubois et al., "Length-Controlled AlpacaEval: A Simple Way to Debias Automatic
    Evaluators" (2024), without its terms for instructions and models.
    """
    kind = Kind("length_controlled", "higher", "share", "arena")
    if not pairs:
        return taken(kind, Interval(value=None), note=NO_PAIRS)
    won = np.array([one.value for one in pairs], dtype=np.float64)
    longer = np.array([one.longer for one in pairs], dtype=np.float64)
    scale = math.sqrt(float(np.mean(longer**2)))
    lengths = np.tanh(longer / scale) if scale else np.zeros_like(longer)
    value = float(_rates(won, lengths, np.ones((1, len(pairs))))[0])
    weights = _weights(pairs, seed, draws)
    if weights is None:
        return taken(kind, Interval(value=value, count=len(pairs)), note=ONE_SCENE)
    low, high = np.percentile(_rates(won, lengths, weights), (2.5, 97.5))
    return taken(kind, Interval(value=value, low=float(low), high=float(high), count=len(pairs)))


def rank(
    names: Sequence[str], pairs: Sequence[Pair], *, seed: int, draws: int = STRENGTH_DRAWS
) -> Ranking | None:
    """Bradley–Terry strengths, best first: natural logarithms whose mean is 0.

    Ties count half a win to each side. Every pair of names is given one tie in all as a prior, so
    that a model that never loses has a finite strength. The intervals resample scenarios.

    Returns:
        None where a model has no judged pair.

    Raises:
        MissingExtraError: ``evalica`` is not installed.

    Source: R. A. Bradley and M. E. Terry, "Rank analysis of incomplete block designs", Biometrika
    39 (1952).
    """
    met = {name for one in pairs for name in (one.one, one.other)}
    if any(name not in met for name in names):
        return None
    strengths = _strengths(names, pairs, np.ones(len(pairs)))
    weights = _weights(pairs, seed, draws)
    spread = None
    if weights is not None:
        drawn = np.array([_strengths(names, pairs, row) for row in weights])
        spread = np.percentile(drawn, (2.5, 97.5), axis=0)
    order = np.argsort(-strengths, kind="stable")
    return Ranking(
        names=tuple(names[at] for at in order),
        strengths=tuple(
            taken(
                Kind("strength", "higher", "points", "arena"),
                Interval(
                    value=float(strengths[at]),
                    low=None if spread is None else float(spread[0][at]),
                    high=None if spread is None else float(spread[1][at]),
                    count=sum(names[at] in (one.one, one.other) for one in pairs),
                ),
            )
            for at in order
        ),
    )


def _strengths(names: Sequence[str], pairs: Sequence[Pair], weights: Floats) -> Floats:
    evalica = _evalica()
    prior = [(one, other) for at, one in enumerate(names) for other in names[at + 1 :]]
    results = {1.0: evalica.Winner.X, 0.5: evalica.Winner.Draw, 0.0: evalica.Winner.Y}
    found = evalica.bradley_terry(
        [one.one for one in pairs] + [one for one, _ in prior],
        [one.other for one in pairs] + [other for _, other in prior],
        [results[one.value] for one in pairs] + [evalica.Winner.Draw] * len(prior),
        weights=[*weights.tolist(), *[1.0] * len(prior)],
        limit=10_000,
    )
    logs = np.log(np.array([found.scores[name] for name in names], dtype=np.float64))
    return np.asarray(logs - logs.mean())


def _evalica() -> Any:
    try:
        import evalica
    except ImportError as error:
        raise MissingExtraError(
            "세 모델 이상의 순위를 매기려면 evalica가 있어야 합니다. "
            "pip install 'exagirl[judge]'를 실행하세요."
        ) from error
    return evalica


def _weights(pairs: Sequence[Pair], seed: int, draws: int) -> Floats | None:
    """How often each pair counts in each resample of scenarios, shape (draws, pairs)."""
    scenarios = sorted({one.scenario for one in pairs})
    if len(scenarios) < 2:
        return None
    place = {name: at for at, name in enumerate(scenarios)}
    drawn = np.random.default_rng(seed).integers(len(scenarios), size=(draws, len(scenarios)))
    counts = np.zeros((draws, len(scenarios)))
    np.add.at(counts, (np.arange(draws)[:, None], drawn), 1)
    return np.asarray(counts[:, [place[one.scenario] for one in pairs]])


def _rates(won: Floats, lengths: Floats, weights: Floats) -> Floats:
    """σ(θ) for every row of weights, by Newton's method with steps that are bounded."""
    middle, slope = np.zeros(len(weights)), np.zeros(len(weights))
    for _ in range(_STEPS):
        odds = _sigmoid(middle[:, None] + slope[:, None] * lengths)
        off = weights * (won - odds)
        curve = weights * odds * (1 - odds)
        up_middle = off.sum(axis=1) - MIDDLE_RIDGE * middle
        up_slope = off @ lengths - LENGTH_RIDGE * slope
        aa = curve.sum(axis=1) + MIDDLE_RIDGE
        bb = curve @ lengths**2 + LENGTH_RIDGE
        ab = curve @ lengths
        size = aa * bb - ab**2
        middle = middle + np.clip((bb * up_middle - ab * up_slope) / size, -2, 2)
        slope = slope + np.clip((aa * up_slope - ab * up_middle) / size, -2, 2)
    return _sigmoid(middle)


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -50, 50))))
