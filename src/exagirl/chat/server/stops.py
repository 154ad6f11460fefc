"""Stop strings in a reply that arrives in pieces."""

from __future__ import annotations

from collections.abc import Sequence


class StopFinder:
    """Ends a text before the first of some strings; what may still become one is kept back.

    Args:
        stops: None of them is empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""
        self.is_found = False

    def feed(self, piece: str) -> str:
        """Take a piece and give what is sure; nothing more once a string was found."""
        if not self._stops:
            return piece
        if self.is_found:
            return ""
        self._held += piece
        places = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if places:
            self.is_found = True
            sure, self._held = self._held[: min(places)], ""
            return sure
        size = len(self._held) - self._begun()
        sure, self._held = self._held[:size], self._held[size:]
        return sure

    def end(self) -> str:
        """The rest."""
        rest, self._held = self._held, ""
        return rest

    def _begun(self) -> int:
        """How many letters at the end may be the beginning of a stop string."""
        for size in range(min(self._longest - 1, len(self._held)), 0, -1):
            tail = self._held[-size:]
            if any(stop.startswith(tail) for stop in self._stops):
                return size
        return 0
