"""What the page says, in Korean or English."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

Language = Literal["ko", "en"]


class Words:
    """The page's words in one language.

    Args:
        language: ``ko`` or ``en``.
    """

    def __init__(self, language: Language = "ko") -> None:
        self.language: Language = language

    def __call__(self, key: str, **values: Any) -> str:
        """One text, with values put in."""
        text = _all()[key][self.language]
        return text.format(**values) if values else text


def language_of(name: str | None) -> Language:
    """The language of a name from the address; Korean for what is no language."""
    return "en" if name == "en" else "ko"


@cache
def _all() -> Mapping[str, Mapping[str, str]]:
    source = (resources.files("exagirl.chat.web") / "words.yaml").read_text("utf-8")
    words: Mapping[str, Mapping[str, str]] = yaml.safe_load(source)
    return words
