"""Every question to a model goes through here: kept, paced, counted, tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from exagirl.chatmodel.protocol import ChatModel, ChatReply, ChatRequest, Message, TransportFault
from exagirl.dialogue.gate import Gate
from exagirl.errors import TeacherError
from exagirl.evaluation.answers import Answers
from exagirl.evaluation.judging.options import JudgingOptions

BACKOFF_S = (1.0, 60.0)
"""The longest wait after the first fault of the line and after any; it doubles in between."""
LOST_IN_A_ROW = 3
"""Questions given up one after the other, with no answer between, before all is stopped."""
Kind = Literal["judge", "interrogator", "interview-reply"]
Result = TypeVar("Result")


class NotAsked(Exception):  # noqa: N818 (a state of the run, not a fault)
    """A question has no answer this time: the budget is spent, or the line failed."""


@dataclass(frozen=True)
class Seat:
    """A model in its place: who answers, and how its answers are drawn."""

    model: ChatModel
    name: str
    """``base``, ``tuned``, or the name at an endpoint."""
    digest: str
    """A hash of its files, or what is known of its endpoint; answers are kept under it."""
    temperature: float = 0.7
    max_tokens: int = 1024
    seed: int | None = None


class Line:
    """One gate, one budget and one table of answers for all the models of an evaluation.

    Args:
        answers: What was answered before; nothing in it is asked again.
        options: Workers, pace, retries and the budget of calls.
        backoff_s: The longest first wait, and the longest of all.
    """

    def __init__(
        self,
        answers: Answers,
        options: JudgingOptions,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._answers = answers
        self._options = options
        self._backoff_s = backoff_s
        self._gate = Gate(options.requests_per_minute)
        self._room = asyncio.Semaphore(options.workers)
        self._is_stopped = False
        self._answered = self._lost_in_a_row = 0
        self.calls = 0
        """Requests sent, retries included."""
        self.recalled = 0
        """Answers that were kept from before."""
        self.over_budget = 0
        """Questions not asked because the budget of calls was spent."""
        self.lost = 0
        """Questions given up because the line failed."""
        self.last_fault = ""

    async def ask(
        self,
        seat: Seat,
        kind: Kind,
        messages: Sequence[Message],
        *,
        number: int = 0,
        as_json: bool = False,
    ) -> ChatReply:
        """The answer of a model, from the table or from the model; kept before this returns.

        Args:
            seat: Who is asked.
            kind: What the answer is for.
            messages: What it is asked.
            number: Tells a second try at the same question from the first.
            as_json: Whether the answer must be a JSON object, where the endpoint sees to it.

        Raises:
            NotAsked: The budget is spent, or this question's retries are.
            TeacherError: Asking cannot help, or nobody answers; a rerun asks only what is missing.
        """
        seed = None if seat.seed is None else seat.seed + number
        request = ChatRequest(
            messages=tuple(messages),
            temperature=seat.temperature,
            max_tokens=seat.max_tokens,
            seed=seed,
            as_json=as_json,
            number=number,
        )
        key = [seat.name, seat.digest, request]
        if (kept := _read(self._answers.get(kind, key))) is not None:
            self.recalled += 1
            return kept
        async with self._room:  # a question that backs off keeps its place
            reply = await self._persist(seat, request)
            self._answers.put(kind, key, reply.model_dump_json())
        return reply

    async def _persist(self, seat: Seat, request: ChatRequest) -> ChatReply:
        failures = 0
        while True:
            before = self._answered
            try:
                return await self._try(seat, request)
            except TransportFault as fault:
                # While others are answered, a 429 says that we are early, not that it is broken.
                if not ("429" in str(fault) and self._answered > before):
                    failures += 1
                if failures > self._options.transport_retries:
                    raise self._give_up(seat, fault) from fault
                await self._back_off(fault, max(0, failures - 1))

    async def _try(self, seat: Seat, request: ChatRequest) -> ChatReply:
        await self._gate.wait()
        if self._is_stopped:
            raise NotAsked("stopped")
        if self._options.max_calls is not None and self.calls >= self._options.max_calls:
            self.over_budget += 1
            raise NotAsked("budget")
        self.calls += 1
        try:
            reply = await seat.model.reply(request)
        except TeacherError:
            self._is_stopped = True  # what is in flight is waited for and kept; nothing is added
            raise
        self._answered += 1
        self._lost_in_a_row = 0
        return reply

    def _give_up(self, seat: Seat, fault: TransportFault) -> Exception:
        self._lost_in_a_row += 1
        self.lost += 1
        self.last_fault = f"{seat.name}: {fault}"
        if not self._answered or self._lost_in_a_row >= LOST_IN_A_ROW:
            self._is_stopped = True
            return TeacherError(
                f"{seat.name}: 답이 오지 않습니다(마지막: {fault}). 받은 답은 남아 있습니다. "
                "서버와 연결을 확인한 뒤 같은 명령을 다시 실행하세요. 남은 것만 묻습니다."
            )
        return NotAsked(str(fault))

    async def _back_off(self, fault: TransportFault, failures: int) -> None:
        if fault.retry_after_s is not None:
            self._gate.close_for(min(fault.retry_after_s, self._backoff_s[1]))
            return
        longest = min(self._backoff_s[0] * 2**failures, self._backoff_s[1])
        await asyncio.sleep(random.uniform(longest / 2, longest))


async def together(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Do all of it side by side; results in order.

    Every piece ends before an error of one is raised, so that answers under way are kept.
    """
    done = await asyncio.gather(*work, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return [one for one in done if not isinstance(one, BaseException)]


def _read(kept: str | None) -> ChatReply | None:
    """A kept answer; None where there is none, or one that another version wrote."""
    if kept is None:
        return None
    try:
        return ChatReply.model_validate_json(kept)
    except ValidationError:
        return None
