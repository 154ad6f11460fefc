"""Who can be talked to: the character of the model, those that ship, and cards that were opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from exagirl.artifact import file_faults
from exagirl.chat.faults import ChatError
from exagirl.chat.web.words import Words
from exagirl.errors import ExagirlError
from exagirl.persona.card import write_card
from exagirl.persona.character import (
    Character,
    builtin_names,
    load_character,
    read_character,
)

MAX_CARD_BYTES = 20_000_000
MAX_CARDS = 200


class Cast:
    """Characters by name.

    Args:
        learned: The character that the model learned.
        folder: Where opened cards are kept; None keeps them until the program ends.
    """

    def __init__(self, learned: Character, folder: Path | None = None) -> None:
        self.learned = learned
        self._folder = folder
        self._fixed = {learned.name: learned}
        for name in builtin_names():
            character = load_character(name)
            self._fixed.setdefault(character.name, character)
        self._cards = {one.name: one for one in self._kept()}

    def names(self) -> list[str]:
        """All names, the learned character's first."""
        return [*self._fixed, *(name for name in self._cards if name not in self._fixed)]

    def find(self, name: str) -> Character | None:
        """The character of a name."""
        return self._fixed.get(name) or self._cards.get(name)

    def open_card(self, path: Path, words: Words) -> Character:
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
        self._cards[character.name] = character
        if self._folder is not None:
            with file_faults(self._folder):
                self._folder.mkdir(parents=True, exist_ok=True)
            # Not the name: it may hold anything.
            name = hashlib.sha256(character.name.encode()).hexdigest()[:16]
            write_card(character, self._folder / f"{name}.yaml")
        return character

    def _kept(self) -> Iterator[Character]:
        if self._folder is None:
            return
        for path in sorted(self._folder.glob("*.yaml"))[:MAX_CARDS]:
            try:
                yield read_character(path)
            except ExagirlError:
                # One damaged file does not keep the page from opening.
                continue
