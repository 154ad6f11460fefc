"""Reading replies: in this process, or in one beside it.

Kiwi takes seconds to load, and checking a dialogue takes longer than asking for it; both would hold
up every request in flight. So a large order is read in a process of its own, which speaks JSON
lines over pipes and ends with this process, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.check import Rejection
from exagirl.dialogue.mode import Kept, Mode, Outcome
from exagirl.dialogue.order import Order
from exagirl.dialogue.records import Dialogue, Slot
from exagirl.korean.analyser import analyser

LARGE_ORDER = 200
"""Slots from which a process of its own is worth its start of some four seconds."""
# Reading can wait, requests in flight cannot: it is nice before it imports anything.
START = """
import os
getattr(os, "nice", int)(19)
from exagirl.dialogue.reader import main
main()
"""
_LINE_BYTES = 16_000_000


class Reader(Protocol):
    """Reads replies without asking or writing anything."""

    async def read(self, slot: Slot, said: Sequence[str], reply: ChatReply) -> Outcome:
        """What `Mode.read` says of a reply."""


class InlineReader:
    """Reads in this process; the analyser loads in a thread while the first requests wait."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._loading = asyncio.create_task(asyncio.to_thread(analyser))

    async def read(self, slot: Slot, said: Sequence[str], reply: ChatReply) -> Outcome:
        """What `Mode.read` says of a reply."""
        await self._loading
        return self._mode.read(slot, said, reply)


class ReaderProcess:
    """Reads in another process; should that one die, reading goes on in this one."""

    def __init__(self, process: asyncio.subprocess.Process, order: Order, mode: Mode) -> None:
        self._process = process
        self._mode = mode
        self._asked: dict[int, asyncio.Future[Outcome | None]] = {}
        self._number = 0
        self._send(_as_json(order))
        self._listening = asyncio.create_task(self._listen())

    async def read(self, slot: Slot, said: Sequence[str], reply: ChatReply) -> Outcome:
        """What `Mode.read` says of a reply."""
        if self._listening.done():
            return self._mode.read(slot, said, reply)
        self._number += 1
        answer: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._asked[self._number] = answer
        question = {
            "number": self._number,
            "slot": slot.model_dump(),
            "said": list(said),
            "reply": reply.model_dump(),
        }
        self._send(question)
        outcome = await answer
        return self._mode.read(slot, said, reply) if outcome is None else outcome

    def _send(self, value: Any) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(value).encode() + b"\n")

    async def _listen(self) -> None:
        stream = self._process.stdout
        try:
            while stream is not None and (line := await stream.readline()):
                row = json.loads(line)
                answer = self._asked.pop(row["number"])
                if not answer.done():
                    answer.set_result(_outcome(row))
        finally:
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_result(None)
            self._asked.clear()

    async def close(self) -> None:
        """End the other process."""
        self._listening.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def open_reader(order: Order, mode: Mode, slots: int) -> AsyncIterator[Reader]:
    """A reader for so many slots."""
    if slots < LARGE_ORDER:
        yield InlineReader(mode)
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        START,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    reader = ReaderProcess(process, order, mode)
    try:
        yield reader
    finally:
        await reader.close()


def _as_json(order: Order) -> dict[str, Any]:
    return {name: _plain(value) for name, value in order._asdict().items()}


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _outcome(row: dict[str, Any]) -> Outcome:
    kind, value = row["kind"], row["value"]
    if kind == "kept":
        return Kept(value)
    return (Dialogue if kind == "dialogue" else Rejection).model_validate(value)


def main() -> None:
    """Read orders and replies from the standard input until it ends."""
    # Ctrl-C reaches the whole group; when to end is for the process that asks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = Order.from_json(json.loads(sys.stdin.readline()))
    mode = order.mode(order.prompt())
    analyser()
    for line in sys.stdin:
        row = json.loads(line)
        outcome = mode.read(
            Slot.model_validate(row["slot"]), row["said"], ChatReply.model_validate(row["reply"])
        )
        if isinstance(outcome, Kept):
            told: dict[str, Any] = {"kind": "kept", "value": outcome.content}
        else:
            kind = "dialogue" if isinstance(outcome, Dialogue) else "rejection"
            told = {"kind": kind, "value": outcome.model_dump()}
        _answer({"number": row["number"], **told})


def _answer(row: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # whoever asked is no more, and there is nobody to tell
        os._exit(0)
