"""``mes_example`` of a card and our example dialogues."""

from __future__ import annotations

import re
from typing import Any

from exagirl.persona.macros import modern, portable
from exagirl.persona.parts import Line

_START = re.compile(r"<START>", re.IGNORECASE)
_USER = re.compile(r"\{\{user\}\}\s{0,4}[:：]\s?", re.IGNORECASE)
_CHAR = re.compile(r"\{\{char\}\}\s{0,4}[:：]\s?", re.IGNORECASE)


def parse_examples(text: str, name: str) -> list[list[dict[str, Any]]]:
    """Cut ``<START>`` blocks into lines of ``{{user}}:`` and ``{{char}}:`` (or ``NAME:``)."""
    own = re.compile(re.escape(name) + r"\s{0,4}[:：]\s?") if name else _CHAR
    dialogues = [_lines(block, own) for block in _START.split(modern(text))]
    return [dialogue for dialogue in dialogues if dialogue]


def render_examples(examples: tuple[tuple[Line, ...], ...]) -> str:
    """Write example dialogues as other programs read them."""
    labels = {"user": "{{user}}", "assistant": "{{char}}"}
    blocks = [
        "\n".join(f"{labels[line.role]}: {portable(line.content)}" for line in dialogue)
        for dialogue in examples
    ]
    return "\n".join(f"<START>\n{block}" for block in blocks)


def _lines(block: str, own: re.Pattern[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in block.strip().split("\n"):
        user, char = _USER.match(row), _CHAR.match(row) or own.match(row)
        label = user or char
        if label:
            role = "user" if user else "assistant"
            found.append({"role": role, "content": row[label.end() :]})
        elif found:
            found[-1]["content"] += "\n" + row
    spoken = [{**line, "content": line["content"].strip()} for line in found]
    return [line for line in spoken if line["content"]]
