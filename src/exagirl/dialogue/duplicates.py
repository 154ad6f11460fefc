"""Which accepted dialogue is nearly the same? MinHash finds candidates, exact sets decide.

Likeness is the Jaccard similarity of character 3-grams, blanks left out: Korean paraphrases share
few whole words (ANCHORS: one pair has 0.30 by words and 0.36 by 3-grams), and 3-grams need no
analyser.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from exagirl.dialogue.records import Dialogue, Turn

GRAM_CHARS = 3
SHORTEST_OPENING = 8
"""Letters. 안녕! and 뭐 해? may open any number of dialogues."""
# Standard errors of a MinHash estimate at 0.5 are 0.044 (128 hashes) and 0.063 (64); a candidate
# is looked at exactly when its estimate comes within three of them.
_HASHES = {"whole": 128, "opening": 64}
_SLACK = {"whole": 0.13, "opening": 0.19}
_SEED = 42

Signature = NDArray[np.uint32]


class Fingers(NamedTuple):
    """The MinHash signatures of a dialogue."""

    whole: Signature
    opening: Signature | None
    """None where the first line is too short to tell."""


def letters(text: str) -> str:
    """A text without blanks, in composed form."""
    return "".join(unicodedata.normalize("NFC", text).split())


def trigrams(text: str) -> set[str]:
    """The 3-grams of a text's letters."""
    said = letters(text)
    return {said[at : at + GRAM_CHARS] for at in range(len(said) - GRAM_CHARS + 1)}


def likeness(one: AbstractSet[str], other: AbstractSet[str]) -> float:
    """Jaccard similarity: the common part of the whole, from 0.0 to 1.0."""
    return len(one & other) / len(one | other) if one and other else 0.0


def whole_text(turns: Sequence[Turn]) -> str:
    """What a dialogue is compared by."""
    return "\n".join(turn.content for turn in turns)


def fingers_of(turns: Sequence[Turn]) -> Fingers:
    """Sign a dialogue."""
    opening = turns[0].content
    return Fingers(
        whole=_sign(trigrams(whole_text(turns)), "whole"),
        opening=_sign(trigrams(opening), "opening")
        if len(letters(opening)) >= SHORTEST_OPENING
        else None,
    )


def _sign(grams: set[str], kind: str) -> Signature:
    minhash = RMinHash(num_perm=_HASHES[kind], seed=_SEED)
    minhash.update(sorted(grams))
    return np.array(minhash.digest(), dtype=np.uint32)


class Near(NamedTuple):
    """An accepted dialogue that another one is too close to."""

    slot: str
    likeness: float
    part: Literal["dialogue", "opening"]


class Limits(NamedTuple):
    """From which likeness on a dialogue is refused; None where nobody looks."""

    whole: float | None
    opening: float | None


class Seen:
    """Signatures of every accepted dialogue, in one growing table.

    Comparing with all of them is one pass over memory: 100,000 dialogues take 77 MB and about ten
    milliseconds, which no index would be worth.

    Args:
        look_up: Gives a dialogue by the number of its attempt; None where it is gone.
    """

    def __init__(self, look_up: Callable[[int], Dialogue | None]) -> None:
        self._tables = {kind: _Table(width) for kind, width in _HASHES.items()}
        self._look_up = look_up

    def add(self, attempt: int, fingers: Fingers) -> None:
        """Remember a dialogue by the number of its attempt."""
        self._tables["whole"].add(attempt, fingers.whole)
        if fingers.opening is not None:
            self._tables["opening"].add(attempt, fingers.opening)

    def near(self, dialogue: Dialogue, fingers: Fingers, limits: Limits) -> Near | None:
        """The dialogue that this one is too close to, if any: as a whole, or in its first line."""
        found = self._near("whole", whole_text(dialogue.turns), fingers.whole, limits.whole)
        if found is not None:
            return Near(*found, "dialogue")
        opening = dialogue.turns[0].content
        found = self._near("opening", opening, fingers.opening, limits.opening)
        return None if found is None else Near(*found, "opening")

    def _near(
        self, kind: str, text: str, fingers: Signature | None, limit: float | None
    ) -> tuple[str, float] | None:
        if fingers is None or limit is None:
            return None
        mine = trigrams(text)
        for attempt in self._tables[kind].near(fingers, limit - _SLACK[kind]):
            other = self._look_up(attempt)
            if other is None:
                continue
            whole = whole_text(other.turns) if kind == "whole" else other.turns[0].content
            share = likeness(mine, trigrams(whole))
            if share >= limit:
                return other.id, share
        return None


class _Table:
    """Rows of equal width that double their room when it is full."""

    def __init__(self, width: int) -> None:
        self._rows = np.zeros((64, width), dtype=np.uint32)
        self._attempts = np.zeros(64, dtype=np.int64)
        self._count = 0

    def add(self, attempt: int, row: Signature) -> None:
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._attempts = np.concatenate([self._attempts, np.zeros_like(self._attempts)])
        self._rows[self._count] = row
        self._attempts[self._count] = attempt
        self._count += 1

    def near(self, row: Signature, least: float) -> list[int]:
        shares = (self._rows[: self._count] == row).mean(axis=1)
        close = np.flatnonzero(shares >= least)
        ordered = close[np.argsort(-shares[close], kind="stable")]
        return [int(attempt) for attempt in self._attempts[ordered]]
