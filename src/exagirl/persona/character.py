"""Find and read a character: a built-in name, a YAML file, a card."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from exagirl.errors import CharacterError
from exagirl.persona.card import read_card
from exagirl.persona.parts import Actions, Fact, Foreign, Line, Lorebook, LoreEntry, Media, Speech
from exagirl.persona.profile import Character
from exagirl.persona.yaml_file import read_character_yaml
from exagirl.record import is_file

__all__ = [
    "BUILTIN",
    "Actions",
    "Character",
    "Fact",
    "Foreign",
    "Line",
    "LoreEntry",
    "Lorebook",
    "Media",
    "Speech",
    "builtin_names",
    "load_character",
    "read_character",
]

BUILTIN = resources.files("exagirl.persona") / "builtin"
CARD_SUFFIXES = (".json", ".png", ".charx")


def load_character(name_or_path: str, *, base: Path | None = None) -> Character:
    """Read a built-in character by name, or a YAML file or card by path.

    Args:
        name_or_path: ``exa``, or a path; a relative path counts from ``base``.
        base: The folder of the recipe that names the character.

    Raises:
        CharacterError: No such character, or the file does not hold one.
    """
    built_in = BUILTIN / f"{name_or_path}.yaml"
    if name_or_path in builtin_names():
        with resources.as_file(built_in) as path:
            return read_character(path)
    path = Path(name_or_path).expanduser()
    if not path.is_absolute() and base is not None:
        path = base / path
    if not is_file(path):
        raise CharacterError(
            f"{name_or_path}: 그런 캐릭터가 없습니다({path}). 내장 캐릭터: "
            f"{', '.join(builtin_names())}. "
            "새로 만들려면 'exagirl init'을 실행하세요."
        )
    return read_character(path)


def builtin_names() -> list[str]:
    """Names of the characters that ship."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in BUILTIN.iterdir()
        if entry.name.endswith(".yaml")
    )


def read_character(path: Path) -> Character:
    """Read one character from a YAML file, or from a card where the name ends so.

    Raises:
        CharacterError: The file cannot be read, or a key or value of it is wrong.
    """
    if path.suffix.lower() in CARD_SUFFIXES:
        return read_card(path)
    return read_character_yaml(path)
