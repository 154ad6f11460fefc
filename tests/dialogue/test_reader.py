"""Replies are read beside the run; the reader's life is the run's, and its death no loss."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.corpus import read_subset
from exagirl.dialogue.mode import Kept
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.order import Order
from exagirl.dialogue.outputs import read_dialogues
from exagirl.dialogue.reader import LARGE_ORDER, START, InlineReader, ReaderProcess, open_reader
from exagirl.dialogue.records import Dialogue, Slot
from exagirl.dialogue.transcript import format_transcript
from exagirl.persona.character import builtin_names, load_character
from support.chat_server import ChatServer, in_turn, says
from support.modes import POLITE_LINE, as_argument, exa_order, generate, line_at
from support.teachers import GOOD, POLITE, WRONG_ORDER, order, teacher_at

TESTS = Path(__file__).parents[1]
PIPE = asyncio.subprocess.PIPE
OPENAI = TeacherOptions(kind="openai", model="tiny")
SLOT = Slot(subset="exa-data", topic="daily", index=0, phrase="이야기", turns=2)
SHIPPED = [one for topic in read_subset("exa-data").values() for one in topic][:40]
SCRIPTS = (
    *(GOOD, POLITE, WRONG_ORDER, "", "미안해요.", GOOD + "\nhuman3: 응"),
    *(
        "human1: 안녕\r\ngpt1: {이름} 왔어?",
        "human1: 오늘\ngpt1: 좋아 \ud83d",
        "😀" * 9,
        "\u2028\x85",
    ),
    *(format_transcript(one.turns) for one in SHIPPED),
)
LINES = (line_at(0), POLITE_LINE, "", "gpt1: 응, 그래.", "[이름]아, 왔어?", "첫 줄\u2028둘째 줄")

RUN = """
import asyncio, sys
from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.reader import LARGE_ORDER, open_reader
from exagirl.dialogue.records import Slot
from support.modes import order_from

async def work():
    order = order_from(sys.argv[1])
    slot = Slot(subset="exa-data", topic="daily", index=0, phrase="이야기", turns=2)
    async with open_reader(order, order.mode(order.prompt()), LARGE_ORDER) as reader:
        await reader.read(slot, (), ChatReply(content="안녕"))
        print("read", flush=True)
        busy = [reader.read(slot, (), ChatReply(content=sys.argv[2])) for _ in range(300)]
        await asyncio.gather(*busy)
        await asyncio.sleep(600)

