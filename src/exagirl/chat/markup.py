"""``*행동*`` as people should see it, in a stream and in HTML."""

from __future__ import annotations

import html
from collections.abc import Iterator

from exagirl.korean.actions import split_actions
from exagirl.record import Record


class Span(Record):
    """A piece of a reply."""

    text: str
    is_action: bool


class ActionStream:
    """Parts a reply that arrives in pieces into speech and ``*actions*``."""

    def __init__(self) -> None:
        self._acting = False

    def feed(self, piece: str) -> Iterator[Span]:
        """Yield the piece's spans; an asterisk belongs to the action that it opens or ends."""
        span = ""
        for char in piece:
            if char != "*":
                span += char
                continue
            if self._acting:
                yield Span(text=span + char, is_action=True)
                span = ""
            else:
                if span:
                    yield Span(text=span, is_action=False)
                span = char
            self._acting = not self._acting
        if span:
            yield Span(text=span, is_action=self._acting)


def as_html(text: str) -> str:
    """A turn as HTML: actions in ``<em class="action">``, everything else as it was typed."""
    parts = []
    for part in split_actions(text):
        escaped = html.escape(part.text)
        escaped = escaped.replace("\n", "<br>")
        parts.append(f'<em class="action">{escaped}</em>' if part.kind == "action" else escaped)
    return "".join(parts)
