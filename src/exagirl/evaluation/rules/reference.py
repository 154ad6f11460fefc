"""What is right for a character: the lines that its card shows, and how long they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exagirl.korean.spoken import PLACEHOLDER
from exagirl.persona.character import Character
from exagirl.record import Record

FEWEST_LINES = 5
"""Fewer lines give no range."""
_RANGE = (0.05, 0.95)


class Reference(Record):
    """The lines that replies are held against."""

    lines: tuple[str, ...]
    """In the character's voice: example dialogues, greetings, samples; placeholders left out."""
    lengths: tuple[float, float] | None
    """Characters, the 5th and the 95th percentile of whole replies; None of too few."""


def reference_of(character: Character, replies: Sequence[str] = ()) -> Reference:
    """Read a character's reference from its card.

    Args:
        character: The card.
        replies: Replies that set the range of lengths, such as those of held-out dialogues; the
            card's example dialogues and greetings where there are none. Samples of speech are
            single sentences, so that they count as replies only where the rest is too little.
    """
    spoken = [
        line.content for talk in character.examples for line in talk if line.role == "assistant"
    ]
    whole = [*spoken, *character.greetings]
    samples = list(character.speech.samples)
    sizes = list(replies) or (whole if len(whole) >= FEWEST_LINES else [*whole, *samples])
    lines = tuple(PLACEHOLDER.sub("", line).strip() for line in [*whole, *samples])
    return Reference(lines=lines, lengths=_range([len(text.strip()) for text in sizes]))


def _range(lengths: Sequence[int]) -> tuple[float, float] | None:
    if len(lengths) < FEWEST_LINES:
        return None
    low, high = np.quantile(lengths, _RANGE)
    return float(low), float(high)