asyncio.run(work())
"""


def outcomes(mode, ordered, replies, *, beside):
    """What a reader says of replies: one in this process, or one beside it."""

    async def work():
        count = LARGE_ORDER if beside else LARGE_ORDER - 1
        async with open_reader(ordered, mode, count) as reader:
            assert isinstance(reader, ReaderProcess if beside else InlineReader)
            asked = (reader.read(slot, said, reply) for slot, said, reply in replies)
            return await asyncio.gather(*asked)

    return asyncio.run(work())


@pytest.mark.parametrize("how", ["script", "json", "simulation"])
def test_a_reader_beside_the_run_says_the_same(how):
    """Of good, faulty and hostile replies, in their order, whichever answer comes first."""
    mode_name = "simulation" if how == "simulation" else "script"
    teacher = OPENAI.model_copy(update={"output": "json" if how == "json" else "transcript"})
    ordered = exa_order(teacher, order(mode=mode_name, few_shots=2))
    texts = list(LINES if how == "simulation" else SCRIPTS)
    if how == "json":
        rows = [{"human": line_at(0), "gpt": line_at(1)}] * 2
        texts += [json.dumps({"turns": rows}), '{"turns": [{"human": "\\ud83d", "gpt": "응"}]}']
    said = [(), (line_at(0),)] if how == "simulation" else [()]
    slots = [SLOT, SLOT.model_copy(update={"turns": 5, "persona": "gf-03"})]
    ends = ["stop", "length"]
    replies = [
        (slot, before, ChatReply(content=text, finish_reason=end))
        for slot in slots for before in said for text in texts for end in ends
    ]  # fmt: skip
    mode = ordered.mode(ordered.prompt())
    inline = outcomes(mode, ordered, replies, beside=False)
    assert outcomes(mode, ordered, replies, beside=True) == inline
    assert len({type(one) for one in inline}) == 2
    assert len({getattr(one, "code", "") for one in inline}) > 4


@pytest.mark.parametrize("name", builtin_names())
def test_an_order_comes_over_the_pipe_as_it_is(name):
    """Character, teacher, options and seed; so does the name that the journal knows it by."""
    options = GenerationOptions.model_validate(
        {
            "subsets": {"a": {"plan": "exa"}, "b": {"plan": "gf-persona", "dialogues": 3}},
            "judge": {"teacher": {"kind": "local", "model": "x"}},
            "user_teacher": {"kind": "openai", "model": "y", "price": {"input": 1, "output": 2}},
        }
    )
    ordered = Order(load_character(name), OPENAI, options, 11)
    facts = {
        field: value.model_dump(mode="json") if field != "seed" else value
        for field, value in ordered._asdict().items()
    }
    read = Order.from_json(json.loads(json.dumps(facts)))
    assert read == ordered
    assert read.name(read.prompt()) == ordered.name(ordered.prompt())


def test_a_large_order_is_read_beside_the_run(tmp_path):
    """The whole way: the dialogues are those that were said."""
    subsets = {"exa-data": {"plan": "exa", "dialogues": LARGE_ORDER}}
    options = order(subsets=subsets, workers=16, min_yield=0)
    with ChatServer(in_turn(says(POLITE), says(GOOD))) as server:
        generate(tmp_path, exa_order(teacher_at(server.url), options))
    found = read_dialogues(tmp_path, "exa-data")
    assert len(found) == LARGE_ORDER
    assert {format_transcript(one.turns) for one in found} == {GOOD}
    assert len(server.asked) == 2 * LARGE_ORDER


def test_when_the_reader_is_killed_reading_goes_on_inline():
    """Replies that were with it are read here, and so are all that follow."""
    ordered = exa_order(OPENAI, order())
    mode = ordered.mode(ordered.prompt())

    async def work():
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            START,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        reader = ReaderProcess(process, ordered, mode)
        try:
            before = await reader.read(SLOT, (), ChatReply(content=GOOD))
            under_way = [
                asyncio.create_task(reader.read(SLOT, (), ChatReply(content=GOOD)))
                for _ in range(200)
            ]
            await asyncio.sleep(0)
            process.kill()
            found = await asyncio.gather(*under_way)
            await process.wait()
            after = await reader.read(SLOT, (), ChatReply(content=POLITE))
        finally:
            await reader.close()
        return before, found, after

    before, found, after = asyncio.run(work())
    assert isinstance(before, Dialogue)
    assert found == [before] * 200
    assert after == mode.read(SLOT, (), ChatReply(content=POLITE))


def test_a_reader_that_never_came_up_is_no_loss():
    """A process that ends before it read anything leaves all to this one."""
    ordered = exa_order(OPENAI, order(mode="simulation"))
    mode = ordered.mode(ordered.prompt())

    async def work():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "", stdin=PIPE, stdout=PIPE
        )
        reader = ReaderProcess(process, ordered, mode)
        try:
            return [await reader.read(SLOT, (), ChatReply(content="안녕")) for _ in range(3)]
        finally:
            await reader.close()

    assert asyncio.run(work()) == [Kept("안녕")] * 3


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_the_reader_ends_with_the_run(tmp_path, monkeypatch, is_busy):
    """After SIGKILL of the run nothing is left behind, and nothing is said about it."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    ordered = exa_order(OPENAI, order())
    text = SCRIPTS[-1] if is_busy else "응"
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, as_argument(ordered), text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"read\n"
    process.kill()
    # Both processes hold the pipe of the errors; it ends when the last of them has.
    _, errors = process.communicate(timeout=60)
    assert errors == b""


def test_a_reader_is_gone_when_its_block_ends():
    """Whatever it was doing."""
    ordered = exa_order(OPENAI, order())
    mode = ordered.mode(ordered.prompt())

    async def work():
        async with open_reader(ordered, mode, LARGE_ORDER) as reader:
            waiting = asyncio.create_task(reader.read(SLOT, (), ChatReply(content=GOOD)))
            await asyncio.sleep(0)
        return await waiting

    assert isinstance(asyncio.run(asyncio.wait_for(work(), 60)), Dialogue)
