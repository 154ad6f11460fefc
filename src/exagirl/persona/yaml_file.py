"""A character as YAML, the form that people edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from exagirl.errors import CharacterError
from exagirl.persona.profile import Character
from exagirl.record import MAX_YAML_BYTES, explain, read_yaml


def read_character_yaml(path: Path) -> Character:
    """Read one character from a YAML file.

    Raises:
        CharacterError: The file cannot be read, or a key or value of it is wrong.
    """
    try:
        raw: Any = read_yaml(path)
    except ValueError as error:
        raise CharacterError(f"{path}: {error}") from error
    if not isinstance(raw, dict):
        raise CharacterError(
            f"{path}: 캐릭터가 아닙니다. 'name:', 'description:', 'speech:'가 있는 YAML이어야 "
            "합니다. 'exagirl init'이 만들어 주는 character.yaml을 고쳐 쓰세요."
        )
    return as_character(raw, str(path))


def as_character(raw: dict[str, Any], source: str) -> Character:
    """Make the record of plain values.

    Raises:
        CharacterError: A key or value is wrong; the message opens with ``source``.
    """
    try:
        return Character.model_validate(raw)
    except ValidationError as error:
        raise CharacterError(explain(Character, error, source)) from error


def dump_character(character: Character) -> str:
    """The character as YAML that reads back to the same record.

    Raises:
        CharacterError: It is larger than what is read.
    """
    facts: Any = character.model_dump(mode="json", exclude_defaults=True)
    text: str = yaml.dump(
        facts, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100, indent=2
    )
    if len(text.encode()) > MAX_YAML_BYTES:
        raise CharacterError(
            f"'{character.name}': YAML로 쓰면 {len(text.encode()) / 1e6:.1f} MB입니다. "
            f"{MAX_YAML_BYTES / 1e6:.0f} MB까지 쓸 수 있습니다. .json이나 .png로 내보내세요."
        )
    return text


class _Dumper(yaml.SafeDumper):
    """Writes no anchors: what is the same twice stands twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML calls it so)
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML takes these for line breaks; only double quotes bring them back unchanged.
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029") else None
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
    return node


_Dumper.add_representer(str, _represent_text)
