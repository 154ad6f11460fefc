"""How close replies are to the character's own lines, letter by letter.

The weight of a character n-gram (n = 2, 3, 4) in a text is 1 + ln(how often it stands there), and
the closeness of two texts is the cosine of their weights, from 0 to 1. All lines of the card are
one of the texts, 600 letters of replies the other. No inverse document frequency: it would need a
corpus, and the scores of two runs would depend on it.

The longer a text, the more it shares with any other, so that the size is fixed: the number is the
mean over samples of whole replies in random order, cut at 600 letters. Reply by reply the measure
told long replies from short ones, not one voice from another; so taken, the dialogues of each of
the five built-in characters are closest to their own card.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from exagirl.evaluation.intervals import Interval

SIZES = (2, 3, 4)
SAMPLE_LETTERS = 600
"""Letters of one sample, blanks included: some twelve replies."""
SAMPLES = 100
FEWEST_LINES = 5
"""Fewer lines are no voice."""


class Voice:
    """The n-grams of a character's lines.

    Args:
        lines: What the character says, actions included.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = [_plain(line) for line in lines]
        self._weights = _weights(self._lines)
        self._norm = _norm(self._weights.values())

    @property
    def is_known(self) -> bool:
        """True where there are lines enough."""
        return len(self._lines) >= FEWEST_LINES

    def closeness(self, texts: Sequence[str], *, seed: int) -> Interval:
        """The cosine of 600 letters of texts with all lines, the mean over samples.

        Returns:
            The value is None where the texts have fewer letters; the interval, the middle 95 % of
            the samples, where they have not enough for two samples apart. ``count`` is their
            number.
        """
        said = [plain for text in texts if (plain := _plain(text))]
        letters = sum(map(len, said))
        if letters < SAMPLE_LETTERS:
            return Interval(value=None, count=len(said))
        dice = np.random.default_rng(seed)
        reached = [
            _cosine(_weights(_cut(said, dice.permutation(len(said)))[0]), self._weights, self._norm)
            for _ in range(SAMPLES)
        ]
        low, high = _middle(reached) if letters >= 2 * SAMPLE_LETTERS else (None, None)
        return Interval(value=float(np.mean(reached)), low=low, high=high, count=len(said))

    def own_range(self, *, seed: int) -> tuple[float, float] | None:
        """What 600 letters of the lines reach against the other lines, the middle 95 %.

        None where the lines have not twice as many letters.
        """
        if not self.is_known or sum(map(len, self._lines)) < 2 * SAMPLE_LETTERS:
            return None
        dice = np.random.default_rng(seed)
        reached = []
        for _ in range(SAMPLES):
            sample, rest = _cut(self._lines, dice.permutation(len(self._lines)))
            others = _weights(rest)
            reached.append(_cosine(_weights(sample), others, _norm(others.values())))
        return _middle(reached)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _cut(texts: Sequence[str], order: Iterable[int]) -> tuple[list[str], list[str]]:
    """Texts in an order up to the size of a sample, the last one cut; and those not looked at."""
    sample: list[str] = []
    rest: list[str] = []
    left = SAMPLE_LETTERS
    for at in order:
        if left > 0:
            sample.append(texts[at][:left])
            left -= len(sample[-1])
        else:
            rest.append(texts[at])
    return sample, rest


def _weights(texts: Iterable[str]) -> dict[str, float]:
    """The weights of all n-grams; none reaches over the end of a text."""
    grams = Counter(
        text[at : at + size]
        for text in texts
        for size in SIZES
        for at in range(len(text) - size + 1)
    )
    return {gram: 1 + math.log(times) for gram, times in grams.items()}


def _norm(weights: Iterable[float]) -> float:
    return math.sqrt(sum(weight * weight for weight in weights))


def _cosine(one: dict[str, float], other: dict[str, float], norm: float) -> float:
    if not one or not norm:
        return 0.0
    common = sum(weight * other[gram] for gram, weight in one.items() if gram in other)
    return common / (_norm(one.values()) * norm)


def _middle(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
