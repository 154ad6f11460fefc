"""Names in a text that arrives in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

HOLD_BACK = 16
"""Characters kept back after an opening brace: the longest placeholder with its particle. As many
before it decide about the particle."""

Fill = Callable[[str], str]


class NameStream:
    """Fills placeholders; what may still become one is kept back.

    Args:
        fill: Fills a whole text.
        before: What stands before the first piece and was shown already, as the model wrote it.
    """

    def __init__(self, fill: Fill, *, before: str = "") -> None:
        self._fill = fill
        self._before = before[-HOLD_BACK:]
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take a piece and give what is sure."""
        self._held += piece
        whole = self._before + self._held
        brace = whole.rfind("{", max(0, len(whole) - HOLD_BACK))
        if brace > 0 and whole[brace - 1] == "{":
            brace -= 1
        sure = len(whole) if brace < 0 else brace
        return self._give(max(0, sure - len(self._before)))

    def end(self) -> str:
        """The rest."""
        return self._give(len(self._held))

    def _give(self, size: int) -> str:
        safe, self._held = self._held[:size], self._held[size:]
        given = safe
        # As the model wrote it: a particle may go by a placeholder that stands before.
        whole = self._before + safe
        if "{" in whole:
            given = self._fill(whole)[len(self._fill(self._before)) :]
        self._before = whole[-HOLD_BACK:]
        return given


def fill_stream(pieces: Iterable[str], fill: Fill, *, before: str = "") -> Iterator[str]:
    """Fill placeholders in a text that arrives in pieces; a half placeholder is kept back.

    Args:
        pieces: The text.
        fill: Fills a whole text.
        before: What stands before the first piece and was shown already.
    """
    names = NameStream(fill, before=before)
    for piece in pieces:
        if given := names.feed(piece):
            yield given
    if rest := names.end():
        yield rest
