"""What the server needs of a model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from exagirl.chatmodel.sampling import Sampling

Messages = list[dict[str, str]]


class Prompt(NamedTuple):
    """Messages as a backend takes them."""

    content: Any
    tokens: int | None
    """None where only the backend's own endpoint can count them."""


class Piece(NamedTuple):
    """A part of a reply; the last one says how it ended and what it took."""

    text: str
    finish: str | None = None
    """``stop`` or ``length`` with the last piece."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    known_tokens: int = 0
    """How many of the prompt's tokens were not read again."""


class Backend(Protocol):
    """Speaks replies, some of them side by side."""

    name: str
    """What requests call the model."""
    slots: int
    """How many replies it speaks at once; the server lets no more in."""
    context_tokens: int | None
    """Prompt and reply together; None where it is not known."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Hold whatever it needs for as long as the server runs."""

    def prepare(self, messages: Messages) -> Prompt:
        """Make a prompt; any thread may ask.

        Raises:
            PromptError: The model's template does not take such messages.
        """

    def speak(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Piece]:
        """Yield a reply; closing the iterator ends it within a step.

        Args:
            prompt: From `prepare`.
            sampling: Its seed is set, or None where any will do.

        Raises:
            BackendError: The model failed.
        """
