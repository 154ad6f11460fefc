"""The turns at which long conversations are looked at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

TURNS = (1, 5, 10, 20)
"""Turns of the character, from 1."""


def bucket_of(position: int, starts: Sequence[int] = TURNS) -> int:
    """The greatest start that a position has reached.

    Args:
        position: From 1.
        starts: Rising; the first is 1.

    Raises:
        ValueError: The position lies before the first start.
    """
    at = bisect_right(starts, position)
    if not at:
        raise ValueError(f"position {position} lies before {starts[0]}")
    return starts[at - 1]
