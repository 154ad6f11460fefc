"""A model in this process: what earlier turns read is not read again, and a reply can go on."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from copy import copy
from threading import Event, Lock
from typing import Any, Protocol

from exagirl.chat.backend import Messages
from exagirl.chat.dice import Dice
from exagirl.chatmodel.sampling import Sampling
from exagirl.errors import ExagirlError, ModelError

SEEDS = 2**31
_UNLIKE = ("가", "나")
"""Two texts without a byte in common at their ends."""


class Steps(Protocol):
    """What of `exagirl.chatmodel.local_slots.SlotModel` is needed here."""

    def prompt_tokens(self, messages: Messages) -> list[int]:
        """A prompt's tokens."""

    def join(self, prompt: Sequence[int], sampling: Sampling, seed: int) -> int:
        """Begin a reply."""

    def leave(self, ticket: int) -> None:
        """End a reply."""

    def advance(self) -> list[Any]:
        """The next token."""


class SlotBackend:
    """Speaks with a loaded model; several conversations may share it, one speaks at a time.

    Args:
        model: The model.
        sampling: How replies are drawn.
    """

    def __init__(self, model: Steps, sampling: Sampling) -> None:
        self._model = model
        self._sampling = sampling
        self._speaking = Lock()
        self._dice = Dice()

    @property
    def sampling(self) -> Sampling:
        """How replies are drawn."""
        return self._sampling

    def with_sampling(self, sampling: Sampling) -> SlotBackend:
        """The same model with other dice; still only one of all such copies speaks at a time."""
        other = copy(self)
        other._sampling = sampling
        return other

    def prompt_tokens(self, messages: Messages) -> list[int]:
        """The exact tokens that the model is given before it speaks."""
        return self._model.prompt_tokens(messages)

    def speak(self, messages: Messages, stop: Event) -> Iterator[str]:
        """Yield a reply.

        Raises:
            ModelError: The model failed midway.
        """
        seed = self._seed(messages)
        return self._run(self.prompt_tokens(messages), seed, stop)

    def go_on(self, messages: Messages, stop: Event) -> Iterator[str]:
        """Yield what follows the last message, which stays open.

        Raises:
            ModelError: The model failed midway.
        """
        seed = self._seed(messages)
        return self._run(_open_tokens(self._model, messages), seed, stop)

    def _run(self, prompt: list[int], seed: int, stop: Event) -> Iterator[str]:
        with self._speaking:
            ticket = self._model.join(prompt, self._sampling, seed)
            is_over = False
            try:
                while not (is_over or stop.is_set()):
                    for said in self._model.advance():
                        is_over = said.finish is not None
                        if said.text:
                            yield said.text
            except ExagirlError:
                raise
            except Exception as error:
                raise ModelError(f"답을 만들다가 멈췄습니다({error}).") from error
            finally:
                if not is_over:
                    self._model.leave(ticket)

    def _seed(self, messages: Messages) -> int:
        seed = self._dice.seed(messages, self._sampling.seed)
        return secrets.randbelow(SEEDS) if seed is None else seed


def _open_tokens(model: Steps, messages: Messages) -> list[int]:
    """Tokens of a conversation whose last message is not ended.

    What a template writes behind a message is what two of different texts have in common at
    their end.
    """
    before = list(messages[:-1])
    one, other = (
        model.prompt_tokens([*before, {"role": "assistant", "content": text}])[::-1]
        for text in _UNLIKE
    )
    whole = model.prompt_tokens(messages)
    return whole[: len(whole) - _common(one, other)]


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    for at, (ours, theirs) in enumerate(zip(one, other, strict=False)):
        if ours != theirs:
            return at
    return min(len(one), len(other))
