"""The replies of a slot, parted into dialogues again by what was found of them.

A script is one reply. A simulated conversation is one reply a line; what was asked at which place
of it stands in no column, but follows from the verdicts: a line that counts moves the conversation
on, a refused one does not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from exagirl.dialogue.journal import ACCEPTED, KEPT, Attempt

SPARE = "spare"
"""Of a whole dialogue that passes, but whose slot another one has filled."""
ADRIFT = "adrift"
"""Of a line that answers one which is gone. It is never read again: nobody knows its place."""

# Codes that refuse a conversation as a whole; a line's own code does so where the line is named.
_WHOLE = re.compile(r"near-\w+|judge\.\w+|copied|spare")
_NAMED = re.compile(r"(?:human|gpt)\d+: ")


class Talk(NamedTuple):
    """One dialogue, finished or not."""

    places: tuple[tuple[Attempt, ...], ...]
    """What was said at each place but a last one; the last reply of each is the line that counts.
    None of a script."""
    tries: tuple[Attempt, ...]
    """Replies for the place after them, oldest first."""
    is_finished: bool
    """True where its last line was there; the only try is that line."""

    @property
    def lines(self) -> list[Attempt]:
        """The lines that count."""
        return [place[-1] for place in self.places]

    @property
    def is_accepted(self) -> bool:
        """True of the dialogue that fills the slot."""
        return self.is_finished and self.tries[0].verdict == ACCEPTED


def part_talks(attempts: Sequence[Attempt], replies: int) -> list[Talk]:
    """Part the replies of a slot.

    Args:
        attempts: All of them, oldest first.
        replies: How many a dialogue takes.

    Returns:
        The dialogues, oldest first; one that is not finished is the last.
    """
    talks: list[Talk] = []
    places: list[tuple[Attempt, ...]] = []
    tries: list[Attempt] = []
    for attempt in attempts:
        if replies == 1:
            talks.append(Talk((), (attempt,), is_finished=True))
        elif attempt.verdict == ADRIFT:
            continue
        elif not _counts(attempt, places):
            tries.append(attempt)
        elif len(places) + 1 < replies:
            places.append((*tries, attempt))
            tries = []
        else:
            talks.append(Talk(tuple(places), (attempt,), is_finished=True))
            places, tries = [], []
    if places or tries:
        talks.append(Talk(tuple(places), tuple(tries), is_finished=False))
    return talks


def _counts(attempt: Attempt, places: Sequence[Sequence[Attempt]]) -> bool:
    if attempt.verdict in (KEPT, ACCEPTED):
        return True
    # A whole refusal takes every line with it. A process that was killed in between has refused
    # the last one alone.
    is_alone = bool(places) and places[0][-1].verdict == KEPT
    return not is_alone and is_whole(attempt.verdict or "", attempt.message)


def is_whole(code: str, message: str) -> bool:
    """True where a code refuses a conversation as a whole."""
    return bool(_WHOLE.fullmatch(code) or (code and _NAMED.match(message)))
