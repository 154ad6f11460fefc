"""What a conversation needs of a model."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Protocol, runtime_checkable

from exagirl.chatmodel.sampling import Sampling

__all__ = ["Backend", "GoesOn", "Messages", "Tunable"]

Messages = list[dict[str, str]]


class Backend(Protocol):
    """Something that streams a reply."""

    def speak(self, messages: Messages, stop: Event) -> Iterator[str]:
        """Yield a reply piece by piece, until it ends or ``stop`` is set."""

    def prompt_tokens(self, messages: Messages) -> list[int]:
        """The exact tokens that the model is given before it speaks."""


@runtime_checkable
class GoesOn(Protocol):
    """A backend that can also write on within a reply that has begun."""

    def go_on(self, messages: Messages, stop: Event) -> Iterator[str]:
        """Yield what follows the last message, the character's own, which is not yet ended."""


@runtime_checkable
class Tunable(Protocol):
    """A backend whose replies can be drawn in another way."""

    @property
    def sampling(self) -> Sampling:
        """How replies are drawn."""

    def with_sampling(self, sampling: Sampling) -> Backend:
        """The same loaded model or connection, drawing its replies so.

        Nothing is loaded again; both may be used from several threads, as one may. What belongs to
        the model (its lock, what it remembers of earlier turns, the count of who asks the same
        again) is shared. A longer ``max_new_tokens`` needs as much room kept free in the prompt:
        `Session.tune` sees to both.
        """
