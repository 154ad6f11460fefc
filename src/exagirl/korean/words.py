"""The word lists of ``words.yaml``."""

from functools import lru_cache
from importlib.resources import files

import yaml


@lru_cache(maxsize=1)
def _lists() -> dict[str, tuple[str, ...]]:
    """Read every list, once."""
    text = (files("exagirl.korean") / "words.yaml").read_text(encoding="utf-8")
    return {name: tuple(words.split()) for name, words in yaml.safe_load(text).items()}


@lru_cache(maxsize=32)
def words(name: str) -> frozenset[str]:
    """Give the words of one list.

    Raises:
        KeyError: There is no such list.
    """
    return frozenset(_lists()[name])
