"""What a set of dialogues is like, in numbers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exagirl.dialogue.duplicates import likeness, trigrams, whole_text
from exagirl.dialogue.records import Dialogue
from exagirl.korean.actions import split_actions
from exagirl.korean.analyser import KiwiAnalyser, Morpheme, analyser
from exagirl.korean.speech import sentence_levels

SAMPLED_MORPHEMES = 10_000
"""Distinct-n falls with length, so it is counted over so many morphemes, or all of fewer."""
NEAREST_OF = 400
"""Dialogues whose nearest neighbour is looked for: all pairs of so many."""
_NOUNS = frozenset(("NNG", "NNP"))
_LEVELS = {"banmal": "반말", "polite": "존댓말", "none": "정할 것 없음"}


class Spread(NamedTuple):
    """How numbers are spread."""

    mean: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of some numbers; zeros where there are none."""
        if not values:
            return cls(0.0, 0.0, 0.0)
        ordered = sorted(values)
        return cls(sum(values) / len(values), ordered[len(ordered) // 2], ordered[-1])


class Words(NamedTuple):
    """How varied a text is."""

    morphemes: int
    types: int
    distinct: tuple[float, ...]
    """Distinct-1, -2 and -3: different n-grams of morphemes over all of them."""
    endings: list[tuple[str, int]]
    """The ten commonest sentence endings of the character."""
    endings_share: float
    """The share that these ten have of all endings."""
    nouns: list[tuple[str, int]]


class Talk(NamedTuple):
    """How a subset's dialogues are built."""

    dialogues: int
    turns: Counter[int]
    """Dialogues a number of turns a side."""
    user_chars: list[int]
    character_chars: list[int]
    levels: Counter[str]
    """The character's sentences a speech level, in Korean."""
    acted: float
    """The share of the character's turns with an action."""
    actions: list[tuple[str, int]]
    """Actions that stand more than once, the commonest first."""
    openings: list[tuple[str, int]]
    """The commonest first words of the user's first turn."""
    words: Words
    nearest: list[float]
    """Likeness of sampled dialogues to the nearest other one."""


def describe(dialogues: Sequence[Dialogue], seed: int = 7) -> Talk:
    """Describe a set of dialogues.

    Args:
        dialogues: One subset.
        seed: Of the samples.
    """
    said = [turn.content for one in dialogues for turn in one.turns if turn.role == "assistant"]
    asked = [turn.content for one in dialogues for turn in one.turns if turn.role == "user"]
    actions = [
        part.text.strip() for text in said for part in split_actions(text) if part.kind == "action"
    ]
    return Talk(
        dialogues=len(dialogues),
        turns=Counter(len(one.turns) // 2 for one in dialogues),
        user_chars=[len(text) for text in asked],
        character_chars=[len(text) for text in said],
        levels=Counter(
            _LEVELS[sentence.level] for text in said for sentence in sentence_levels(text)
        ),
        acted=sum("*" in text for text in said) / max(1, len(said)),
        actions=[(text, times) for text, times in Counter(actions).most_common(10) if times > 1],
        openings=Counter(one.turns[0].content.split()[0] for one in dialogues).most_common(10),
        words=describe_words(said, seed),
        nearest=nearest_likeness(dialogues, seed),
    )


def describe_words(turns: Sequence[str], seed: int = 7) -> Words:
    """Describe the vocabulary of a character's turns; actions count as words too.

    Without Kiwi the words between blanks stand for morphemes, and there are no endings and nouns.
    """
    shuffled = list(turns)
    random.Random(seed).shuffle(shuffled)
    tagged = [_morphemes(text) for text in shuffled]
    forms = [[token.form for token in tokens] for tokens in tagged]
    sample = [form for tokens in forms for form in tokens][:SAMPLED_MORPHEMES]
    endings = Counter(token.form for tokens in tagged for token in tokens if token.tag == "EF")
    nouns = Counter(
        token.form
        for tokens in tagged
        for token in tokens
        if token.tag in _NOUNS and len(token.form) > 1
    )
    common = endings.most_common(10)
    return Words(
        morphemes=sum(map(len, forms)),
        types=len({form for tokens in forms for form in tokens}),
        distinct=tuple(distinct_n(sample, n) for n in (1, 2, 3)),
        endings=common,
        endings_share=sum(times for _, times in common) / max(1, endings.total()),
        nouns=nouns.most_common(20),
    )


def _morphemes(text: str) -> list[Morpheme]:
    kiwi = analyser()
    if isinstance(kiwi, KiwiAnalyser):
        return [token for token in kiwi.morphemes(text) if not token.tag.startswith("S")]
    return [Morpheme(word, "", 0, 0) for word in text.split()]


def distinct_n(tokens: Sequence[str], n: int) -> float:
    """Different n-grams over all n-grams; 0.0 where there is none.

    Source: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation
    Models".
    """
    grams = [tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def nearest_likeness(dialogues: Sequence[Dialogue], seed: int = 7) -> list[float]:
    """The likeness of every sampled dialogue to its nearest neighbour in the sample."""
    sample = list(dialogues)
    if len(sample) > NEAREST_OF:
        sample = random.Random(seed).sample(sample, NEAREST_OF)
    grams = [trigrams(whole_text(one.turns)) for one in sample]
    nearest = [0.0] * len(grams)
    for at, one in enumerate(grams):
        for other in range(at + 1, len(grams)):
            share = likeness(one, grams[other])
            nearest[at] = max(nearest[at], share)
            nearest[other] = max(nearest[other], share)
    return nearest


def by_topic(dialogues: Iterable[Dialogue]) -> Counter[str]:
    """Dialogues a topic."""
    return Counter(one.topic for one in dialogues)
