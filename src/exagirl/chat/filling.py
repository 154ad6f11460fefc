"""Names in a text that arrives in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

HOLD_BACK = 16
"""Characters kept back after an opening brace: the longest placeholder with its particle."""


def fill_stream(
    pieces: Iterable[str], fill: Callable[[str], str], *, before: str = ""
) -> Iterator[str]:
    """Fill placeholders in a text that arrives in pieces; a half placeholder is kept back.

    Args:
        pieces: The text.
        fill: Fills a whole text.
        before: What stands before the first piece and was shown already.
    """
    raw, shown = before, len(fill(before))
    for piece in pieces:
        raw += piece
        brace = raw.rfind("{", max(0, len(raw) - HOLD_BACK))
        if brace > 0 and raw[brace - 1] == "{":
            brace -= 1
        safe = raw if brace < 0 else raw[:brace]
        filled = fill(safe)
        if len(filled) > shown:
            yield filled[shown:]
            shown = len(filled)
    rest = fill(raw)[shown:]
    if rest:
        yield rest
