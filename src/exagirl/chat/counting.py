"""Tokens of messages, with few questions to the backend."""

from __future__ import annotations

from exagirl.chat.backend import Backend, Messages

REMEMBERED = 8192
"""Counts kept: more than any context window holds turns."""
_BARE = {"role": "system", "content": ""}
_LINE = "응"
_FRAME_CHARS = 4
"""Letters that a message's marks are worth."""


class TokenCounter:
    """Counts a message once, by what it adds to a prompt; a whole prompt exactly."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._known: dict[tuple[str, str], int] = {}
        self._bare: int | None = None
        self._tells_system: bool | None = None

    @property
    def tells_system(self) -> bool:
        """True where the model can tell a system message among the turns from the user's words.

        Templates without a system role (Gemma's, that of plain bases) write both alike; some refuse
        one. A backend that does not count is taken at its word.
        """
        if self._tells_system is None:
            within, said = (
                [_BARE, {"role": "user", "content": _LINE}, {"role": role, "content": _LINE}]
                for role in ("system", "user")
            )
            try:
                tokens = self._backend.prompt_tokens(within)
                self._tells_system = not tokens or tokens != self._backend.prompt_tokens(said)
            except Exception:  # noqa: BLE001 (templates raise what they like)
                self._tells_system = False
        return self._tells_system

    def message(self, message: dict[str, str]) -> int:
        """About how many tokens a message adds; neighbours may share a token or two."""
        if _key(message) not in self._known:
            self.learn([message])
        return self._known[_key(message)]

    def knows(self, message: dict[str, str]) -> bool:
        """True where a message was counted before."""
        return _key(message) in self._known

    def learn(self, messages: Messages) -> None:
        """Count messages with one question; each has a share by its length.

        Their sum is right; which of them has a token more or less matters to nobody, because a
        whole prompt is counted exactly before it is given.
        """
        if self._bare is None:
            self._bare = self.exact([_BARE])
        whole = max(0, self.exact([_BARE, *messages]) - self._bare)
        lengths = [len(message["content"]) + _FRAME_CHARS for message in messages]
        for message, length in zip(messages, lengths, strict=True):
            if len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[_key(message)] = -(-whole * length // sum(lengths))

    def text(self, text: str) -> int:
        """About how many tokens a text has, a message of its own."""
        return self.message({"role": "user", "content": text})

    def exact(self, messages: Messages) -> int:
        """How many tokens the model is given."""
        return len(self._backend.prompt_tokens(messages))


def _key(message: dict[str, str]) -> tuple[str, str]:
    return message["role"], message["content"]
