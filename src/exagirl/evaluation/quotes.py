"""Replies worth reading: those with the gravest findings, and those with none."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal

from exagirl.evaluation.scores import Quote, Reply

EACH = 4
"""Quotes of each sort and model."""
COST = {"error": 3.0, "warning": 1.0, "info": 0.0}
EMPTY_COST = 5.0


def choose_quotes(replies: Sequence[Reply], each: int = EACH) -> tuple[Quote, ...]:
    """The worst and the best replies of every model, one a scenario.

    A reply loses 3 for every error, 1 for every warning and 5 for being empty. Among equals the
    worst are those that came first, the best those whose length is nearest to the median of the
    replies without fault. A reply with a fault is never among the best, nor one without among the
    worst.

    Args:
        replies: Of any models, with their findings.
        each: How many of each sort a model has at most.
    """
    models = dict.fromkeys(reply.model for reply in replies)
    return tuple(
        quote
        for model in models
        for quote in _of_model([one for one in replies if one.model == model], each)
    )


def reply_score(reply: Reply) -> float:
    """What a reply is chosen by; 0 is without fault, less is worse."""
    cost = sum(COST[finding.severity] for finding in reply.findings)
    return -(cost + (0.0 if reply.text.strip() else EMPTY_COST))


def _of_model(replies: Sequence[Reply], each: int) -> list[Quote]:
    scored = [(reply_score(reply), reply) for reply in replies]
    good = [reply for score, reply in scored if score == 0]
    typical = median(len(reply.text) for reply in good) if good else 0
    worst = sorted((pair for pair in scored if pair[0] < 0), key=lambda pair: pair[0])
    best = sorted(good, key=lambda reply: abs(len(reply.text) - typical))
    return [
        *_quotes("worst", [reply for _, reply in worst], each),
        *_quotes("best", best, each),
    ]


def _quotes(why: Literal["worst", "best"], replies: Sequence[Reply], each: int) -> list[Quote]:
    firsts: dict[str, Reply] = {}
    for reply in replies:
        firsts.setdefault(reply.scenario, reply)
    return [
        Quote(why=why, reply=reply, score=reply_score(reply))
        for reply in list(firsts.values())[:each]
    ]
