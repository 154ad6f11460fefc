"""``docs/character.md`` and the JSON Schema, made of the record's own descriptions.

Run ``python -m exagirl.persona.schema docs`` after the record has changed.
"""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from exagirl.artifact import write_text
from exagirl.persona.profile import Character

PAGE, SCHEMA = "character.md", "character.schema.json"


def character_schema() -> dict[str, Any]:
    """The record as a JSON Schema."""
    return Character.model_json_schema()


def character_page() -> str:
    """The page of the record's fields, in Markdown."""
    schema = character_schema()
    introduction = (resources.files("exagirl.persona") / "schema_intro.md").read_text("utf-8")
    parts = [introduction, _table("캐릭터", schema)]
    done: set[str] = set()
    waiting = _named(schema)
    while waiting:
        name, path = waiting.pop(0)
        if name in done:
            continue
        done.add(name)
        part = schema["$defs"][name]
        parts.append(_table(path, part))
        waiting += [(inner, f"{path}.{key}") for inner, key in _named(part)]
    return "\n".join(parts)


def _named(part: dict[str, Any]) -> list[tuple[str, str]]:
    """The records that a record's fields hold, each with its key."""
    return [
        (found, key)
        for key, field in part.get("properties", {}).items()
        if (found := _reference(field))
    ]


def _reference(field: Any) -> str:
    if isinstance(field, dict):
        if "$ref" in field:
            return str(field["$ref"]).rsplit("/", 1)[-1]
        return next((name for value in field.values() if (name := _reference(value))), "")
    if isinstance(field, list):
        return next((name for value in field if (name := _reference(value))), "")
    return ""


def _table(title: str, part: dict[str, Any]) -> str:
    needed = part.get("required", [])
    rows = [
        f"| `{key}` | {_kind(field)} | {'꼭' if key in needed else _usual(field)} | "
        f"{field.get('description', '').replace('|', '/')} |"
        for key, field in part["properties"].items()
    ]
    head = f"## {title}\n\n| 키 | 값 | 기본 | 뜻 |\n|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


_KINDS = {"string": "글", "integer": "정수", "number": "수", "boolean": "true/false"}


def _kind(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " 또는 ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        kinds = [_kind(option) for option in field["anyOf"] if option.get("type") != "null"]
        return " 또는 ".join(kinds)
    if field.get("type") == "array":
        return f"{_kind(field['items'])} 목록"
    if "$ref" in field or field.get("type") == "object":
        return "묶음"
    return _KINDS.get(str(field.get("type")), "아무 값")


def _usual(field: dict[str, Any]) -> str:
    usual = field.get("default")
    if usual in (None, "", [], {}) or isinstance(usual, dict | list):
        return ""
    return f"`{json.dumps(usual)}`"


def write_pages(folder: Path) -> list[Path]:
    """Write the page and the schema into a folder."""
    schema = json.dumps(character_schema(), ensure_ascii=False, indent=2) + "\n"
    return [write_text(folder / PAGE, character_page()), write_text(folder / SCHEMA, schema)]


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
