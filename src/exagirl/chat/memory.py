"""What stays of turns that fell out of the context: facts, written by the model itself."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from threading import Event, Timer

import yaml

from exagirl.chat.backend import Backend
from exagirl.chat.conversation import Conversation, Memory, Turn, digest_of
from exagirl.chat.counting import TokenCounter
from exagirl.chat.faults import ChatError
from exagirl.chat.marks import without_marks
from exagirl.chat.reply import LinkedStop
from exagirl.korean.normalise import normalise

MAX_TURNS = 60
MAX_FACTS = 8
MAX_FACT_CHARS = 160
MAX_ANSWER_CHARS = 1200
_LEAD = 4
"""Pairs of letters by which another fact must fit better to take a recalled one's place.

In 200 turns of shipped lines with 129 facts, three of four prompts kept their system message; with
a lead of 2 it was less than half.
"""
_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)])\s*")
_WORD = re.compile(r"[가-힣A-Za-z0-9]{2,}")


def forgotten(left_out: Sequence[int], memories: Iterable[Memory]) -> list[int]:
    """Numbers of turns that fell out and that no memory covers."""
    spans = sorted((memory.first, memory.last) for memory in memories)
    return [
        number
        for number in left_out
        if not (at := bisect_right(spans, number, key=lambda span: span[0]))
        or spans[at - 1][1] < number
    ]


def recall_facts(
    memories: Sequence[Memory],
    lines: Sequence[str],
    budget: int,
    count: Callable[[str], int],
    recalled: Sequence[str] = (),
) -> list[str]:
    """The facts that have most to do with the last lines, newest first of equals, in their order.

    Args:
        memories: Where to look.
        lines: What was said last.
        budget: The most tokens that the facts may have together.
        count: Counts the tokens of a text.
        recalled: What was recalled the last time; it stays unless others fit clearly better, so
            that the prompt begins alike from turn to turn.
    """
    facts = [fact for memory in memories for fact in memory.facts]
    said = _pairs(" ".join(lines))
    lead = dict.fromkeys(recalled, _LEAD)
    ranked = sorted(
        range(len(facts)),
        key=lambda at: (len(_pairs(facts[at]) & said) + lead.get(facts[at], 0), at),
        reverse=True,
    )
    kept = []
    for at in ranked:
        cost = count(facts[at])
        if cost > budget:
            break
        kept.append(at)
        budget -= cost
    return [facts[at] for at in sorted(kept)]


def _pairs(text: str) -> set[str]:
    """Pairs of neighbouring letters within words: particles then matter little."""
    words = _WORD.findall(text.casefold())
    return {word[at : at + 2] for word in words for at in range(len(word) - 1)}


class Holding:
    """Which memories of a conversation hold, looked up again only where its turns changed."""

    def __init__(self) -> None:
        self._memories: tuple[Memory, ...] = ()
        self._turns: tuple[Turn, ...] = ()
        self._holding: tuple[Memory, ...] = ()

    def of(self, talk: Conversation) -> tuple[Memory, ...]:
        """As `Conversation.memories_that_hold`."""
        if not talk.memories:
            return ()
        last = max(memory.last for memory in talk.memories)
        turns = talk.turns[: bisect_right(talk.turns, last, key=lambda turn: turn.id)]
        if talk.memories is not self._memories or turns != self._turns:
            self._memories, self._turns = talk.memories, turns
            self._holding = talk.memories_that_hold()
        return self._holding


class Summariser:
    """Has the model write down what a stretch of turns is worth remembering."""

    def __init__(
        self,
        backend: Backend,
        counter: TokenCounter,
        *,
        budget: int,
        limit_s: float,
    ) -> None:
        self._backend = backend
        self._counter = counter
        self._budget = budget
        self._limit_s = limit_s

    def remember(
        self, turns: Sequence[Turn], name_of: Callable[[Turn], str], stop: Event
    ) -> Memory:
        """Summarise the first of these turns, as many as fit into one request.

        Args:
            turns: Neighbours, oldest first; not empty.
            name_of: Who says a turn.
            stop: Ends it without a memory.

        Raises:
            ChatError: Nothing usable came, it took too long, or it was stopped.
            ExagirlError: What the backend raises.
        """
        texts = _texts()
        lines: list[str] = []
        for turn in turns[:MAX_TURNS]:
            line = f"{name_of(turn)}: {' '.join(turn.raw.split())}"
            if lines and self._counter.exact(_messages(texts, [*lines, line])) > self._budget:
                break
            lines.append(line)
        messages = self._cut_to_fit(texts, lines)
        answer = "".join(self._pieces(messages, stop))
        facts = _facts(answer)
        if not facts:
            raise ChatError("모델이 간추린 글이 비어 있습니다.")
        done = turns[: len(lines)]
        return Memory(first=done[0].id, last=done[-1].id, digest=digest_of(done), facts=facts)

    def _cut_to_fit(self, texts: dict[str, str], lines: list[str]) -> list[dict[str, str]]:
        """The request; of a single turn that is too long, only its beginning."""
        messages = _messages(texts, lines)
        while self._counter.exact(messages) > self._budget:
            if len(lines[0]) < 16:
                raise ChatError("문맥 길이가 짧아서 간추릴 수 없습니다.")
            lines = [lines[0][: len(lines[0]) // 2]]
            messages = _messages(texts, lines)
        return messages

    def _pieces(self, messages: list[dict[str, str]], stop: Event) -> Iterator[str]:
        inner, late, length = LinkedStop(stop), Event(), 0
        # A timer, not a look at the clock between pieces: none may come.
        timer = Timer(self._limit_s, _set_all, (late, inner))
        timer.daemon = True
        timer.start()
        try:
            for piece in self._backend.speak(messages, inner):
                yield piece
                length += len(piece)
                if length >= MAX_ANSWER_CHARS:
                    return
            if late.is_set():
                raise ChatError(f"간추리는 데 {self._limit_s:g}초가 넘게 걸렸습니다.")
            if stop.is_set():
                raise ChatError("간추리다가 멈췄습니다.")
        finally:
            timer.cancel()
            inner.set()


def _set_all(*events: Event) -> None:
    for event in events:
        event.set()


def _facts(answer: str) -> tuple[str, ...]:
    rows = (_BULLET.sub("", row).strip() for row in normalise(answer).splitlines())
    found = dict.fromkeys(row[:MAX_FACT_CHARS] for row in rows if _WORD.search(row))
    return tuple(found)[:MAX_FACTS]


def _messages(texts: dict[str, str], lines: Sequence[str]) -> list[dict[str, str]]:
    transcript = without_marks("\n".join(lines))
    return [
        {"role": "system", "content": texts["system"]},
        {"role": "user", "content": texts["request"].replace("{transcript}", transcript)},
    ]


@cache
def _texts() -> dict[str, str]:
    source = (resources.files("exagirl.chat") / "memory.yaml").read_text("utf-8")
    texts: dict[str, str] = yaml.safe_load(source)
    return texts
