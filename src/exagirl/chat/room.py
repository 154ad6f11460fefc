"""Several characters in one room: who speaks next, and that each speaks for itself alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from threading import Event
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template

from exagirl.chat.backend import Backend
from exagirl.chat.faults import ChatError
from exagirl.persona.character import Character

MAX_CAST = 4
# What may follow a name of one syllable, which else would be found in any word: 진 in 진짜.
_PARTICLES = "(?:이|가|은|는|을|를|와|과|도|야|아|랑|이랑|의|한테|에게|씨|님)?"


class Member(NamedTuple):
    """One character of a room, and what speaks for it."""

    character: Character
    backend: Backend


def check_cast(cast: Sequence[Member]) -> None:
    """Refuse a room that cannot be told apart.

    Raises:
        ChatError: Too many characters, or two of one name.
    """
    names = [member.character.name for member in cast]
    if len(cast) > MAX_CAST:
        raise ChatError(f"한 방에는 {MAX_CAST}명까지 들어올 수 있습니다({len(cast)}명).")
    if len(set(names)) < len(names):
        raise ChatError(
            f"이름이 같은 캐릭터가 있습니다({', '.join(names)}). 한쪽의 name을 바꿔 주세요."
        )


def who_speaks(text: str, cast: Sequence[Character], last_speaker: str) -> int:
    """The position of the one who speaks next: who is named first, else whose turn it is.

    Args:
        text: What the person said.
        cast: The characters, in the order in which they take turns.
        last_speaker: The name of the character that spoke last; empty at the beginning.
    """
    called = [(place, at) for at, one in enumerate(cast) if (place := _named_at(text, one)) >= 0]
    if called:
        return min(called)[1]
    names = [one.name for one in cast]
    return (names.index(last_speaker) + 1) % len(cast) if last_speaker in names else 0


def _named_at(text: str, character: Character) -> int:
    """Where a character is named first; -1 where it is not."""
    places = []
    for name in (character.name, *character.aliases):
        end = f"{_PARTICLES}(?![가-힣])" if len(name) == 1 else ""
        found = re.search(rf"(?<![가-힣A-Za-z]){re.escape(name)}{end}", text, re.IGNORECASE)
        if found:
            places.append(found.start())
    return min(places, default=-1)


def room_text(name: str, others: Sequence[str]) -> str:
    """What a character is told of the room."""
    return _template().render(name=name, others=others).strip()


def own_lines(
    pieces: Iterable[str], own: Sequence[str], others: Sequence[str], stop: Event
) -> Iterator[str]:
    """A reply without a label of one's own in front, ended where it would speak for another.

    Args:
        pieces: The reply as it comes.
        own: Names of the one who speaks.
        others: Names of everybody else in the room.
        stop: Set where the reply is ended.
    """
    labels, text, shown = _Labels(own, others), "", 0
    for piece in pieces:
        text += piece
        part = labels.own_part(text)
        if part.end > max(part.begin, shown):
            yield text[max(part.begin, shown) : part.end]
            shown = part.end
        if part.is_over:
            stop.set()
            return
    part = labels.own_part(text, is_whole=True)
    if part.end > max(part.begin, shown):
        yield text[max(part.begin, shown) : part.end]


class _Part(NamedTuple):
    begin: int
    end: int
    is_over: bool = False


class _Labels:
    """Labels such as ``엑사:`` in front of lines."""

    def __init__(self, own: Sequence[str], others: Sequence[str]) -> None:
        self._longest = max(map(len, [*own, *others])) + 4
        self._opening = re.compile(rf"\s*{_label([*own, *others])}\s*")
        self._foreign = re.compile(rf"\s*\n\s*{_label(others)}")

    def own_part(self, text: str, *, is_whole: bool = False) -> _Part:
        """Where a reply begins and ends so far; what may yet become a label is kept back."""
        opening = self._opening.match(text)
        if not (is_whole or opening) and len(text.lstrip()) <= self._longest:
            return _Part(0, 0)
        begin = opening.end() if opening else 0
        foreign = self._foreign.search(text, begin)
        if foreign:
            return _Part(begin, foreign.start(), is_over=True)
        end, last = len(text), text.rstrip(" \n").rfind("\n")
        if is_whole:
            return _Part(begin, end)
        if text.endswith((" ", "\n")):
            end = len(text.rstrip())
        if last >= 0 and len(text) - last <= self._longest:
            end = len(text[:last].rstrip())
        return _Part(begin, end)


def _label(names: Sequence[str]) -> str:
    return rf"(?:{'|'.join(re.escape(name) for name in names)})[ ]{{0,2}}[:：]"


@cache
def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    source = (resources.files("exagirl.chat") / "room.jinja").read_text("utf-8")
    return environment.from_string(source)
