"""A turn as the checks see it: read once, shared by all."""

import re
from bisect import bisect_right
from functools import cached_property

from exagirl.korean.actions import action_spans
from exagirl.korean.normalise import NormalText, normalise_with_map
from exagirl.korean.speech import Clause, clauses
from exagirl.korean.spoken import mentions_blanked, spoken_text

_HANGUL = re.compile("[가-힣]")
_LATIN = re.compile("[A-Za-z]{2}")


class TurnText:
    """One turn with its readings, each made on first use.

    Every place that a check reports is a place in ``text``; ``normal`` leads back to ``given``.
    """

    def __init__(self, given: str) -> None:
        self.given = given
        self.normal: NormalText = normalise_with_map(given)
        self.text = self.normal.text

    @cached_property
    def actions(self) -> list[tuple[int, int]]:
        """Spans of the actions, asterisks included."""
        return action_spans(self.text)

    @cached_property
    def spoken(self) -> str:
        """What is said aloud, placeholders as names; same length."""
        return spoken_text(self.text, self.actions)

    @cached_property
    def aloud(self) -> str:
        """The text with quotations, code, addresses and placeholders blanked; actions stay."""
        return mentions_blanked(self.text)

    @cached_property
    def clauses(self) -> list[Clause]:
        """The clauses of what is said aloud."""
        return clauses(self.spoken)

    @cached_property
    def has_hangul(self) -> bool:
        """Whether any syllable is Hangul."""
        return bool(_HANGUL.search(self.text))

    @cached_property
    def has_latin(self) -> bool:
        """Whether two Latin letters stand together outside quotations."""
        return bool(_LATIN.search(self.text)) and bool(_LATIN.search(self.aloud))

    def is_mentioned(self, at: int) -> bool:
        """Tell whether a place is quoted, code, an address or a placeholder."""
        return self.aloud[at] != self.text[at]

    def in_action(self, at: int) -> bool:
        """Tell whether a place lies within an action."""
        before = bisect_right(self.actions, (at, len(self.text)))
        return before > 0 and at < self.actions[before - 1][1]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Give the place in the turn as it was given."""
        return self.normal.span(start, end, len(self.given))
