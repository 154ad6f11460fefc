"""Whether a reply stays in its role."""

from __future__ import annotations

from collections.abc import Sequence

from exagirl.korean.check import Finding, check_turn
from exagirl.persona.character import Character

OUT_OF_ROLE = ("break.", "label.", "speech.", "script.", "word.")
"""Codes of what a character does not do: talk as a service, in another level, in another script."""


def check_reply(reply: str, character: Character, history: Sequence[str] = ()) -> list[Finding]:
    """All that `korean.check_turn` finds of a reply under the character's rules."""
    return check_turn(reply, character.check_rules(), history)


def falls_out(findings: Sequence[Finding]) -> bool:
    """True where a reply should be drawn anew."""
    return any(f.severity == "error" and f.code.startswith(OUT_OF_ROLE) for f in findings)
