"""One spelling for every text: composed Hangul, nothing invisible, nothing broken.

``normalise`` is for callers that store text. ``normalise_with_map`` is for checks, which report
places in the text as it was given.
"""

import re
import unicodedata
from typing import NamedTuple

# Characters that take no room and change matching: soft hyphen, zero-width space and
# non-joiner, word joiner, BOM, directional marks and isolates. The joiner U+200D stays inside
# emoji, where it has a meaning; see _STRAY_JOINER.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u2064\u2066-\u206f\u3164\ufeff\uffa0"
)
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_EMOJI_BEFORE = "\u2600-\u27bf\ufe0f\U0001f1e6-\U0001faff"
_STRAY_JOINER = rf"(?<![{_EMOJI_BEFORE}])\u200d|\u200d(?![{_EMOJI_BEFORE}])"

INVISIBLE = re.compile(rf"(?:[{_INVISIBLE}]|{_STRAY_JOINER})+")
CONTROL = re.compile(rf"[{_CONTROL}]+")
SURROGATE = re.compile("[\ud800-\udfff]+")
REPLACEMENT = re.compile("\ufffd+")
#: Hangul written in separate jamo, as macOS file names are.
DECOMPOSED = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|[가-힣][\u11a8-\u11c2]")

_ODD = re.compile(
    rf"[{_INVISIBLE}{_CONTROL}\ud800-\udfff\ufffd\r\u00a0\u2028\u2029\u3000]|{_STRAY_JOINER}"
)
_BLANKS = {"\u00a0": " ", "\u3000": " ", "\u2028": "\n", "\u2029": "\n", "\r": "\n"}

# What composes under NFC never reaches over one of these: a Hangul syllable with its jamo, or a
# character with the marks after it.
_CLUSTER = re.compile(
    "[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|[가-힣][\u11a8-\u11c2]?"
    "|\r\n|(?s:.)[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u3099\u309a]*"
)


class NormalText(NamedTuple):
    """A normalised text and the way back to the text as it was given."""

    text: str
    origins: list[int] | None
    """Where each character came from, and one more for the end; None if nothing changed."""

    def span(self, start: int, end: int, length: int) -> tuple[int, int]:
        """Give the place in the given text, of this length, of a place in the normal text."""
        if self.origins is None:
            return start, min(end, length)
        return self.origins[start], self.origins[end] if end > start else self.origins[start]


def is_normal(text: str) -> bool:
    """Tell whether ``normalise`` would change nothing."""
    return not _ODD.search(text) and unicodedata.is_normalized("NFC", text)


def normalise(text: str) -> str:
    r"""Compose Hangul (NFC) and drop what is invisible or broken.

    Zero-width characters, directional marks, control characters, lone surrogates and replacement
    characters go; a zero-width joiner stays between emoji. Odd blanks become a space, odd line
    breaks ``\n``. Doing it twice changes nothing.
    """
    return text if is_normal(text) else normalise_with_map(text).text


def normalise_with_map(text: str) -> NormalText:
    """Normalise as ``normalise`` does, and remember where each character came from."""
    if is_normal(text):
        return NormalText(text, None)
    dropped = _dropped(text)
    characters: list[str] = []
    origins: list[int] = []
    for match in _CLUSTER.finditer(text):
        kept = "".join(
            character
            for at, character in enumerate(match[0], start=match.start())
            if at not in dropped
        )
        for character in _composed(kept):
            characters.append(character)
            origins.append(match.start())
    origins.append(len(text))
    normal = "".join(characters)
    if unicodedata.is_normalized("NFC", normal):
        return NormalText(normal, origins)
    return _recomposed(normal, origins)


def _dropped(text: str) -> set[int]:
    """Give the places of all characters that go."""
    return {
        at
        for pattern in (INVISIBLE, CONTROL, SURROGATE, REPLACEMENT)
        for match in pattern.finditer(text)
        for at in range(*match.span())
    }


def _composed(cluster: str) -> str:
    """Compose one cluster and put plain blanks for odd ones."""
    if cluster == "\r\n":
        return "\n"
    plain = "".join(_BLANKS.get(character, character) for character in cluster)
    return unicodedata.normalize("NFC", plain)


def _recomposed(text: str, origins: list[int]) -> NormalText:
    """Compose what only met once the characters between were dropped, or what is rare.

    The map becomes coarse (a place may move by the few characters that merged), the text exact.
    """
    normal = unicodedata.normalize("NFC", text)
    if not is_normal(normal):
        inner = normalise_with_map(normal)
        normal = inner.text
    last = len(origins) - 1
    moved = [origins[min(at, last)] for at in range(len(normal))]
    return NormalText(normal, [*moved, origins[last]])
