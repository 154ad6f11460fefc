"""The picture that comes with a character: a card's own, an asset, a file beside the YAML.

Source: SPEC_V3 of Character Card, "assets": an icon named ``main`` is the portrait.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

from exagirl.errors import CharacterError
from exagirl.persona.card import KEYWORDS, read_bounded
from exagirl.persona.card_text import CardFault
from exagirl.persona.charx import read_members
from exagirl.persona.png import PngFault, without_texts
from exagirl.persona.portrait import draw_gradient
from exagirl.persona.profile import Character

_EMBEDDED = ("embeded://", "embedded://")
"""The specification spells it with one d; many programs do not."""


def picture_of(path: Path, character: Character) -> bytes | None:
    """The bytes of a character's picture as they stand in its file, or nothing.

    Nothing is fetched from any address. The gradient that we draw for a card without a picture
    counts as none. What the bytes are is for the reader to check: they come from anybody.

    Args:
        path: The card or YAML file that the character was read from.
        character: Who was read.

    Raises:
        CharacterError: The file cannot be read.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".png":
            return _own(read_bounded(path), character)
        if suffix == ".charx":
            return _member(read_bounded(path), character)
        return _written_in(character) or _beside(path, character)
    except (CardFault, PngFault) as error:
        raise CharacterError(f"{path}: {error}.") from error


def _own(card: bytes, character: Character) -> bytes | None:
    picture = without_texts(card, KEYWORDS)
    return None if picture == draw_gradient(character.media.colours) else picture


def _member(archive: bytes, character: Character) -> bytes | None:
    for address in _icons(character):
        for scheme in _EMBEDDED:
            if address.startswith(scheme):
                name = address.removeprefix(scheme)
                if found := read_members(archive, only=name).get(name):
                    return found
    return _written_in(character)


def _written_in(character: Character) -> bytes | None:
    """A picture that a ``data:`` address holds."""
    for address in _icons(character):
        head, comma, inside = address.partition(",")
        if comma and head.startswith("data:image/") and head.endswith(";base64"):
            try:
                return base64.b64decode(inside, validate=True)
            except (binascii.Error, ValueError):
                continue
    return None


def _beside(path: Path, character: Character) -> bytes | None:
    if not character.media.portrait:
        return None
    picture = (path.parent / character.media.portrait).resolve()
    is_inside = picture.is_relative_to(path.parent.resolve())
    return read_bounded(picture) if is_inside and picture.is_file() else None


def _icons(character: Character) -> list[str]:
    """Addresses of icons, the main one first."""
    assets: Any = character.foreign.data.get("assets")
    if not isinstance(assets, list):
        return []
    icons = [one for one in assets if isinstance(one, dict) and one.get("type") == "icon"]
    icons.sort(key=lambda one: one.get("name") != "main")
    return [one["uri"] for one in icons if isinstance(one.get("uri"), str)]
