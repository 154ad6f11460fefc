"""Who can be talked to: the character of the model, those that ship, and cards that were opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from exagirl.artifact import file_faults
from exagirl.chat.faults import ChatError
from exagirl.chat.web.picture import MAX_BYTES, as_portrait, portrait_uri
from exagirl.chat.web.portrait import as_data_uri, draw_portrait
from exagirl.chat.web.words import Words
from exagirl.errors import ExagirlError
from exagirl.persona.card import write_bytes, write_card
from exagirl.persona.card_picture import picture_of
from exagirl.persona.character import (
    Character,
    builtin_names,
    load_character,
    read_character,
)

MAX_CARD_BYTES = MAX_BYTES
MAX_CARDS = 200


class Guest(NamedTuple):
    """A character with its picture."""

    character: Character
    portrait: bytes = b""
    """A WebP of `as_portrait`; empty where the character has no picture: one is drawn."""


class Opened(NamedTuple):
    """A card that was opened."""

    character: Character
    fault: str
    """Why its picture is not shown; empty where it is, or where it has none."""


class Cast:
    """Characters by name.

    Args:
        learned: The character that the model learned.
        folder: Where opened cards are kept; None keeps them until the program ends.
        guests: More characters that are known beforehand, and pictures of those that are.
    """

    def __init__(
        self, learned: Character, folder: Path | None = None, guests: Sequence[Guest] = ()
    ) -> None:
        self.learned = learned
        self._folder = folder
        self._fixed = {learned.name: Guest(learned)}
        for guest in guests:
            is_learned = guest.character.name == learned.name
            named = guest._replace(character=learned) if is_learned else guest
            self._fixed[guest.character.name] = named
        for name in builtin_names():
            character = load_character(name)
            self._fixed.setdefault(character.name, Guest(character))
        self._cards = {one.character.name: one for one in self._kept()}

    def alone(self) -> Cast:
        """The same characters for one window, whose cards nobody else sees and nothing keeps."""
        other = Cast.__new__(Cast)
        other.learned, other._folder = self.learned, None
        other._fixed, other._cards = self._fixed, dict(self._cards)
        return other

    def names(self) -> list[str]:
        """All names, the learned character's first."""
        return [*self._fixed, *(name for name in self._cards if name not in self._fixed)]

    def find(self, name: str) -> Character | None:
        """The character of a name."""
        guest = self._guest(name)
        return guest.character if guest else None

    def find_all(self, names: Sequence[str]) -> list[Character]:
        """The characters of these names; those that nobody knows are left out."""
        return [found for name in names if (found := self.find(name))]

    def face(self, character: Character) -> str:
        """The address of a character's picture, which holds the picture itself."""
        guest = self._guest(character.name)
        if guest and guest.portrait:
            return portrait_uri(guest.portrait)
        return as_data_uri(draw_portrait(character))

    def open_card(self, path: Path, words: Words) -> Opened:
        """Read a card and keep it.

        Raises:
            ChatError: It is too large, or its name is taken.
            CharacterError: It is no card.
            ArtifactError: It cannot be kept.
        """
        with file_faults(path):
            size = path.stat().st_size
        if size > MAX_CARD_BYTES:
            raise ChatError(words("too_large", size=size / 1e6, limit=MAX_CARD_BYTES / 1e6))
        character = read_character(path)
        if character.name in self._fixed:
            raise ChatError(words("taken", name=character.name))
        portrait, fault = b"", ""
        try:
            picture = picture_of(path, character)
            portrait = as_portrait(picture) if picture else b""
        except ExagirlError as error:
            fault = str(error)
        self._cards.pop(character.name, None)
        self._cards[character.name] = Guest(character, portrait)
        while len(self._cards) > MAX_CARDS:
            del self._cards[next(iter(self._cards))]
        if self._folder is not None:
            self._keep(self._folder, self._cards[character.name])
        return Opened(character, fault)

    def _guest(self, name: str) -> Guest | None:
        return self._fixed.get(name) or self._cards.get(name)

    @staticmethod
    def _keep(folder: Path, guest: Guest) -> None:
        with file_faults(folder):
            folder.mkdir(parents=True, exist_ok=True)
        # Not the name: it may hold anything.
        name = hashlib.sha256(guest.character.name.encode()).hexdigest()[:16]
        picture = folder / f"{name}.webp"
        with file_faults(picture):
            picture.unlink(missing_ok=True)
        if guest.portrait:
            write_bytes(picture, guest.portrait)
        write_card(guest.character, folder / f"{name}.yaml")

    def _kept(self) -> Iterator[Guest]:
        if self._folder is None:
            return
        for path in sorted(self._folder.glob("*.yaml"))[:MAX_CARDS]:
            try:
                yield Guest(read_character(path), _kept_portrait(path.with_suffix(".webp")))
            except ExagirlError:
                # One damaged file does not keep the page from opening.
                continue


def _kept_portrait(path: Path) -> bytes:
    """A portrait that was kept, encoded anew: the folder is anybody's to write in."""
    if not path.is_file():
        return b""
    try:
        with file_faults(path):
            return as_portrait(path.read_bytes())
    except ExagirlError:
        return b""
