"""Who is asked in a run: the teacher, the model that plays the user, the judge."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from exagirl.artifact import fingerprint
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.price import Price
from exagirl.chatmodel.protocol import ChatModel, ChatRequest, Message
from exagirl.persona.system_prompt import estimate_tokens

_MESSAGE_TOKENS = 4
"""What the marks around a message cost."""


@dataclass(frozen=True)
class Voice:
    """A chat model and how it is asked."""

    model: ChatModel
    options: TeacherOptions
    price: Price | None

    def request(
        self, messages: tuple[Message, ...], key: str, number: int, *, as_json: bool = False
    ) -> ChatRequest:
        """A request with a seed of its own, where the recipe gives one.

        Args:
            messages: What is said.
            key: The slot.
            number: The how manieth request for this slot it is.
            as_json: Whether the reply must be a JSON object.
        """
        seed = self.options.seed
        if seed is not None:
            drawn = hashlib.sha256(f"{seed}/{key}/{number}".encode()).digest()
            seed = int.from_bytes(drawn[:4], "big") >> 1
        return ChatRequest(
            messages=messages,
            temperature=self.options.temperature,
            max_tokens=self.options.max_tokens,
            seed=seed,
            as_json=as_json,
            number=number,
            topic_key=key,
        )


@dataclass(frozen=True)
class Voices:
    """Everybody who is asked."""

    teacher: Voice
    user: Voice
    judge: Voice | None = None


def teacher_identity(options: TeacherOptions) -> dict[str, Any]:
    """What of a teacher shapes its replies: part of what a request is known by.

    Where it is reached, how long one waits, and what it costs are left out.
    """
    shaping = ("kind", "model", "base_url", "output", "temperature", "seed")
    return {name: getattr(options, name) for name in shaping}


def order_of(**parts: Any) -> str:
    """Names an order: teacher, prompts, mode."""
    return fingerprint(parts)


def prompt_tokens(messages: tuple[Message, ...]) -> int:
    """About how many tokens messages have; rather too many than too few."""
    return sum(estimate_tokens(message.content) + _MESSAGE_TOKENS for message in messages)
