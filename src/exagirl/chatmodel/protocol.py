"""What "anything that answers messages" looks like."""

from __future__ import annotations

from typing import Literal, Protocol

from exagirl.record import Record


class Message(Record):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatRequest(Record):
    """What is asked of a chat model."""

    messages: tuple[Message, ...]
    temperature: float = 0.9
    max_tokens: int = 1024
    seed: int | None = None
    as_json: bool = False
    """Whether the reply must be one JSON object, where the endpoint can see to it."""
    number: int = 0
    """The how manieth request it is for what it is for."""
    topic_key: str = ""
    """What the reply is for, ``SUBSET/TOPIC/INDEX``; the bundled teacher looks it up."""


class ChatReply(Record):
    """What came back, untouched."""

    content: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """How many of the prompt's tokens the endpoint had at hand; they may cost less."""
    completion_tokens: int = 0


class TransportFault(Exception):  # noqa: N818 (a state of the line, not a user's error)
    """The line failed, not the request: worth another try after ``retry_after_s`` seconds."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ChatModel(Protocol):
    """Answers messages: an OpenAI-compatible endpoint, a local model, bundled lines."""

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Answer one request.

        Raises:
            TransportFault: The line failed; asking again may help.
            TeacherError: Asking again cannot help.
        """
