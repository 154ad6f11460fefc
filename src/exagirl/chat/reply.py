"""One reply as it is drawn: streamed, bounded, kept as far as it came, once drawn again."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from threading import Event

from exagirl.chat.conversation import Version
from exagirl.korean.normalise import normalise

_POLL_S = 0.05


class LinkedStop(Event):
    """Set by whoever ends this reply, and whenever another event is set."""

    def __init__(self, outer: Event) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        """True where either is set."""
        return super().is_set() or self._outer.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for either."""
        until = None if timeout is None else time.monotonic() + timeout
        while not self.is_set() and (until is None or time.monotonic() < until):
            super().wait(_POLL_S)
        return self.is_set()


class Drawing:
    """One reply being drawn.

    Args:
        draw: Starts a try; the event ends it.
        stop: What a person sets to stop.
        limit_chars: The longest reply.
        is_bad: Whether a whole reply should be drawn again, once; then the first try is shown only
            when it is known to be good. None never looks.
        goes_on: Whether it goes on within a sentence, where a blank at its start is a part of it.
    """

    def __init__(
        self,
        draw: Callable[[Event], Iterator[str]],
        stop: Event,
        *,
        limit_chars: int,
        is_bad: Callable[[str], bool] | None = None,
        goes_on: bool = False,
    ) -> None:
        self._draw = draw
        self._stop = stop
        self._limit = limit_chars
        self._is_bad = is_bad
        self._goes_on = goes_on
        self._raw = ""
        self.versions: list[Version] = []
        """Every try of which something came, in order."""

    def pieces(self) -> Generator[str]:
        """The reply piece by piece, as the model writes it."""
        if self._is_bad is None:
            yield from self._one()
            return
        held: list[str] = []
        try:
            held.extend(self._one())
        except Exception:
            yield from (version.raw for version in self.versions)
            raise
        is_again = bool(self.versions) and not self._stop.is_set()
        if is_again and self._is_bad(self.versions[0].raw):
            yield from self._one()
            if len(self.versions) > 1:
                return
        yield from held

    def so_far(self) -> list[Version]:
        """Every try as it would be kept if the reply broke off now."""
        half = self._version(is_cut=True)
        return [*self.versions, half] if half else list(self.versions)

    def _one(self) -> Iterator[str]:
        """One try; what came is kept however it ends."""
        inner, length, is_cut = LinkedStop(self._stop), 0, True
        try:
            for piece in self._draw(inner):
                room = self._limit - length
                self._raw += piece[:room]
                length += len(piece)
                yield piece[:room]
                if length >= self._limit:
                    return
            is_cut = self._stop.is_set()
        finally:
            inner.set()
            version = self._version(is_cut=is_cut)
            self._raw = ""
            if version:
                self.versions.append(version)

    def _version(self, *, is_cut: bool) -> Version | None:
        """The try that is being drawn, or nothing where nothing came."""
        text = normalise(self._raw).rstrip()
        if not self._goes_on:
            text = text.lstrip()
        return Version(raw=text, is_cut=is_cut) if text else None
