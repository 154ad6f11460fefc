"""What a conversation needs of a model."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any, Protocol, runtime_checkable

__all__ = ["Backend", "GoesOn", "Messages", "speak_locally"]

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


def speak_locally(model: Any, sampling: Any) -> Backend:
    """A backend over `exagirl.chatmodel.local.LocalModel`."""
    return _Local(model, sampling)


class _Local:
    def __init__(self, model: Any, sampling: Any) -> None:
        self._model = model
        self._sampling = sampling
        self._last: Messages = []
        self._again = 0

    def speak(self, messages: Messages, stop: Event) -> Iterator[str]:
        pieces: Iterator[str] = self._model.stream(messages, self._drawn(messages), stop)
        return pieces

    def _drawn(self, messages: Messages) -> Any:
        """The sampling; who asks the same again wants another reply, also under a fixed seed."""
        self._again = self._again + 1 if messages == self._last else 0
        self._last = [dict(message) for message in messages]
        if self._again == 0 or self._sampling.seed is None:
            return self._sampling
        return self._sampling.model_copy(update={"seed": self._sampling.seed + self._again})

    def prompt_tokens(self, messages: Messages) -> list[int]:
        tokens: list[int] = self._model.prompt_tokens(messages)
        return tokens
