"""The text form that a teacher writes: ``human1:``, ``gpt1:``, ``human2:`` and so on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from exagirl.dialogue.records import Role, Turn
from exagirl.errors import TranscriptError

# A label stands at the head of a line; list marks, quote marks, heading marks and bold may lead it.
_LABEL = re.compile(
    r"""^[ \t]*(?:(?:[-*+>]|\#{1,6}|\d{1,2}[.)])[ \t]+)*     # list, quote or heading mark
        (?P<bold>\*\*|__)?[ \t]*
        (?P<who>human|gpt)[ \t]*(?P<number>\d{1,3})[ \t]*
        (?:(?P=bold)[ \t]*[:：]|[:：][ \t]*(?P=bold)|(?(bold)(?!)|[:：]))
        [ \t]*(?P<rest>.*)$""",
    re.IGNORECASE | re.VERBOSE,
)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w-]*[ \t]*$")
_ROLES: dict[str, Role] = {"human": "user", "gpt": "assistant"}
MAX_CHARS = 200_000


def parse_transcript(text: str) -> list[Turn]:
    """Read one dialogue; every line of every turn is kept.

    Accepts bold labels, full-width colons, any case, list and heading marks, code fences, a
    preamble before the first label, CRLF and text on the line after its label. A label inside a
    sentence is text.

    Raises:
        TranscriptError: With a code: ``no-dialogue``, ``two-dialogues``, ``wrong-order``,
            ``empty-turn``, ``ends-with-user``, ``too-long``.
    """
    if len(text) > MAX_CHARS:
        raise TranscriptError(
            "too-long", f"대화가 {len(text):,}자입니다. {MAX_CHARS:,}자까지 읽습니다."
        )
    labels, contents = _part(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    _check_labels(labels)
    turns = [
        Turn(role=_ROLES[who], content="\n".join(lines).strip())
        for (who, _), lines in zip(labels, contents, strict=True)
    ]
    for (who, number), turn in zip(labels, turns, strict=True):
        if not turn.content:
            raise TranscriptError("empty-turn", f"{who}{number}: 뒤에 내용이 없습니다.")
    return turns


def _part(lines: Sequence[str]) -> tuple[list[tuple[str, int]], list[list[str]]]:
    """Part lines into labels and the lines that belong to each."""
    labels: list[tuple[str, int]] = []
    contents: list[list[str]] = []
    is_fenced = False
    for line in lines:
        label = _LABEL.match(line)
        if label:
            labels.append((label["who"].lower(), int(label["number"])))
            contents.append([label["rest"]])
        elif contents:
            contents[-1].append(line)
        elif _FENCE.match(line):
            is_fenced = not is_fenced
    if is_fenced and contents:
        contents[-1] = list(itertools.takewhile(lambda line: not _FENCE.match(line), contents[-1]))
    return labels, contents


def _check_labels(labels: Sequence[tuple[str, int]]) -> None:
    if not labels:
        raise TranscriptError("no-dialogue", "human1: / gpt1: 형식의 대화가 없습니다.")
    expected = [(who, number + 1) for number in range(len(labels)) for who in ("human", "gpt")]
    if labels.count(("human", 1)) > 1:
        raise TranscriptError("two-dialogues", "대화가 두 개 들어 있습니다. 하나만 쓰세요.")
    for position, (label, wanted) in enumerate(zip(labels, expected, strict=False)):
        if label != wanted:
            raise TranscriptError(
                "wrong-order",
                f"{position + 1}번째 이름표가 {label[0]}{label[1]}입니다. "
                f"{wanted[0]}{wanted[1]}이어야 합니다.",
            )
    if labels[-1][0] == "human":
        raise TranscriptError(
            "ends-with-user", "대화가 human의 말로 끝납니다. gpt의 답으로 끝내세요."
        )


def format_transcript(turns: Sequence[Turn]) -> str:
    """Write turns as text that `parse_transcript` reads back unchanged.

    Raises:
        TranscriptError: A turn's text would read as another label, or the turns are no dialogue.
    """
    lines: list[str] = []
    for position, turn in enumerate(turns):
        label = "human" if turn.role == "user" else "gpt"
        lines.append(f"{label}{position // 2 + 1}: {turn.content}")
    text = "\n".join(lines)
    if [turn.content for turn in parse_transcript(text)] != [turn.content for turn in turns]:
        raise TranscriptError(
            "label-in-text",
            "내용에 human1: 같은 이름표나 앞뒤 빈칸이 있어 그대로 적을 수 없습니다.",
        )
    return text
