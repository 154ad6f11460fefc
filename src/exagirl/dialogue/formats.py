"""Reads dialogues in every form that people keep them in; nothing here judges them.

JSONL or JSON with one dialogue an object:

- ours: ``{"turns": [{"role": "user", "content": …}, …]}``
- chat messages: ``{"messages": […]}``, also under ``text`` as in the seed's data
- ShareGPT: ``{"conversations": [{"from": "human", "value": …}, …]}``
- numbered keys: ``{"human1": …, "gpt1": …, "human2": …}``
- one message a line: ``{"role": …, "content": …}``; the lines together are one dialogue

or text: transcripts with ``human1:`` labels, else one character's turn a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from exagirl.dialogue.records import Role
from exagirl.dialogue.transcript import parse_transcript
from exagirl.errors import TranscriptError

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("user", "human", "prompter", "유저", "사용자"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "char", "캐릭터"), "assistant"),
}
_LISTS = ("turns", "messages", "conversations", "conversation", "dialogue", "text")
_NUMBERED = re.compile(r"(human|gpt)(\d{1,4})")
_FIRST_LABEL = re.compile(
    r"(?im)^(?=[ \t>*#\-]{0,8}human[ \t]{0,4}1[ \t]{0,4}(?:\*\*)?[ \t]*[:：])"
)


class FoundTurn(NamedTuple):
    """A turn as a file holds it; unlike ``Turn`` it may hold broken characters."""

    role: Role
    content: str


class FoundDialogue(NamedTuple):
    """A dialogue and the line of the file that it begins on."""

    line: int
    turns: tuple[FoundTurn, ...]


def read_dialogues(path: Path) -> list[FoundDialogue]:
    """Read every dialogue of a file, in whatever form it is.

    System messages are left out: nobody says them.

    Raises:
        TranscriptError: The file cannot be read, is empty, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TranscriptError(
            "not-utf-8",
            f"{path}: UTF-8 글이 아닙니다({error.start}번째 바이트). UTF-8로 저장해 주세요.",
        ) from error
    except OSError as error:
        raise TranscriptError("no-file", f"{path}: 읽을 수 없습니다. {error.strerror}.") from error
    found = [dialogue for dialogue in _dialogues(text, path) if dialogue.turns]
    if not found:
        raise TranscriptError("no-dialogue", f"{path}: 대화가 하나도 없습니다.")
    return found


def _dialogues(text: str, path: Path) -> Iterator[FoundDialogue]:
    """Tell the form of a file by its name and its first letter."""
    first = text.lstrip()[:1]
    if first == "[" and path.suffix != ".txt":
        yield from _from_array(text, path)
    elif first == "{" and path.suffix != ".txt":
        yield from _from_lines(text, path)
    else:
        yield from _from_text(text)


def _from_array(text: str, path: Path) -> Iterator[FoundDialogue]:
    """Read a JSON array of dialogues, or of messages of one dialogue."""
    rows = _json(text, path, 1)
    if rows and all(_is_message(row) for row in rows):
        yield FoundDialogue(1, tuple(_turns(rows, path, 1)))
        return
    for number, row in enumerate(rows, start=1):
        yield FoundDialogue(number, tuple(_turns(_messages(row, path, number), path, number)))


def _from_lines(text: str, path: Path) -> Iterator[FoundDialogue]:
    """Read one JSON object a line, or one object over the whole file."""
    if path.suffix == ".json":
        yield FoundDialogue(1, tuple(_turns(_messages(_json(text, path, 1), path, 1), path, 1)))
        return
    loose: list[FoundTurn] = []
    loose_line = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        row = _json(line, path, number)
        if _is_message(row):
            loose_line = loose_line or number
            loose += _turns([row], path, number)
        else:
            yield FoundDialogue(number, tuple(_turns(_messages(row, path, number), path, number)))
    yield FoundDialogue(loose_line, tuple(loose))


def _from_text(text: str) -> Iterator[FoundDialogue]:
    """Read transcripts; a text without labels is one character's turn a line."""
    starts = [match.start() for match in _FIRST_LABEL.finditer(text)]
    if not starts:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield FoundDialogue(number, (FoundTurn("assistant", line.strip()),))
        return
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        at = text.count("\n", 0, start) + 1
        turns = parse_transcript(text[start:end])
        yield FoundDialogue(at, tuple(FoundTurn(turn.role, turn.content) for turn in turns))


def _json(text: str, path: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise TranscriptError(
            "not-json", f"{path}: {line}번째 줄은 JSON이 아닙니다. 한 줄에 대화 하나를 쓰세요."
        ) from error


def _is_message(row: Any) -> bool:
    return isinstance(row, Mapping) and "role" in row and isinstance(row.get("content"), str)


def _messages(row: Any, path: Path, line: int) -> Sequence[Any]:
    """Find the list of messages in a dialogue's object."""
    if isinstance(row, list):
        return row
    if isinstance(row, Mapping):
        for key in _LISTS:
            if isinstance(row.get(key), list):
                return list(row[key])
        numbered = [match for key in row if (match := _NUMBERED.fullmatch(str(key)))]
        if numbered:
            numbered.sort(key=lambda match: (int(match[2]), match[1] == "gpt"))
            return [{"from": match[1], "value": row[match[0]]} for match in numbered]
    raise TranscriptError(
        "unknown-form",
        f"{path}: {line}번째 줄에서 대화를 찾지 못했습니다. "
        "turns, messages, conversations 또는 human1/gpt1 가운데 하나가 있어야 합니다.",
    )


def _turns(messages: Sequence[Any], path: Path, line: int) -> Iterator[FoundTurn]:
    """Read messages of either spelling; what the system says is left out."""
    for message in messages:
        fields = message if isinstance(message, Mapping) else {}
        who = str(fields.get("role", fields.get("from", ""))).lower()
        content = fields.get("content", fields.get("value"))
        if who in {"system", "tool"}:
            continue
        if who not in _ROLES or not isinstance(content, str):
            raise TranscriptError(
                "unknown-form",
                f"{path}: {line}번째 줄의 한 말에 역할(user, assistant)이나 내용이 없습니다.",
            )
        yield FoundTurn(_ROLES[who], content)
