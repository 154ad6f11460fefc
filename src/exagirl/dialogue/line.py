"""One request over a line that may fail: paced, paid for, journalled, tried again."""

from __future__ import annotations

import asyncio
import random
import time
from typing import NamedTuple

from exagirl.chatmodel.protocol import ChatReply, ChatRequest, Message, TransportFault
from exagirl.dialogue.gate import Gate
from exagirl.dialogue.journal import Address, Journal
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.purse import Purse
from exagirl.dialogue.voices import Voice, prompt_tokens
from exagirl.errors import TeacherError

BACKOFF_S = (1.0, 60.0)
"""The longest wait after the first transport fault and after any; it doubles in between."""
LOST_IN_A_ROW = 3
"""Requests given up one after the other, with no answer between, before the run stops."""
TOO_MANY = 429


class Halted(Exception):  # noqa: N818 (a state of the run, not a fault)
    """The run stops: nothing more is asked."""


class LineLost(Exception):  # noqa: N818 (a state of the line)
    """A request was tried as often as the recipe says and never answered."""


class Answered(NamedTuple):
    """A reply with its number in the journal."""

    attempt: int
    reply: ChatReply
    dollars: float


class Line:
    """What every request of a run goes through.

    Args:
        journal: Where replies are written down.
        options: The budgets.
        backoff_s: The longest first wait, and the longest of all.
    """

    def __init__(
        self,
        journal: Journal,
        options: GenerationOptions,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._journal = journal
        self._options = options
        self._backoff_s = backoff_s
        self._gate = Gate(options.requests_per_minute, options.tokens_per_minute, self.pause)
        self._purse = Purse(journal.spent(), options.max_attempts, options.max_dollars)
        self._room = asyncio.Semaphore(options.workers)
        self._stopping = asyncio.Event()
        self._answers = 0
        self._lost_in_a_row = 0
        self.why_stopped = ""
        self.in_flight = 0

    def stop(self, why: str) -> None:
        """Ask nothing more; what is in flight is still waited for."""
        self.why_stopped = self.why_stopped or why
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """True once the run was told to stop."""
        return self._stopping.is_set()

    async def pause(self, seconds: float) -> bool:
        """Wait, but not longer than the run goes on; True where it was stopped."""
        try:
            return await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False

    async def ask(self, voice: Voice, request: ChatRequest, address: Address) -> Answered:
        """Send one request, through transport faults, and write the reply down.

        Raises:
            Halted: The run stops, or a budget is spent.
            LineLost: The transport budget of this request is spent.
            TeacherError: Asking cannot help, or nobody answers at all.
        """
        failures = 0
        async with self._room:  # a request that backs off keeps its place
            while True:
                before = self._answers
                try:
                    return await self._try(voice, request, address)
                except TransportFault as fault:
                    # While others are answered, a 429 says that we are early, not that it is
                    # broken.
                    if not (_is_too_many(fault) and self._answers > before):
                        failures += 1
                    if failures > self._options.transport_retries:
                        raise self._lost(fault) from fault
                    await self._back_off(fault, max(0, failures - 1))

    async def _try(self, voice: Voice, request: ChatRequest, address: Address) -> Answered:
        """Send a request once, when there is pace and money for it."""
        expected = self._expected_tokens(request)
        most = voice.price.most(expected, request.max_tokens) if voice.price else 0.0
        await self._gate.wait(expected + request.max_tokens)
        await self._reserve(most)
        started = time.monotonic()
        try:
            reply = await self._send(voice, request)
        except BaseException:
            await self._purse.give_back(most)
            raise
        counted = self._counted(reply, expected)
        dollars = voice.price.of(counted) if voice.price else 0.0
        attempt = self._journal.write_reply(address, reply, time.monotonic() - started, dollars)
        await self._purse.pay(most, dollars)
        self._answers += 1
        self._lost_in_a_row = 0
        used = counted.prompt_tokens + counted.completion_tokens
        self._gate.settle(expected + request.max_tokens, used)
        return Answered(attempt, reply, dollars)

    async def _reserve(self, most: float) -> None:
        if self._stopping.is_set():
            raise Halted
        if not await self._purse.reserve(most):
            self.stop("budget")
            raise Halted
        if self._stopping.is_set():  # stopped while it waited; others wait for what it was given
            await self._purse.give_back(most)
            raise Halted

    async def _send(self, voice: Voice, request: ChatRequest) -> ChatReply:
        self.in_flight += 1
        try:
            return await voice.model.reply(request)
        except TeacherError:
            self.stop("refused")  # before anybody else takes the room that this leaves
            raise
        finally:
            self.in_flight -= 1

    @property
    def _is_counting(self) -> bool:
        return bool(self._options.tokens_per_minute or self._options.max_dollars)

    def _expected_tokens(self, request: ChatRequest) -> int:
        return prompt_tokens(request.messages) if self._is_counting else 0

    def _counted(self, reply: ChatReply, expected: int) -> ChatReply:
        """A reply with its tokens; an endpoint that tells none is held to our estimate."""
        if not self._is_counting or reply.prompt_tokens or reply.completion_tokens:
            return reply
        said = prompt_tokens((Message(role="assistant", content=reply.content),))
        return reply.model_copy(update={"prompt_tokens": expected, "completion_tokens": said})

    def _lost(self, fault: TransportFault) -> Exception:
        self._lost_in_a_row += 1
        if not self._answers:
            return TeacherError(
                f"교사가 한 번도 답하지 않았습니다(마지막: {fault}). 서버가 켜져 있는지, "
                "teacher.base_url과 인터넷 연결을 확인하세요."
            )
        if self._lost_in_a_row >= LOST_IN_A_ROW:
            return TeacherError(
                f"교사가 답을 멈췄습니다(마지막: {fault}). 받은 대화는 저널에 남아 있습니다. "
                "연결이 돌아오면 같은 명령을 다시 실행하세요. 남은 것만 묻습니다."
            )
        return LineLost(str(fault))

    async def _back_off(self, fault: TransportFault, failures: int) -> None:
        if fault.retry_after_s is not None:
            self._gate.close_for(min(fault.retry_after_s, self._backoff_s[1]))
            return
        longest = min(self._backoff_s[0] * 2**failures, self._backoff_s[1])
        await self.pause(random.uniform(longest / 2, longest))


def _is_too_many(fault: TransportFault) -> bool:
    return str(TOO_MANY) in str(fault)
