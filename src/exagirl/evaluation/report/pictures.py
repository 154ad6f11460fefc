"""Pictures of scores, as SVG that stands in a page.

Written by hand rather than by matplotlib: they take their colours from the page, so that they turn
dark with it; places along a row are shares of its width, so that they fit a phone; and a report
comes with every run, where matplotlib is an extra.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from exagirl.evaluation.scores import Measure
from exagirl.record import Record

ROW_PX = 20
SHAPES = (
    "M5 0A5 5 0 1 1 -5 0A5 5 0 1 1 5 0Z",  # circle
    "M0 -6L6 0L0 6L-6 0Z",  # diamond
    "M-4.5 -4.5H4.5V4.5H-4.5Z",  # square
    "M0 -6L5.5 4.5H-5.5Z",  # triangle
    "M0 6L5.5 -4.5H-5.5Z",  # triangle upside down
    "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",  # cross
)
"""A model's own, so that colour alone never tells models apart; centred, about 12 px wide."""
_CURVE_SIZE, _CURVE_PAD = (460.0, 216.0), (46.0, 12.0, 14.0, 30.0)
_RADAR_SIZE, _RADAR_REACH = (460.0, 320.0), 108.0
_RINGS = 4
_ASIDE_PX = 6.0


class Dot(Record):
    """A value with its interval, at a place in a picture."""

    value: float
    low: float | None = None
    high: float | None = None
    style: str = "m0"
    """The class that colours it: ``m0``, ``m1`` … or a verdict."""
    shape: int = 0


class Line(Record):
    """One model's values over turns."""

    style: str
    shape: int
    values: tuple[Dot | None, ...]
    """None where nothing was measured: the line has a gap."""


class Shape(Record):
    """One model on a radar."""

    style: str
    shape: int
    values: tuple[float, ...]
    """Between 0 and 1, one for each axis."""


class Span(Record):
    """The part of the number line that a picture shows."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Where a value stands, from 0 to 1; what lies outside stands on the edge."""
        if self.high <= self.low:
            return 0.5
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def span_of(measures: Iterable[Measure]) -> Span:
    """A span that holds every value, interval and reference; a share's is 0 to 1."""
    found = list(measures)
    if any(one.unit == "share" for one in found):
        return Span(low=0.0, high=1.0)
    numbers = [
        number
        for one in found
        for number in (one.value, one.low, one.high, *(one.reference or ()))
        if number is not None and math.isfinite(number)
    ]
    if not numbers:
        return Span(low=0.0, high=1.0)
    low, high = min(numbers), max(numbers)
    spare = 0.08 * (high - low) or abs(high) / 2 or 1.0
    return Span(low=0.0 if 0 <= low < spare else low - spare, high=high + spare)


def track(
    dots: Sequence[Dot],
    span: Span,
    *,
    zero: float | None = None,
    reference: tuple[float, float] | None = None,
    label: str = "",
) -> Markup:
    """Dots with whiskers on a line, a row a dot.

    Args:
        dots: From top to bottom.
        span: What the width of the row stands for.
        zero: Where a line across all rows stands.
        reference: A band that is right.
        label: What a screen reader says.
    """
    height = ROW_PX * max(1, len(dots))
    parts: list[str] = []
    if reference is not None:
        left, right = span.share(reference[0]), span.share(reference[1])
        parts.append(
            f'<rect class="band" x="{_percent(left)}" width="{_percent(right - left)}" y="1" '
            f'height="{height - 2}" rx="4"/>'
        )
    if zero is not None:
        at = _percent(span.share(zero))
        parts.append(f'<line class="zero" x1="{at}" x2="{at}" y1="0" y2="{height}"/>')
    for row, dot in enumerate(dots):
        parts += _row(dot, span, ROW_PX * row + ROW_PX // 2)
    return Markup(
        '<svg class="track" width="100%" height="{}" role="img" aria-label="{}">{}</svg>'
    ).format(height, label, Markup("".join(parts)))


def _row(dot: Dot, span: Span, y: int) -> list[str]:
    parts = [f'<line class="rail" x1="0" x2="100%" y1="{y}" y2="{y}"/>']
    if dot.low is not None and dot.high is not None:
        left, right = _percent(span.share(dot.low)), _percent(span.share(dot.high))
        parts.append(
            f'<line class="whisker {dot.style}" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
        )
    at = _percent(span.share(dot.value))
    # An inner picture's place may be a share of the width, a path's may not.
    parts.append(
        f'<svg x="{at}" y="{y}" overflow="visible"><path class="dot {dot.style}" '
        f'd="{SHAPES[dot.shape % len(SHAPES)]}"/></svg>'
    )
    return parts


def key(style: str, shape: int) -> Markup:
    """A model's sign, for a legend."""
    return Markup(
        '<svg class="key" width="16" height="14" viewBox="-8 -7 16 14" aria-hidden="true">'
        '<path class="dot {}" d="{}"/></svg>'
    ).format(style, SHAPES[shape % len(SHAPES)])


def curve(
    lines: Sequence[Line], at: Sequence[int], span: Span, ticks: Sequence[str], label: str
) -> Markup:
    """Values over turns, a line a model.

    Args:
        lines: One for each model, a value for each turn.
        at: The turns.
        span: Of the upright axis.
        ticks: What stands beside it, evenly spaced from the bottom.
        label: What a screen reader says.
    """
    width, height = _CURVE_SIZE
    left, _, right, _ = _CURVE_PAD
    plane = _Plane(turns=Span(low=min(at), high=max(at)), values=span)
    parts: list[str] = []
    for number, tick in enumerate(ticks):
        y = plane.y(span.low + number / max(1, len(ticks) - 1) * (span.high - span.low))
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{left - 7}" y="{y + 4:.1f}" text-anchor="end">{escape(tick)}</text>'
        )
    parts += [
        f'<text x="{plane.x(turn):.1f}" y="{height - 8}" text-anchor="middle">{turn}</text>'
        for turn in at
    ]
    for number, line in enumerate(lines):
        # A little beside one another, so that whiskers do not hide whiskers.
        aside = _ASIDE_PX * (number - (len(lines) - 1) / 2)
        parts += _curve_line(line, at, plane, aside)
    return _figure(_CURVE_SIZE, parts, label)


