"""A face for a character that has none: drawn from the colours and the words of its card."""

from __future__ import annotations

import base64
import colorsys
import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template

from exagirl.persona.character import Character

_WORDS = {
    "glasses": ("안경", "glasses"),
    "ribbon": ("리본", "ribbon"),
    "hat": ("갓을", "모자"),
}
_COLOURS = {
    "#7b5cd6": ("보라", "자주", "purple", "violet"),
    "#f08fb2": ("분홍", "핑크", "pink"),
    "#f5a15b": ("주황", "노을", "orange"),
    "#d9534f": ("빨간", "빨강", "붉은", "red "),
    "#e2b23c": ("노란", "노랑", "금발", "yellow", "blond"),
    "#4c9a6a": ("초록", "녹색", "푸른 숲", "green"),
    "#4a7fc1": ("파란", "파랑", "푸른", "하늘색", "남색", "쪽빛", "blue"),
    "#8a6a4f": ("갈색", "밤색", "brown"),
    "#4a4652": ("검은", "까만", "검정", "먹빛", "black"),
    "#9a98a6": ("회색", "은발", "은빛", "흰머리", "grey", "gray", "silver"),
}
"""Colours that a card's words may name."""
_HAIR = ("머리카락", "단발", "긴 머리", "생머리", "댕기", "hair")
_GREY = ("흰머리", "흰 머리", "백발", "희끗")


_EVEN = 0.179
"""Luminance on which black and white read equally well: 4.58."""
_DARK, _LIGHT = 0.12, 0.52
"""Luminance of writing on the page's lightest and darkest bubbles, for a contrast of 4.5."""


class Palette(NamedTuple):
    """The colours of one character, ``#rrggbb``; light, main and warm."""

    first: str
    second: str
    third: str
    on_first: str
    """Black or white, whichever reads better on ``first``; a contrast of 4.5 at least."""
    ink_by_day: str
    """``first``, dark enough to be read on light paper."""
    ink_by_night: str
    """``first``, light enough to be read on dark paper."""


def palette_of(character: Character) -> Palette:
    """A character's colours; where the card has none, those of its words, or of its name."""
    colours = list(character.media.colours) or _named_in(character.appearance.casefold())
    turn = int(hashlib.sha256(character.name.encode()).hexdigest()[:6], 16) / 0xFFFFFF
    own = [_colour(turn + step, share) for step, share in ((0, 0.45), (0.08, 0.65), (0.16, 0.72))]
    first, second, third = (*colours, *own[len(colours) :])[:3]
    on_first = "#ffffff" if luminance(first) < _EVEN else "#000000"
    return Palette(
        first,
        second,
        third,
        on_first,
        _mixed(first, 0, most=_DARK),
        _mixed(first, 255, least=_LIGHT),
    )


def draw_portrait(character: Character) -> str:
    """A portrait as SVG, 200 by 200; nothing of the card's text is in it."""
    told = " ".join((character.appearance, character.description)).casefold()
    seen = {name: any(word in told for word in words) for name, words in _WORDS.items()}
    return _template().render(
        colours=palette_of(character)._asdict(),
        is_bob=any(word in told for word in _HAIR),
        is_grey=any(word in told for word in _GREY),
        **seen,
    )


def as_data_uri(svg: str) -> str:
    """An SVG as an address that an ``<img>`` shows; scripts in it would not run there."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _named_in(text: str) -> list[str]:
    """Colours that a text names, in the order in which it does."""
    places = {
        colour: min(at for word in words if (at := text.find(word)) >= 0)
        for colour, words in _COLOURS.items()
        if any(word in text for word in words)
    }
    return sorted(places, key=places.__getitem__)


def _colour(hue: float, lightness: float) -> str:
    red, green, blue = colorsys.hls_to_rgb(hue % 1.0, lightness, 0.5)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _mixed(colour: str, with_grey: int, *, least: float = 0.0, most: float = 1.0) -> str:
    """A colour mixed with black or white, no further than until its luminance is in bounds."""
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    for step in range(21):
        share = step / 20
        mixed = "#" + "".join(f"{round(part + (with_grey - part) * share):02x}" for part in parts)
        if least <= luminance(mixed) <= most:
            return mixed
    return "#" + f"{with_grey:02x}" * 3


def luminance(colour: str) -> float:
    """Relative luminance. Source: WCAG 2.2, 'relative luminance'."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@cache
def _template() -> Template:
    source = (resources.files("exagirl.chat.web") / "portrait.svg.jinja").read_text("utf-8")
    return Environment(undefined=StrictUndefined, autoescape=True).from_string(source)
