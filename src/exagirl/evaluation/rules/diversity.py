"""How varied replies are: distinct n-grams of morphemes, and how well each predicts the others.

Both depend on how much is looked at, so that both look at samples of one fixed size, drawn without
replacement, and give the mean over the samples. A model that says less is not more varied.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from exagirl.evaluation.intervals import Interval
from exagirl.korean.analyser import KiwiAnalyser, analyser

SAMPLE_GRAMS = 300
"""n-grams of one sample of distinct-n: some fifteen replies."""
SAMPLE_REPLIES = 20
"""Replies of one sample of self-BLEU."""
SAMPLES = 100
_ORDERS = (1, 2, 3, 4)

Tokens = Sequence[str]


def morphemes_of(texts: Sequence[str]) -> list[list[str]] | None:
    """The morphemes of each text, asterisks left out; None on a machine without Kiwi."""
    kiwi = analyser()
    if not isinstance(kiwi, KiwiAnalyser):
        return None
    return [[one.form for one in kiwi.morphemes(text.replace("*", " "))] for text in texts]


def distinct(replies: Sequence[Tokens], size: int, *, seed: int) -> Interval:
    """Distinct n-grams among 300, the mean over samples of whole replies in random order.

    Args:
        replies: Tokens of each.
        size: The n of the n-grams; none reaches over the end of a reply.
        seed: Of the samples.

    Returns:
        The value is None where there are fewer than 300 n-grams; the interval, the middle 95 % of
        the samples, is None where there are not enough for two samples apart.

    Source: distinct-n of J. Li et al., "A diversity-promoting objective function for neural
    conversation models" (NAACL 2016), at a fixed size.
    """
    grams = [_ngrams(reply, size) for reply in replies]
    total = sum(map(len, grams))
    if total < SAMPLE_GRAMS:
        return Interval(value=None, count=total)
    dice = np.random.default_rng(seed)
    shares = [_distinct_share(grams, dice.permutation(len(grams))) for _ in range(SAMPLES)]
    return _of_samples(shares, total, is_apart=total >= 2 * SAMPLE_GRAMS)


def self_bleu(replies: Sequence[Tokens], *, seed: int) -> Interval:
    """BLEU-4 of a reply against 19 others, the mean over samples; high where all sound alike.

    Args:
        replies: Tokens of each; those without any are left out.
        seed: Of the samples.

    Returns:
        As for ``distinct``; 20 replies are needed, and 40 for an interval.

    Source: self-BLEU of Y. Zhu et al., "Texygen" (SIGIR 2018); BLEU of K. Papineni et al. (ACL
    2002), with one added to matches and totals above single tokens (C.-Y. Lin and F. J. Och, COLING
    2004). Of a reply of fewer than four tokens the orders that it has count.
    """
    said = [reply for reply in replies if reply]
    if len(said) < SAMPLE_REPLIES:
        return Interval(value=None, count=len(said))
    dice = np.random.default_rng(seed)
    scores = []
    for _ in range(SAMPLES):
        drawn = dice.choice(len(said), size=SAMPLE_REPLIES, replace=False)
        scores.append(_mean_bleu([said[at] for at in drawn]))
    return _of_samples(scores, len(said), is_apart=len(said) >= 2 * SAMPLE_REPLIES)


def _of_samples(values: Sequence[float], count: int, *, is_apart: bool) -> Interval:
    """Samples that all hold nearly the same replies say nothing about others."""
    low, high = np.percentile(values, (2.5, 97.5)) if is_apart else (None, None)
    return Interval(
        value=float(np.mean(values)),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        count=count,
    )


def _ngrams(tokens: Tokens, size: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[at : at + size]) for at in range(len(tokens) - size + 1)]


def _distinct_share(grams: Sequence[Sequence[tuple[str, ...]]], order: Iterable[int]) -> float:
    seen: list[tuple[str, ...]] = []
    for at in order:
        seen += grams[at]
        if len(seen) >= SAMPLE_GRAMS:
            break
    return len(set(seen[:SAMPLE_GRAMS])) / SAMPLE_GRAMS


def _mean_bleu(replies: Sequence[Tokens]) -> float:
    """The mean of each reply's BLEU against the others."""
    counts = [[Counter(_ngrams(reply, size)) for size in _ORDERS] for reply in replies]
    most = [_two_most([of[order] for of in counts]) for order in range(len(_ORDERS))]
    lengths = [len(reply) for reply in replies]
    return math.fsum(_bleu(at, counts[at], most, lengths) for at in range(len(replies))) / len(
        replies
    )


Most = dict[tuple[str, ...], tuple[int, int, int]]


def _two_most(counts: Sequence[Counter[tuple[str, ...]]]) -> Most:
    """n-gram to its greatest count, the reply that has it, and the greatest of the others."""
    most: Most = {}
    for at, of in enumerate(counts):
        for gram, times in of.items():
            first, owner, second = most.get(gram, (0, -1, 0))
            if times > first:
                most[gram] = (times, at, first)
            elif times > second:
                most[gram] = (first, owner, times)
    return most


def _bleu(
    at: int, counts: Sequence[Counter[tuple[str, ...]]], most: Sequence[Most], lengths: list[int]
) -> float:
    logs = []
    for order, of in enumerate(counts):
        total = of.total()
        if not total:
            break
        matches = 0
        for gram, times in of.items():
            first, owner, second = most[order][gram]
            matches += min(times, second if owner == at else first)
        if order == 0 and not matches:
            return 0.0
        added = 1 if order else 0
        logs.append(math.log((matches + added) / (total + added)))
    length = lengths[at]
    others = lengths[:at] + lengths[at + 1 :]
    nearest = min(others, key=lambda other: (abs(other - length), other))
    brevity = min(0.0, 1 - nearest / length)
    return math.exp(brevity + math.fsum(logs) / len(logs))
