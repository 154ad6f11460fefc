"""The JSON form that a teacher may write: ``{"turns": [{"human": …, "gpt": …}, …]}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from exagirl.dialogue.records import Role, Turn
from exagirl.dialogue.transcript import MAX_CHARS
from exagirl.errors import TranscriptError

_SIDES: tuple[tuple[str, Role], ...] = (("human", "user"), ("gpt", "assistant"))


def parse_json_reply(text: str) -> list[Turn]:
    """Read one dialogue from a JSON reply; a code fence and words around the object are let pass.

    Raises:
        TranscriptError: With a code: ``not-json``, ``no-dialogue``, ``empty-turn``,
            ``ends-with-user``, ``too-long``.
    """
    if len(text) > MAX_CHARS:
        raise TranscriptError(
            "too-long", f"대화가 {len(text):,}자입니다. {MAX_CHARS:,}자까지 읽습니다."
        )
    rows = _rows(text)
    turns: list[Turn] = []
    for number, row in enumerate(rows, start=1):
        for key, role in _SIDES:
            content = row.get(key) if isinstance(row, Mapping) else None
            if isinstance(content, str) and content.strip():
                lines = content.replace("\r\n", "\n").replace("\r", "\n")
                turns.append(Turn(role=role, content=lines.strip()))
                continue
            if key == "gpt" and number == len(rows):
                raise TranscriptError(
                    "ends-with-user", "대화가 human의 말로 끝납니다. gpt의 답으로 끝내세요."
                )
            raise TranscriptError("empty-turn", f"{key}{number}: 뒤에 내용이 없습니다.")
    return turns


def _rows(text: str) -> list[Any]:
    start, end = text.find("{"), text.rfind("}")
    if start < 0:
        raise TranscriptError("no-dialogue", "JSON 객체가 없습니다.")
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError) as error:
        raise TranscriptError(
            "not-json", "JSON으로 읽을 수 없습니다. 객체 하나로만 답하세요."
        ) from error
    rows = found.get("turns") if isinstance(found, Mapping) else None
    if not isinstance(rows, list) or not rows:
        raise TranscriptError("no-dialogue", "turns 목록이 비어 있거나 없습니다.")
    return rows
