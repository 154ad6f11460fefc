"""Names in a text that arrives in pieces: as in one piece, for any pieces.

What is given out cannot be taken back, so what later letters may still change is kept back: the
last letter, to which a mark may be added (ᄀ, ᅡ, ᆨ are one 각); a placeholder that is not whole; a
word behind one, which may turn out to be a particle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from exagirl.korean.normalise import normalise
from exagirl.korean.spoken import PLACEHOLDER

Fill = Callable[[str], str]
"""Brings a whole text into normal form and puts names for its placeholders, as
`korean.particles.fill_placeholders` does."""

WINDOW = 64
"""Letters before a placeholder that may decide about its particle, with room to spare."""

# Letters to which nothing behind them is ever joined: no accent, no final consonant.
_CLOSED = re.compile(r"[\n -;?@\[-`{-~‘-”…·、。一-鿿]")
# Letters that are never joined to what stands before them.
_OPENS = re.compile("[\n -~가-힣‘-”…·、。ぁ-ゖァ-ヺ一-鿿\u2600-\u27bf\U0001f1e6-\U0001faff]")
# A letter behind one of these is a part of it: a line break in two letters, a joined emoji.
_JOINING = "\r\u200d"
_FINALS, _FIRST, _LAST = 28, ord("가"), ord("힣")

# The end of a text that may yet become a placeholder.
_BEGUN = re.compile(r"\{\{?\s{0,4}\w{0,4}\s{0,4}\}?\Z")
# What stands behind a placeholder once it is sure which particle it has. The longest particle has
# 12 letters; of what may follow one within a word, only 아아… is not bounded.
_SURE = re.compile(
    r"""['"’”」\]]?+(?:[가-힣()/]{0,15}[^가-힣()/]|[가-힣()/]{16}[아야]*[^아야])""", re.DOTALL
)


class NameStream:
    """Fills a text that arrives in pieces; linear in its length.

    What is given, joined, is the filled whole, or what it has more than the filled ``before``.

    Args:
        fill: Fills a whole text.
        before: What stands before the first piece and was shown already, in normal form.
    """

    def __init__(self, fill: Fill, *, before: str = "") -> None:
        self._fill = fill
        self._before = before[-WINDOW:]
        self._held = ""
        # A word that begins here may be the particle of a name in what was shown.
        self._is_first = True
        self._letters = _Letters()

    def feed(self, piece: str) -> str:
        """Take a piece and give what is sure."""
        self._held += self._letters.feed(piece)
        whole = self._before + self._held
        return self._give(max(0, _sure_length(whole) - len(self._before)))

    def end(self) -> str:
        """The rest."""
        self._held += self._letters.end()
        return self._give(len(self._held))

    def _give(self, size: int) -> str:
        given, self._held = self._held[:size], self._held[size:]
        if not given:
            return ""
        # As the model wrote it: a particle may go by a placeholder that stands before.
        before, whole = self._before, self._before + given
        has_names = "{" in given or (self._is_first and "{" in before)
        self._before, self._is_first = whole[-WINDOW:], False
        return self._fill(whole)[len(self._fill(before)) :] if has_names else given


def fill_stream(pieces: Iterable[str], fill: Fill, *, before: str = "") -> Iterator[str]:
    """Fill placeholders in a text that arrives in pieces.

    Where the pieces end in an error, what was kept back is given first.

    Args:
        pieces: The text.
        fill: Fills a whole text.
        before: What stands before the first piece and was shown already, in normal form.

    Yields:
        Pieces that are not empty; joined, they are the filled text.
    """
    names = NameStream(fill, before=before)
    try:
        for piece in pieces:
            if given := names.feed(piece):
                yield given
    except Exception:
        if rest := names.end():
            yield rest
        raise
    if rest := names.end():
        yield rest


def from_first_letter(pieces: Iterable[str], *, front: str = "") -> Iterator[str]:
    """Pieces of a text without the blanks at its beginning.

    Args:
        pieces: The text.
        front: What is put in their place, once a letter comes.
    """
    is_begun = False
    for piece in pieces:
        text = piece if is_begun else piece.lstrip()
        if text:
            yield text if is_begun else front + text
            is_begun = True


class _Letters:
    """Brings a text that arrives in pieces into normal form, as `normalise` does a whole one."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        text = self._held + piece
        at = _edge(text, len(self._held))
        self._held = text[at:]
        return normalise(text[:at])

    def end(self) -> str:
        rest, self._held = self._held, ""
        return normalise(rest)


def _edge(text: str, begin: int) -> int:
    """The last place, not before ``begin``, over which no letters join; 0 where there is none."""
    if text and _is_closed(text[-1]):
        return len(text)
    for at in range(len(text) - 1, max(begin, 1) - 1, -1):
        if _OPENS.match(text[at]) and text[at - 1] not in _JOINING:
            return at
    return 0


def _is_closed(letter: str) -> bool:
    code = ord(letter)
    if _FIRST <= code <= _LAST:
        return (code - _FIRST) % _FINALS != 0
    return _CLOSED.match(letter) is not None


def _sure_length(text: str) -> int:
    """How much of a text its continuation can no longer change."""
    brace = text.rfind("{")
    if brace < 0:
        return len(text)
    begin = brace - 1 if text[brace - 1 : brace] == "{" else brace
    found = PLACEHOLDER.match(text, begin) or PLACEHOLDER.match(text, brace)
    if found:
        return len(text) if _SURE.match(text, found.end()) else begin
    is_begun = _BEGUN.match(text, begin) or _BEGUN.match(text, brace)
    return begin if is_begun else len(text)
