"""A model in this process as a backend: one thread steps, replies join and leave as they come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from threading import Condition, Lock, Thread
from typing import Any, Protocol

from jinja2 import TemplateError

from exagirl.chat.server.backend import Messages, Piece, Prompt
from exagirl.chat.server.faults import BackendError, PromptError
from exagirl.chatmodel.sampling import Sampling

_LOG = logging.getLogger(__name__)


class Steps(Protocol):
    """What of `exagirl.chatmodel.local_slots.SlotModel` is needed here."""

    @property
    def can_share(self) -> bool:
        """Whether replies can run side by side."""

    @property
    def context_tokens(self) -> int | None:
        """Prompt and reply together."""

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""

    def prompt_tokens(self, messages: Messages) -> list[int]:
        """A prompt's tokens."""

    def join(self, prompt: Sequence[int], sampling: Sampling, seed: int) -> int:
        """Begin a reply."""

    def leave(self, ticket: int) -> None:
        """End a reply."""

    def clear(self) -> None:
        """End all."""

    def advance(self) -> list[Any]:
        """One step of all."""


class _Place:
    """One reply between the loop, where it is read, and the thread, where it is made."""

    def __init__(self, prompt: list[int], sampling: Sampling) -> None:
        self.prompt = prompt
        self.sampling = sampling
        self.pieces: asyncio.Queue[Piece | Exception] = asyncio.Queue()
        self.is_gone = False


class LocalBackend:
    """Speaks with a model in this process.

    Args:
        model: Steps through replies; only this backend may use it.
        name: What requests call it.
        slots: How many replies run side by side, where the model can.
    """

    def __init__(self, model: Steps, *, name: str, slots: int = 16) -> None:
        self.name = name
        self.slots = slots if model.can_share else 1
        self.context_tokens = model.context_tokens
        self._model = model
        self._news = Condition()
        self._tokenizing = Lock()
        self._arrived: list[_Place] = []
        self._has_left = False
        self._is_over = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the thread."""
        self._is_over = False
        loop = asyncio.get_running_loop()
        thread = Thread(target=self._work, args=(loop,), name="exagirl-model", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._news:
                self._is_over = True
                self._news.notify()
            await asyncio.to_thread(thread.join)

    def prepare(self, messages: Messages) -> Prompt:
        """Make a prompt.

        Raises:
            PromptError: The model's template does not take such messages.
        """
        try:
            # A tokenizer that changes its settings in one thread fails in another.
            with self._tokenizing:
                tokens = self._model.prompt_tokens(messages)
        except TemplateError as error:
            raise PromptError(
                f"모델의 대화 서식이 이 메시지들을 받지 않습니다({error}). 보통 system은 맨 앞에 "
                "하나만, user와 assistant는 번갈아 옵니다."
            ) from error
        return Prompt(tokens, len(tokens))

    async def speak(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Piece]:
        """Yield a reply.

        Raises:
            BackendError: The model failed.
        """
        place = _Place(prompt.content, sampling)
        with self._news:
            self._arrived.append(place)
            self._news.notify()
        try:
            while True:
                piece = await place.pieces.get()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                if piece.finish:
                    return
        finally:
            place.is_gone = True
            self._has_left = True

    # In the thread.

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        seats: dict[int, _Place] = {}
        while self._let_in(seats):
            try:
                said = self._model.advance()
            except Exception as error:  # noqa: BLE001 (whatever it is, nobody may wait for ever)
                _LOG.exception("the model failed")
                self._model.clear()
                told = BackendError(
                    f"모델이 답하다가 멈췄습니다({type(error).__name__}). 다시 보내 보세요."
                )
                _hand_over(loop, [(place, told) for place in seats.values()])
                seats.clear()
                continue
            given: list[tuple[_Place, Piece | Exception]] = []
            for one in said:
                place = seats.pop(one.ticket) if one.finish else seats[one.ticket]
                if one.text or one.finish:
                    piece = Piece(
                        one.text, one.finish, len(place.prompt), one.tokens, one.known_tokens
                    )
                    given.append((place, piece))
            if given:
                _hand_over(loop, given)

    def _let_in(self, seats: dict[int, _Place]) -> bool:
        """Wait for something to do; take in who came and put out who left; False at the end."""
        with self._news:
            while not (self._arrived or seats or self._is_over):
                self._news.wait()
            if self._is_over:
                return False
            arrived, self._arrived = self._arrived, []
        if self._has_left:
            self._has_left = False
            for ticket in [ticket for ticket, place in seats.items() if place.is_gone]:
                self._model.leave(ticket)
                del seats[ticket]
        for place in arrived:
            if not place.is_gone:
                seed = place.sampling.seed or 0
                seats[self._model.join(place.prompt, place.sampling, seed)] = place
        return True


def _hand_over(
    loop: asyncio.AbstractEventLoop, given: Sequence[tuple[_Place, Piece | Exception]]
) -> None:
    """Wake the loop once for all."""

    def put() -> None:
        for place, piece in given:
            place.pieces.put_nowait(piece)

    if not loop.is_closed():
        loop.call_soon_threadsafe(put)