class _Plane(Record):
    """Where a value at a turn stands in a picture of curves."""

    turns: Span
    values: Span

    def x(self, turn: float) -> float:
        left, _, right, _ = _CURVE_PAD
        return left + 14 + self.turns.share(turn) * (_CURVE_SIZE[0] - left - right - 28)

    def y(self, value: float) -> float:
        _, top, _, bottom = _CURVE_PAD
        return _CURVE_SIZE[1] - bottom - self.values.share(value) * (_CURVE_SIZE[1] - top - bottom)


def _curve_line(line: Line, at: Sequence[int], plane: _Plane, aside: float) -> list[str]:
    parts: list[str] = []
    path, is_down = "", False
    for turn, dot in zip(at, line.values, strict=True):
        if dot is None:
            is_down = False
            continue
        x, y = plane.x(turn) + aside, plane.y(dot.value)
        path += f"{'L' if is_down else 'M'}{x:.1f} {y:.1f}"
        is_down = True
        if dot.low is not None and dot.high is not None:
            parts.append(
                f'<line class="whisker thin {line.style}" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{plane.y(dot.low):.1f}" y2="{plane.y(dot.high):.1f}"/>'
            )
        parts.append(_mark(line.style, line.shape, x, y))
    return [f'<path class="line {line.style}" d="{path}"/>', *parts] if path else []


def radar(axes: Sequence[str], shapes: Sequence[Shape], label: str) -> Markup:
    """Several measures of each model around a centre; the rim is the best that can be.

    Args:
        axes: Their names, three or more.
        shapes: The models.
        label: What a screen reader says.
    """
    width, height = _RADAR_SIZE
    middle_x, middle_y = width / 2, height / 2
    turns = [2 * math.pi * number / len(axes) - math.pi / 2 for number in range(len(axes))]

    def place(angle: float, share: float) -> tuple[float, float]:
        reach = _RADAR_REACH * share
        return middle_x + reach * math.cos(angle), middle_y + reach * math.sin(angle)

    rings = [[place(turn, ring / _RINGS) for turn in turns] for ring in range(1, _RINGS + 1)]
    parts = [f'<path class="grid" d="{_closed(ring)}"/>' for ring in rings]
    for turn, name in zip(turns, axes, strict=True):
        x, y = place(turn, 1.0)
        parts.append(
            f'<line class="grid" x1="{middle_x}" y1="{middle_y}" x2="{x:.1f}" y2="{y:.1f}"/>'
        )
        x, y = place(turn, 1.1)
        side = math.cos(turn)
        anchor = "middle" if abs(side) < 0.3 else "start" if side > 0 else "end"
        drop = 4 + 6 * math.sin(turn)
        parts.append(
            f'<text x="{x:.1f}" y="{y + drop:.1f}" text-anchor="{anchor}">{escape(name)}</text>'
        )
    for one in shapes:
        places = [place(turn, share) for turn, share in zip(turns, one.values, strict=True)]
        parts.append(f'<path class="area {one.style}" d="{_closed(places)}"/>')
        parts += [_mark(one.style, one.shape, x, y) for x, y in places]
    return _figure(_RADAR_SIZE, parts, label)


def _mark(style: str, shape: int, x: float, y: float) -> str:
    return (
        f'<path class="dot {style}" transform="translate({x:.1f} {y:.1f}) scale(.85)" '
        f'd="{SHAPES[shape % len(SHAPES)]}"/>'
    )


def _closed(places: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) + "Z"


def _figure(size: tuple[float, float], parts: Iterable[str], label: str) -> Markup:
    return Markup(
        '<svg class="figure" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(int(size[0]), int(size[1]), label, Markup("".join(parts)))


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"
