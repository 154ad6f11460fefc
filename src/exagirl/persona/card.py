"""Character cards."""

from __future__ import annotations

from pathlib import Path

from exagirl.persona.profile import Character
from exagirl.persona.yaml_file import read_character_yaml


def read_card(path: Path) -> Character:
    """Read a card."""
    return read_character_yaml(path)
