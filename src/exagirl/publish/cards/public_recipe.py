"""A recipe as strangers may read it: without the paths, addresses and headers of one machine."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import yaml

PRIVATE = frozenset(("base_url", "api_key_env", "api_key_file", "headers", "query"))
"""Keys that say where and how a teacher is reached; what it is stays."""
_PATH = re.compile(r"^(?:[/~\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\])")


def public_recipe(text: str) -> str:
    """Leave out what is nobody's business.

    A path keeps its last part: ``/home/me/models/exa`` is ``exa``. Keys, their order and all other
    values stay; comments do not.

    Args:
        text: A recipe in YAML that was read before.
    """
    facts = _public(yaml.safe_load(text))
    return str(yaml.safe_dump(facts, allow_unicode=True, sort_keys=False, width=100))


def _public(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _public(one) for key, one in value.items() if key not in PRIVATE}
    if isinstance(value, list):
        return [_public(one) for one in value]
    if isinstance(value, str) and _PATH.match(value):
        return PurePosixPath(value.replace("\\", "/")).name.lstrip("~")
    return value
