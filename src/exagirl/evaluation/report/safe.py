"""Texts that models and strangers wrote, made fit to stand in a page.

The page's template escapes them; here they are cut to a bearable length, and what would act on the
page without being seen (controls, marks of writing direction) is made visible.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from exagirl.korean.actions import split_actions

REPLY_CHARS = 1_500
TURN_CHARS = 600
NOTE_CHARS = 400
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{_BIDI}\ud800-\udfff\ufffe\uffff]")


def safe(text: str, most: int = NOTE_CHARS) -> str:
    """A text of bounded length without unseen controls; a cut is told at its end."""
    shown = text[:most]
    if len(text) > most:
        shown += f"… (뒤로 {len(text) - most:,}자 더)"
    return _UNSEEN.sub(_visible, shown.replace("\r\n", "\n").replace("\r", "\n"))


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    kept = unicodedata.category(found[0]) == "Cf"
    return f"⟨U+{code:04X}⟩" if kept else "\ufffd"


def spoken(text: str, most: int = REPLY_CHARS) -> list[dict[str, Any]]:
    """A turn as spoken and acted stretches, of bounded length."""
    return [
        {"is_action": part.kind == "action", "text": part.text}
        for part in split_actions(safe(text, most))
    ]


class Allowance:
    """How many characters may still be shown of texts whose number nobody knows."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    @property
    def is_spent(self) -> bool:
        """True when nothing is left."""
        return self._left <= 0

    def take(self, text: str) -> str:
        """As much of a text as is left, cut visibly."""
        shown = safe(text, max(80, self._left))
        self._left -= len(shown)
        return shown
