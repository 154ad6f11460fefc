"""What can go wrong in a conversation."""

from __future__ import annotations

from exagirl.errors import ExagirlError


class ChatError(ExagirlError):
    """Something was asked of a conversation that cannot be done; the message says what can."""


class StaleChatError(ChatError):
    """Somebody else changed the chat meanwhile; ``kept_as`` is where this side's words are now."""

    def __init__(self, message: str, kept_as: str = "") -> None:
        super().__init__(message)
        self.kept_as = kept_as
