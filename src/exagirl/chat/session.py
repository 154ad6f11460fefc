"""One conversation with a character: what was said, and what is said next."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from exagirl.artifact import make_folder, write_text
from exagirl.korean.particles import fill_placeholders
from exagirl.persona.character import Character
from exagirl.record import Record

HOLD_BACK = 16
"""Characters kept back after an opening brace: the longest placeholder with its particle."""


class Backend(Protocol):
    """Something that streams a reply."""

    def speak(self, messages: list[dict[str, str]], stop: Event) -> Iterator[str]:
        """Yield a reply piece by piece, until it ends or ``stop`` is set."""

    def prompt_tokens(self, messages: list[dict[str, str]]) -> list[int]:
        """The exact tokens that the model is given before it speaks."""


class Said(Record):
    """One turn: as the model knows it, and as people read it."""

    role: str
    raw: str
    """With ``{유저}`` as the model writes it."""
    shown: str
    """With the names filled in."""


class Session:
    """A conversation between one person and one character."""

    def __init__(self, character: Character, backend: Backend, *, user: str = "친구") -> None:
        self.character = character
        self.user = user
        self.turns: list[Said] = []
        self.backend = backend

    def greeting(self) -> str:
        """The character's first greeting with the names filled in, or nothing.

        It is shown, but not given to the model, which learned conversations that a person opens.
        """
        return self._fill(self.character.greetings[0]) if self.character.greetings else ""

    def say(self, text: str, stop: Event | None = None) -> Iterator[str]:
        """Say something and yield the reply as it comes, with the names filled in.

        What was yielded is kept even when the reply is stopped or fails midway; a reply of which
        nothing came leaves the conversation as it was.
        """
        stop = stop or Event()
        asked = Said(role="user", raw=text, shown=text)
        messages = [self._message(turn) for turn in [*self.turns, asked]]
        raw: list[str] = []
        try:
            yield from fill_stream(_kept(self.backend.speak(messages, stop), raw), self._fill)
        finally:
            stop.set()
            whole = "".join(raw).strip()
            if whole:
                reply = Said(role="assistant", raw=whole, shown=self._fill(whole))
                self.turns += [asked, reply]

    def save(self, path: Path) -> Path:
        """Write the conversation as JSONL, a turn a line."""
        make_folder(path.parent)
        rows = [json.dumps(turn.model_dump(), ensure_ascii=False) for turn in self.turns]
        return write_text(path, "".join(row + "\n" for row in rows))

    def _fill(self, text: str) -> str:
        return fill_placeholders(
            text,
            user=self.user,
            character=self.character.name,
            intimate=self.character.speech.intimate,
        )

    @staticmethod
    def _message(turn: Said) -> dict[str, str]:
        return {"role": turn.role, "content": turn.raw}


def _kept(pieces: Iterable[str], raw: list[str]) -> Iterator[str]:
    for piece in pieces:
        raw.append(piece)
        yield piece


def fill_stream(pieces: Iterable[str], fill: Callable[[str], str]) -> Iterator[str]:
    """Fill placeholders in a text that arrives in pieces; a half placeholder is kept back."""
    raw, shown = "", 0
    for piece in pieces:
        raw += piece
        brace = raw.rfind("{", max(0, len(raw) - HOLD_BACK))
        if brace > 0 and raw[brace - 1] == "{":
            brace -= 1
        safe = raw if brace < 0 else raw[:brace]
        filled = fill(safe)
        if len(filled) > shown:
            yield filled[shown:]
            shown = len(filled)
    rest = fill(raw)[shown:]
    if rest:
        yield rest


def speak_locally(model: Any, sampling: Any) -> Backend:
    """A backend over `exagirl.chatmodel.local.LocalModel`."""
    return _Local(model, sampling)


class _Local:
    def __init__(self, model: Any, sampling: Any) -> None:
        self._model = model
        self._sampling = sampling

    def speak(self, messages: list[dict[str, str]], stop: Event) -> Iterator[str]:
        pieces: Iterator[str] = self._model.stream(messages, self._sampling, stop)
        return pieces

    def prompt_tokens(self, messages: list[dict[str, str]]) -> list[int]:
        tokens: list[int] = self._model.prompt_tokens(messages)
        return tokens
