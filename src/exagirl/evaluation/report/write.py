"""One self-contained page about an evaluation; it works offline, prints, and runs no script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from exagirl.artifact import make_folder, write_text
from exagirl.evaluation.report.figures import drift_figures, radar_figure
from exagirl.evaluation.report.judged_views import arena_view, certificate_view, ranking_rows
from exagirl.evaluation.report.safe import TURN_CHARS, Allowance, safe, spoken
from exagirl.evaluation.report.views import (
    change_views,
    found_codes,
    label_of,
    layers,
    model_views,
    scorecard,
)
from exagirl.evaluation.report.words import words_of
from exagirl.evaluation.scores import Evaluation, Quote

REPORT = "report.html"
QUOTES_MOST = 12
"""Of the best, and of the worst."""
TROUBLES_MOST = 40
FINDINGS_MOST = 8
TURNS_MOST = 6
"""Of a quote's conversation, the last."""
REPEAT_CHARS = 60_000
_LONG = 120
"""A text longer than this, or of several lines, is folded away."""
_DEEPEST = 6


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write ``report.html`` into a folder; the same evaluation gives the same bytes.

    The page holds everything that the evaluation says. Very long texts are cut, and it says where.

    Args:
        evaluation: What is shown.
        folder: Made where it is not there.

    Raises:
        ArtifactError: The folder cannot be written.
    """
    return write_text(make_folder(folder) / REPORT, render_report(evaluation))


def render_report(evaluation: Evaluation) -> str:
    """The page's text."""
    models = model_views(evaluation)
    certificate = evaluation.certificate
    facts = {
        "run": safe(evaluation.run, 120),
        "character": safe(evaluation.character, 120),
        "level": {"banmal": "반말", "polite": "존댓말"}.get(evaluation.level or "", ""),
        "models": list(models.values()),
        "troubles": [
            {"part": words_of("parts", safe(one.part, 60)).ko, "message": safe(one.message)}
            for one in evaluation.troubles[:TROUBLES_MOST]
        ],
        "more_troubles": max(0, len(evaluation.troubles) - TROUBLES_MOST),
        "cards": scorecard(evaluation, models),
        "changes": change_views(evaluation, models),
        "layers": layers(evaluation, models),
        "drifts": drift_figures(evaluation, models),
        "radar": radar_figure(evaluation, models),
        "quotes": [_quotes(evaluation.quotes, why, models) for why in ("worst", "best")],
        "codes": found_codes(evaluation.models),
        "certificate": certificate_view(certificate) if certificate else None,
        "doubted": certificate is not None and not certificate.is_trusted,
        "arena": [arena_view(one, models) for one in evaluation.arena],
        "ranking": ranking_rows(evaluation, models),
        "repeat": _tree(evaluation.repeat, Allowance(REPEAT_CHARS)),
    }
    return str(_template().render(**facts))


def _template() -> Any:
    environment = Environment(
        undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("exagirl.evaluation.report") / "page.html.jinja"
    return environment.from_string(source.read_text("utf-8"))


def _quotes(quotes: Sequence[Quote], why: str, models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    chosen = [quote for quote in quotes if quote.why == why]
    return {
        "why": why,
        "more": max(0, len(chosen) - QUOTES_MOST),
        "all": [_quote(quote, models) for quote in chosen[:QUOTES_MOST]],
    }


def _quote(quote: Quote, models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    reply = quote.reply
    turns = [
        {"role": turn.role, "parts": spoken(turn.content, TURN_CHARS)}
        for turn in reply.before[-TURNS_MOST:]
    ]
    return {
        "model": label_of(models, reply.model),
        "key": models[reply.model]["key"] if reply.model in models else "",
        "kind": words_of("kinds", safe(reply.kind, 60)).ko,
        "scenario": safe(reply.scenario, 80),
        "position": reply.position,
        "hidden": len(reply.before) - len(turns),
        "earlier": turns[:-1],
        "asked": turns[-1:],
        "parts": spoken(reply.text),
        "is_cut": reply.is_cut,
        "findings": [
            {
                "code": safe(one.code, 80),
                "message": safe(one.message, 200),
                "excerpt": safe(one.excerpt, 120),
                "severity": one.severity,
            }
            for one in reply.findings[:FINDINGS_MOST]
        ],
        "more_findings": max(0, len(reply.findings) - FINDINGS_MOST),
        "score": f"{quote.score:.2f}",
    }


def _tree(value: Any, allowance: Allowance, depth: int = 0) -> dict[str, Any]:
    """Whatever an evaluation says of how to repeat it, as branches and leaves."""
    if depth < _DEEPEST and isinstance(value, Mapping):
        return _branches([(str(name), inner) for name, inner in value.items()], allowance, depth)
    if depth < _DEEPEST and isinstance(value, list | tuple) and any(map(_is_nested, value)):
        return _branches([(str(n), v) for n, v in enumerate(value, start=1)], allowance, depth)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    shown = allowance.take(text)
    return {"leaf": shown, "is_long": len(shown) > _LONG or "\n" in shown, "size": len(text)}


def _branches(pairs: Sequence[tuple[str, Any]], allowance: Allowance, depth: int) -> dict[str, Any]:
    shown: list[tuple[str, dict[str, Any]]] = []
    for name, value in pairs:
        if allowance.is_spent:
            rest = f"뒤로 {len(pairs) - len(shown):,}가지 더. scores.json에 있습니다."
            shown.append(("…", {"leaf": rest, "is_long": False, "size": len(rest)}))
            break
        shown.append((allowance.take(name), _tree(value, allowance, depth + 1)))
    return {"branches": shown}


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) or (isinstance(value, str) and "\n" in value)
