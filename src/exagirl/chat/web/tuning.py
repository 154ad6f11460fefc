"""A backend whose sampling a window may change while the conversation goes on."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Protocol, runtime_checkable

from exagirl.chat.backend import Backend, GoesOn, Messages
from exagirl.chatmodel.sampling import Sampling


@runtime_checkable
class Tunable(Protocol):
    """A backend whose replies can be drawn in another way."""

    def with_sampling(self, sampling: Sampling) -> Backend:
        """The same model, drawing its replies so."""


def tuned(backend: Backend) -> Tuned:
    """A backend for one conversation, over one that several share."""
    return _TunedOn(backend) if isinstance(backend, GoesOn) else Tuned(backend)


class Tuned:
    """Speaks with the shared backend, or with a variant of it.

    Args:
        shared: The backend.
    """

    def __init__(self, shared: Backend) -> None:
        self._shared = shared
        self._now = shared
        self.temperature: float | None = None

    @property
    def can_tune(self) -> bool:
        """True where the backend has other ways to draw."""
        return isinstance(self._shared, Tunable)

    def tune(self, temperature: float) -> None:
        """Draw the next replies at another temperature."""
        if isinstance(self._shared, Tunable):
            self._now = self._shared.with_sampling(Sampling(temperature=temperature))
            self.temperature = temperature

    def speak(self, messages: Messages, stop: Event) -> Iterator[str]:
        """Yield a reply."""
        return self._now.speak(messages, stop)

    def prompt_tokens(self, messages: Messages) -> list[int]:
        """The exact tokens that the model is given."""
        return self._now.prompt_tokens(messages)


class _TunedOn(Tuned):
    def go_on(self, messages: Messages, stop: Event) -> Iterator[str]:
        """Yield what follows within a reply that has begun."""
        if not isinstance(self._now, GoesOn):
            return self._now.speak(messages, stop)
        return self._now.go_on(messages, stop)
