"""What other programs write for names: ``{{char}}``, ``{{user}}``, ``<USER>``, ``<BOT>``.

``{{char}}`` and ``{{user}}`` are understood wherever a text is filled (see `korean.particles`), so
they stay as they are; only the old forms are rewritten.
"""

from __future__ import annotations

import re

_OLD = re.compile(r"<(USER|BOT|CHAR)>", re.IGNORECASE)
_OURS = re.compile(r"\{\s{0,4}(유저|캐릭터)\s{0,4}\}")
ORIGINAL = re.compile(r"\{\{\s{0,4}original\s{0,4}\}\}", re.IGNORECASE)
_KNOWN = re.compile(
    r"\{\{\s*(?:user|char|original)\s*\}\}|\{\s*(?:유저|캐릭터)\s*\}", re.IGNORECASE
)
_NEAR = re.compile(
    r"\{?\{\s*(?:user|usr|char|character|original|유저|유져|사용자|캐릭터|케릭터|캐릭)\s*\}\}?",
    re.IGNORECASE,
)


def modern(text: str) -> str:
    """Write ``<USER>`` and ``<BOT>`` as ``{{user}}`` and ``{{char}}``."""
    return _OLD.sub(lambda old: "{{user}}" if old[1].upper() == "USER" else "{{char}}", text)


def portable(text: str) -> str:
    """Write ``{유저}`` and ``{캐릭터}`` as other programs know them."""
    return _OURS.sub(lambda ours: "{{user}}" if ours[1] == "유저" else "{{char}}", text)


def misspelled(text: str) -> list[str]:
    """Placeholders that nobody will fill: ``{user}``, ``{{유저}}``, ``{{char}``."""
    found = [match[0] for match in _NEAR.finditer(text)]
    return [written for written in found if not _KNOWN.fullmatch(written)]


def fill_original(text: str, original: str) -> str:
    """Put ``original`` where ``{{original}}`` stands; in front of it where it stands nowhere."""
    if ORIGINAL.search(text):
        return ORIGINAL.sub(lambda _: original, text)
    return f"{original}\n{text}" if text else original
