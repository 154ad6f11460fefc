"""A model that judges: scores one conversation, or chooses between two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import TypeVar

from jinja2 import Environment, StrictUndefined

from exagirl.artifact import fingerprint
from exagirl.chatmodel.protocol import ChatReply, Message
from exagirl.dialogue.records import Turn
from exagirl.evaluation.judging.line import Line, NotAsked, Seat, together
from exagirl.evaluation.judging.reading import (
    Choice,
    Points,
    Silence,
    dimensions,
    read_choice,
    read_points,
)
from exagirl.evaluation.probes import fill_names
from exagirl.korean.particles import attach
from exagirl.persona.character import Character
from exagirl.persona.system_prompt import render_system_prompt
from exagirl.record import Record

TEMPLATES = (
    "score_prompt.jinja",
    "choose_prompt.jinja",
    "transcript.jinja",
    "interrogator_prompt.jinja",
)
_FACTS = 30
Read = TypeVar("Read", Points, Choice)


class Prompts:
    """The templates, read once."""

    def __init__(self) -> None:
        environment = Environment(undefined=StrictUndefined, autoescape=False)
        environment.filters["josa"] = lambda word, pair: attach(word, pair).removeprefix(word)
        folder = resources.files("exagirl.evaluation.judging")
        sources = {name: (folder / name).read_text("utf-8") for name in TEMPLATES}
        self._templates = {name: environment.from_string(text) for name, text in sources.items()}
        #: Changes with every word of a prompt.
        self.digest = fingerprint([sources, dimensions()])

    def render(self, name: str, facts: Mapping[str, object]) -> str:
        """A filled template, without blank edges."""
        return self._templates[name].render(facts).strip()


class Compared(Record):
    """One pair, judged in both orders."""

    first: float | None
    """1 where the one won while it stood first, .5 for a tie, 0 where it lost; None without an
    answer that could be read."""
    second: float | None
    """The same, while it stood second."""
    unreadable: int = 0
    """Of the two answers."""
    refused: int = 0
    lost: int = 0
    is_same: bool = False
    """True where both conversations are the same word for word: a tie, and nobody was asked."""

    @property
    def value(self) -> float | None:
        """1, .5 or 0 for the one; a change of mind is a half; None where an order is missing."""
        if self.first is None or self.second is None:
            return None
        return self.first if self.first == self.second else 0.5

    @property
    def is_flipped(self) -> bool:
        """True where the judge said something else when the order changed."""
        return self.value is not None and self.first != self.second


class Judge:
    """Asks the judge by its prompts; it is never told which model spoke.

    Args:
        line: What the questions go through.
        seat: The judge.
        character: Who is played; the judge knows the card.
        tries: How often the same is asked where the answer cannot be read.
    """

    def __init__(self, line: Line, seat: Seat, character: Character, tries: int = 2) -> None:
        self._line, self._seat, self._tries = line, seat, tries
        self._character = character
        self._prompts = Prompts()
        known = {
            "name": character.name,
            "persona": fill_names(render_system_prompt(character), character),
            "facts": character.facts[:_FACTS],
            "dimensions": dimensions(),
        }
        self._score = self._prompts.render("score_prompt.jinja", known)
        self._choose = self._prompts.render("choose_prompt.jinja", known)

    @property
    def name(self) -> str:
        """What people call the judge."""
        return self._seat.name

    async def score(self, turns: Sequence[Turn]) -> Points | Silence:
        """Score one conversation in every dimension.

        Raises:
            TeacherError: The judge cannot answer at all.
        """
        shown = self._shown(turns)
        return await self._ask(self._score, [shown], lambda reply: read_points(reply, shown))

    async def compare(self, one: Sequence[Turn], other: Sequence[Turn]) -> Compared:
        """Choose between two conversations, in both orders.

        Raises:
            TeacherError: The judge cannot answer at all.
        """
        left, right = self._shown(one), self._shown(other)
        if left == right:
            return Compared(first=0.5, second=0.5, is_same=True)
        forth, back = await together(
            [
                self._ask(self._choose, [left, right], read_choice),
                self._ask(self._choose, [right, left], read_choice),
            ]
        )
        silences = [said.why for said in (forth, back) if isinstance(said, Silence)]
        return Compared(
            first=None if isinstance(forth, Silence) else (0.5, 1.0, 0.0)[forth.winner],
            second=None if isinstance(back, Silence) else (0.5, 0.0, 1.0)[back.winner],
            unreadable=silences.count("unreadable"),
            refused=silences.count("refused"),
            lost=silences.count("lost"),
        )

    async def _ask(
        self,
        system: str,
        talks: Sequence[Sequence[Turn]],
        read: Callable[[ChatReply], Read | Silence],
    ) -> Read | Silence:
        messages = (
            Message(role="system", content=system),
            Message(role="user", content=self._transcript(talks)),
        )
        said = Silence(why="lost")
        for number in range(self._tries):
            try:
                reply = await self._line.ask(
                    self._seat, "judge", messages, number=number, as_json=True
                )
            except NotAsked:
                return said
            found = read(reply)
            if not isinstance(found, Silence):
                return found
            said = found
            if said.why == "refused":
                break
        return said

    def _shown(self, turns: Sequence[Turn]) -> list[Turn]:
        """A conversation as people read it, with names in it."""
        return [
            Turn(role=one.role, content=fill_names(one.content, self._character)) for one in turns
        ]

    def _transcript(self, talks: Sequence[Sequence[Turn]]) -> str:
        facts = {"talks": talks, "name": self._character.name}
        return self._prompts.render("transcript.jinja", facts)
