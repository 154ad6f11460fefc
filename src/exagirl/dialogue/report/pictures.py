"""Pictures of a set of dialogues, as SVG that stands in a page."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from exagirl.errors import MissingExtraError

# Middle greys and one violet read well on white and on black.
_INK = "#7a7a85"
_VIOLET = "#8b6fd6"
_ORANGE = "#e2895a"
SIZE_INCHES = (4.6, 2.3)


def need_matplotlib() -> Any:
    """The library, on first use.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import matplotlib as library
    except ImportError as error:
        raise MissingExtraError(
            "그림을 그리려면 matplotlib이 필요합니다. 설치하세요: pip install 'exagirl[report]'"
        ) from error
    return library


def bars(counts: Counter[int]) -> str:
    """One bar a whole number."""
    figure, axes = _new()
    numbers = sorted(counts)
    axes.bar(numbers, [counts[number] for number in numbers], color=_VIOLET, width=0.7)
    axes.set_xticks(numbers if len(numbers) <= 16 else numbers[:: len(numbers) // 12])
    return _as_svg(figure)


def histogram(*values: Sequence[float], bins: int = 24, most: float | None = None) -> str:
    """One or two spreads over each other."""
    figure, axes = _new()
    together = [value for many in values for value in many] or [0.0]
    top = most if most is not None else max(together) or 1.0
    for many, colour in zip(values, (_VIOLET, _ORANGE), strict=False):
        axes.hist(many, bins=bins, range=(0, top), color=colour, alpha=0.7)
    return _as_svg(figure)


def _new() -> tuple[Any, Any]:
    need_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.set_facecolor("none")
    return figure, axes


def _as_svg(figure: Any) -> str:
    library = need_matplotlib()
    stream = io.StringIO()
    # No date and fixed names: the same dialogues give the same page.
    with library.rc_context({"svg.fonttype": "none", "svg.hashsalt": "exagirl"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
