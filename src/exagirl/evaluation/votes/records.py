"""What a voting sheet asks, what its key knows, and what a voter's file says."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from exagirl.record import Record

FORMAT = 1
Choice = Literal["left", "right", "tie"]


class KeyPair(Record):
    """Which model stands on which side of one pair."""

    id: str
    scenario: str
    left: str
    right: str


class SheetKey(Record):
    """What the sheet hides; kept beside it and given to no voter."""

    format: int = FORMAT
    sheet: str
    """The sheet's id: votes on another sheet are refused."""
    one: str
    """The model whose wins are counted."""
    other: str
    seed: int
    pairs: tuple[KeyPair, ...]


class Ballot(Record):
    """The file that a voter sends back."""

    format: int
    sheet: str
    voter: str = Field(min_length=1, max_length=80)
    votes: dict[str, Choice]
    """A pair's id to what was chosen; pairs without a vote are not in it."""


class VoterCount(Record):
    """What one voter did."""

    voter: str
    wins: int
    ties: int
    losses: int


class VoteResult(Record):
    """What the people say."""

    one: str
    other: str
    wins: int
    """Votes for ``one``."""
    ties: int
    losses: int
    pairs: int
    """Pairs that somebody voted on."""
    pair_wins: int
    """Pairs that more people gave to ``one`` than to the other."""
    pair_losses: int
    win_rate: float | None
    """Of ``one`` over the pairs that the people decided; None where they decided none."""
    low: float | None
    high: float | None
    alpha: float | None
    """Krippendorff's; None where it cannot be told."""
    voters: tuple[VoterCount, ...]
