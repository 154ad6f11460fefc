"""The questionnaire as it is asked: with names in it, and of every kind in turn."""

from __future__ import annotations

import random
from collections.abc import Sequence

from exagirl.dialogue.records import Probe
from exagirl.korean.particles import fill_placeholders
from exagirl.persona.character import Character

USER = "민준"
"""Who asks."""


def fill_names(text: str, character: Character) -> str:
    """Put names for the placeholders, as a chat shows them: a user never writes a placeholder."""
    return fill_placeholders(
        text, user=USER, character=character.name, intimate=character.speech.intimate
    )


def spread(probes: Sequence[Probe], count: int, seed: int, part: str) -> list[Probe]:
    """Choose probes so that every kind has its turn before one has a second.

    Args:
        probes: All that may be chosen.
        count: How many at most.
        seed: Decides which ones of a kind.
        part: Of the evaluation; each part chooses for itself.
    """
    dice = random.Random(f"{seed}/{part}")
    kinds: dict[str, list[Probe]] = {}
    for probe in probes:
        kinds.setdefault(probe.kind, []).append(probe)
    for queue in kinds.values():
        dice.shuffle(queue)
    ranked = [
        (rank, number, probe)
        for number, (_, queue) in enumerate(sorted(kinds.items()))
        for rank, probe in enumerate(queue)
    ]
    return [probe for _, _, probe in sorted(ranked, key=lambda row: row[:2])][:count]
