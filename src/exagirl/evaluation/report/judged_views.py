"""What a judge found, and what the judge itself was found to be worth, as the page wants it."""

from __future__ import annotations

import math
from typing import Any

from exagirl.evaluation.report.pictures import Span, span_of, track
from exagirl.evaluation.report.safe import safe
from exagirl.evaluation.report.views import dot_of, label_of
from exagirl.evaluation.report.words import show_interval, show_number, words_of
from exagirl.evaluation.scores import ArenaResult, Evaluation, JudgeCertificate, Measure


def certificate_view(certificate: JudgeCertificate) -> dict[str, Any]:
    """What a judge was found to be worth."""
    rows = [(words_of("faults", kind).ko, one) for kind, one in certificate.detection.items()]
    others = (
        ("헛짚음", "멀쩡한 답을 나무란 몫", certificate.false_alarms),
        ("말 바꿈", "차례를 바꾸면 달리 고른 짝의 몫", certificate.flip_rate),
        ("긴 답 편애", "같은 값이면 긴 답을 고른 몫. 50%가 공평", certificate.length_preference),
    )
    return {
        "judge": safe(certificate.judge, 120),
        "is_trusted": certificate.is_trusted,
        "reason": safe(certificate.reason),
        "detection": [
            {"name": safe(name, 80), "about": "심은 흠을 찾은 몫"} | _single(one, "m1")
            for name, one in rows
        ],
        "others": [
            {"name": name, "about": about} | _single(one, "m0") for name, about, one in others
        ],
        "asked": certificate.asked,
        "unreadable": certificate.unreadable,
        "refused": certificate.refused,
    }


def _single(measure: Measure, style: str, span: Span | None = None) -> dict[str, Any]:
    dot = dot_of(measure, style, 0)
    value = show_number(measure.value, measure.unit)
    return {
        "value": value,
        "interval": show_interval(measure),
        "count": measure.count,
        "note": safe(measure.note),
        "track": track([dot], span or span_of([measure]), label=value) if dot else "",
    }


def arena_view(result: ArenaResult, models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One model against another."""
    judged = result.wins + result.ties + result.losses
    counts = (
        ("win", "이김", result.wins),
        ("tie", "비김", result.ties),
        ("loss", "짐", result.losses),
    )
    return {
        "one": label_of(models, result.one),
        "other": label_of(models, result.other),
        "bars": [
            {"class": kind, "ko": word, "count": count, "width": f"{100 * count / judged:.2f}"}
            for kind, word, count in counts
            if count
        ],
        "judged": judged,
        "unreadable": result.unreadable,
        "refused": result.refused,
        "rows": [
            {"name": name, "about": about} | _single(one, "m1")
            for name, about, one in (
                ("이긴 몫", "비기거나 말이 바뀌면 절반", result.win_rate),
                ("길이를 맞춘 이긴 몫", "긴 답이 얻는 덕을 뺌", result.length_controlled),
                ("말 바꿈", "차례를 바꾸면 달리 고른 짝", result.flip_rate),
            )
        ],
    }


def ranking_rows(evaluation: Evaluation, models: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Bradley–Terry strengths, the strongest first, on one axis."""
    ranking = evaluation.ranking
    if ranking is None:
        return []
    span = span_of(ranking.strengths)
    pairs = sorted(
        zip(ranking.names, ranking.strengths, strict=False),
        key=lambda pair: -(pair[1].value if pair[1].value is not None else -math.inf),
    )
    return [
        {"name": label_of(models, name), "about": ""}
        # Strengths have no unit: they are no points that a judge gave.
        | _single(
            one.model_copy(update={"unit": "ratio"}),
            models[name]["style"] if name in models else "m0",
            span,
        )
        for name, one in pairs
    ]
