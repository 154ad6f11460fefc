"""What a judge's answer says; one that cannot be read says nothing, and nothing is filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal

from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.records import Turn
from exagirl.korean.normalise import normalise
from exagirl.record import Record, shipped_yaml

LEAST, MOST = 1.0, 5.0
_REASON_CHARS = 300
_LEFT_OUT = re.compile(r"\.{3}|…")
_NOT_LETTERS = re.compile(r"[\W_]+")
_WINNERS = {"1": 1, "대화 1": 1, "대화1": 1, "2": 2, "대화 2": 2, "대화2": 2, "비김": 0, "tie": 0}


class Dimension(Record):
    """One thing that the judge looks at."""

    name: str
    ko: str
    """What the judge calls it."""
    question: str


class Silence(Record):
    """No judgement, and why."""

    why: Literal["unreadable", "refused", "lost"]
    """``lost``: it was never answered, because the line failed or the budget was spent."""


class Point(Record):
    """One score with what it stands on."""

    score: float
    """From 1 to 5."""
    quote: str
    reason: str


class Points(Record):
    """A score in every dimension."""

    by_name: dict[str, Point]

    @property
    def mean(self) -> float:
        """The mean over the dimensions."""
        return sum(one.score for one in self.by_name.values()) / len(self.by_name)


class Choice(Record):
    """Which of two conversations is the better one."""

    winner: Literal[0, 1, 2]
    """By its place; 0 for a tie."""
    reason: str


@cache
def dimensions() -> tuple[Dimension, ...]:
    """The dimensions that ship."""
    return tuple(Dimension.model_validate(row) for row in _yaml("dimensions.yaml"))


@cache
def _refusals() -> tuple[str, ...]:
    return tuple(_yaml("refusals.yaml"))


def _yaml(name: str) -> Any:
    return shipped_yaml((resources.files("exagirl.evaluation.judging") / name).read_text("utf-8"))


def read_points(reply: ChatReply, turns: Sequence[Turn]) -> Points | Silence:
    """Read scores; every dimension must have one, and quote what was said.

    Args:
        reply: The judge's answer.
        turns: The conversation that it is about.
    """
    found = _object(reply)
    if isinstance(found, Silence):
        return found
    said = [_letters(turn.content) for turn in turns]
    points: dict[str, Point] = {}
    for one in dimensions():
        given = found.get(one.ko)
        if not isinstance(given, Mapping):
            return Silence(why="unreadable")
        score, quote = given.get("score"), given.get("quote")
        if not isinstance(quote, str) or not _is_quoted(quote, said):
            return Silence(why="unreadable")
        if score is None or not _is_score(score):
            return Silence(why="unreadable")
        points[one.name] = Point(
            score=float(score), quote=_plain(quote), reason=_plain(given.get("reason", ""))
        )
    return Points(by_name=points)


def read_choice(reply: ChatReply) -> Choice | Silence:
    """Read which of two conversations won."""
    found = _object(reply)
    if isinstance(found, Silence):
        return found
    given = found.get("winner")
    if isinstance(given, bool) or not isinstance(given, int | str):
        return Silence(why="unreadable")
    winner = _WINNERS.get(str(given).strip().lower())
    if winner not in (0, 1, 2):
        return Silence(why="unreadable")
    return Choice(winner=winner, reason=_plain(found.get("reason", "")))


def _object(reply: ChatReply) -> Mapping[str, Any] | Silence:
    """The outermost JSON object; words and fences around it are let pass."""
    text = reply.content
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, Mapping):
        return found
    is_refused = reply.finish_reason == "content_filter" or any(
        words in text for words in _refusals()
    )
    return Silence(why="refused" if is_refused else "unreadable")


def _is_score(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and LEAST <= value <= MOST


def stands_in(quote: str, text: str) -> bool:
    """True where a text holds a quote; marks and blanks do not count."""
    return _is_quoted(quote, [_letters(text)])


def _is_quoted(quote: str, said: Sequence[str]) -> bool:
    """True where all parts of a quote stand in one turn; … leaves out a middle."""
    parts = [letters for part in _LEFT_OUT.split(quote) if (letters := _letters(part))]
    return bool(parts) and any(all(part in turn for part in parts) for turn in said)


def _letters(text: str) -> str:
    """What is compared of a text: its letters and digits."""
    return _NOT_LETTERS.sub("", normalise(text)).lower()


def _plain(value: Any) -> str:
    """A text that can be written down: JSON can spell half a character, which no file takes."""
    return str(value)[:_REASON_CHARS].encode("utf-8", "replace").decode("utf-8")
