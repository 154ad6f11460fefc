"""Turns and dialogues."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from exagirl.record import Record

Role = Literal["user", "assistant"]


class Turn(Record):
    """What one side says before the other answers."""

    role: Role
    content: str


class Dialogue(Record):
    """One dialogue that was accepted for a slot."""

    id: str
    subset: str
    topic: str
    character: str
    turns: tuple[Turn, ...]
    meta: dict[str, Any] = Field(default_factory=dict)


ProbeKind = Literal[
    "greeting",
    "identity",
    "ai",
    "comfort",
    "knowledge",
    "unknown",
    "bait-english",
    "bait-foreign",
    "polite-user",
    "refusal",
    "drift",
]


class Probe(Record):
    """What a user says to find out how a character holds up."""

    id: str
    kind: ProbeKind
    lines: tuple[str, ...] = Field(min_length=1)
    """The user's turns in order; ``{캐릭터}`` stands for the character's name."""
    answers: tuple[str, ...] = ()
    """Any one of these stands in a right answer; empty where no answer is right or wrong."""
    wrong: tuple[str, ...] = ()
    """Any one of these makes an answer wrong, whatever else it says."""
    about: str = ""
    """What the probe looks at, in Korean."""


class Slot(Record):
    """One dialogue owed to a quota; it closes only when a dialogue is accepted for it."""

    subset: str
    topic: str
    index: int
    phrase: str
    """What the dialogue is about, a Korean noun phrase."""
    seed_line: str = ""
    """One sentence that sketches the scene, or nothing."""
    persona: str = ""
    """A couple persona's id; empty where the recipe's own character speaks."""
    turns: int
    """How many turns each side has."""

    @property
    def key(self) -> str:
        """The slot's name: ``SUBSET/TOPIC/INDEX``."""
        return f"{self.subset}/{self.topic}/{self.index:04d}"
