"""Spoken and acted parts of a turn: ``*행동*`` between single asterisks."""

import re
from collections.abc import Iterable
from typing import Literal

from exagirl.record import Record

# Single asterisks, neither doubled nor escaped, around words that hold a letter: (*^▽^*) is a face.
# An action may break a line, but holds no empty line, and does not open with a bullet's blank
# at the start of a line. Its length is bounded so that the scan stays linear.
_ACTION = re.compile(
    r"(?<![*\\])(?<!\d)\*(?![*])(?P<words>(?:[^*\n\\]|\\[^\n]|\n(?!\s*\n)){1,600}?)(?<!\\)\*(?!\*)"
)
_CODE = re.compile(r"`{1,3}[^`\n]{1,300}`{1,3}")
_LETTER = re.compile("[가-힣A-Za-zㄱ-ㅎ{]")
_BULLET = re.compile(r"(?m)^[ \t]*\*[ \t]+(?=\S)")


class Part(Record):
    """One stretch of a turn, spoken or acted."""

    kind: Literal["speech", "action"]
    text: str
    """The words, without the asterisks of an action."""
    start: int
    """First character in the turn, the opening asterisk of an action included."""
    end: int
    """One past the last character, the closing asterisk included."""


def split_actions(text: str) -> list[Part]:
    """Cut a turn into spoken and acted parts, in order and without gaps.

    Returns:
        Parts that ``join_parts`` puts together to exactly ``text``; none for the empty text. What
        is not a whole action, such as ``*`` alone or ``**bold**``, stays in the spoken parts.
    """
    parts: list[Part] = []
    at = 0
    for start, end in action_spans(text):
        if start > at:
            parts.append(Part(kind="speech", text=text[at:start], start=at, end=start))
        parts.append(Part(kind="action", text=text[start + 1 : end - 1], start=start, end=end))
        at = end
    if at < len(text):
        parts.append(Part(kind="speech", text=text[at:], start=at, end=len(text)))
    return parts


def join_parts(parts: Iterable[Part]) -> str:
    """Write parts back as the turn they were cut from."""
    return "".join(f"*{part.text}*" if part.kind == "action" else part.text for part in parts)


def has_action(text: str) -> bool:
    """Tell whether a turn holds at least one ``*action*``."""
    return bool(action_spans(text))


def action_spans(text: str) -> list[tuple[int, int]]:
    """Give the span of every action, asterisks included."""
    if "*" not in text:
        return []
    if "`" in text:
        text = _CODE.sub(lambda code: " " * len(code[0]), text)
    found: list[tuple[int, int]] = []
    at = 0
    while match := _ACTION.search(text, at):
        if _LETTER.search(match["words"]) and not _is_bullet(text, match.start()):
            found.append(match.span())
            at = match.end()
        else:
            at = match.start() + 1
    return found


def _is_bullet(text: str, at: int) -> bool:
    """Tell whether an asterisk opens a list item that another item follows."""
    line_start = text.rfind("\n", 0, at) + 1
    match = _BULLET.match(text, line_start)
    if match is None or match.end() <= at:
        return False
    line_end = text.find("\n", at)
    return line_end >= 0 and "*" not in text[at + 1 : line_end]
