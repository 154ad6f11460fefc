"""Example dialogues that a teacher is shown: another choice for every slot."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from exagirl.dialogue.corpus import read_subset
from exagirl.dialogue.personas import couple_personas
from exagirl.dialogue.records import Slot, Turn
from exagirl.persona.character import Character

COUPLES = "gf-persona-data"
_LONGEST_TURNS = 8
"""Of both sides together; longer examples cost more than they teach."""


def choose_examples(
    slot: Slot, pool: Sequence[tuple[Turn, ...]], count: int
) -> list[tuple[Turn, ...]]:
    """Draw examples for a slot from a pool, the same ones each time they are asked for."""
    dice = random.Random(f"{slot.key}/{slot.seed_line}")
    return dice.sample(pool, min(count, len(pool)))


def examples_of(character: Character) -> list[tuple[Turn, ...]]:
    """The whole dialogues in a character's file."""
    return [
        tuple(Turn(role=line.role, content=line.content) for line in example)
        for example in character.examples
        if _is_whole(example)
    ]


@cache
def couples_like(persona: str) -> list[tuple[Turn, ...]]:
    """Dialogues of other couples that speak on the same level: a persona has none of its own."""
    personas = couple_personas()
    level = personas[persona].speech.level
    return [
        dialogue.turns
        for dialogues in read_subset(COUPLES).values()
        for dialogue in dialogues
        if dialogue.character in personas
        and dialogue.character != persona
        and personas[dialogue.character].speech.level == level
        and len(dialogue.turns) <= _LONGEST_TURNS
    ]


def _is_whole(lines: Sequence[object]) -> bool:
    """True where an example alternates from the user to the character."""
    roles = [getattr(line, "role", "") for line in lines]
    return bool(roles) and roles == ["user", "assistant"] * (len(roles) // 2)
