"""Slots are shared between workers and processes, and only what is new and good closes one."""

import asyncio
import sqlite3

import pytest

from exagirl.artifact import fingerprint
from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.duplicates import Limits, fingers_of
from exagirl.dialogue.journal import Address, open_journal
from exagirl.dialogue.reader import InlineReader
from exagirl.dialogue.records import Dialogue
from exagirl.dialogue.tally import LEAST_SEEN
from exagirl.dialogue.transcript import parse_transcript
from exagirl.owners import at_work
from exagirl.progress import Nobody
from support.chat_server import ChatServer, in_turn, says
from support.teachers import (
    GOOD,
    WRONG_ORDER,
    accepted,
    engine_at,
    fill,
    order,
    slots,
)

NEW = (
    "human1: 저녁에 뭐 해 먹지\n"
    "gpt1: *냉장고를 열어 본다* 두부랑 김치가 있네. 찌개 끓이자.\n"
    "human2: 밥은 내가 할게\n"
    "gpt2: 좋아, 그럼 나는 파부터 썰게. *앞치마를 두른다*"
)
SAME_OPENING = (
    "human1: 내일 시험인데 하나도 못 했어\n"
    "gpt1: *의자를 당겨 앉으며* 괜찮아, 제일 자신 없는 데부터 같이 보자.\n"
    "human2: 수학\n"
    "gpt2: 그럼 지난번에 틀린 문제만 풀자. *연필을 건넨다*"
)
OTHER_REST = (
    "human1: 내일 시험인데 하나도 못 했어!\n"
    "gpt1: 에이, 저번에도 그러더니 잘만 봤잖아. *웃으며 어깨를 두드린다*\n"
    "human2: 이번엔 진짜야\n"
    "gpt2: 알았어, 커피 한 잔 타 올 테니까 그동안 목차만 훑어봐."
)


def close(folder, slot, content):
    """Accept a dialogue for a slot, as another process would."""
    turns = tuple(parse_transcript(content))
    with open_journal(folder / "journal.sqlite", "teacher") as journal:
        address = Address(slot.key, fingerprint(["teacher", slot]))
        attempt = journal.write_reply(address, ChatReply(content=content), 0.1)
        facts = {"subset": slot.subset, "topic": slot.topic, "character": "엑사"}
        found = Dialogue(id=slot.key, turns=turns, **facts)
        journal.accept(address, attempt, found, fingers_of(turns), Limits(None, None))


def claim(folder, slot, owner):
    """Take a slot in the name of a process."""
    with open_journal(folder / "journal.sqlite", "teacher") as journal:
        assert journal.claim(slot.key, fingerprint(["teacher", slot]), owner) == owner


def test_a_reply_is_on_disk_before_it_is_read(tmp_path):
    """Whoever opens the journal while a reply is being read finds it there, without a verdict."""
    found = []

    class Onlooker(InlineReader):
        """Looks into the journal over a connection of its own, then reads."""

        async def read(self, slot, said, reply):
            other = sqlite3.connect(tmp_path / "journal.sqlite")
            query = "SELECT raw, verdict FROM attempts WHERE slot = ?"
            found.append(other.execute(query, (slot.key,)).fetchall())
            other.close()
            return await super().read(slot, said, reply)

    async def work(url):
        async with engine_at(url, tmp_path, reader=Onlooker) as engine:
            await engine.fill(slots(2), Nobody())

    with ChatServer(in_turn(says(GOOD))) as server:
        asyncio.run(work(server.url))
    assert found == [[(GOOD, None)]] * 2


@pytest.mark.parametrize(
    ("code", "first", "like"),
    [("near-dialogue", GOOD, GOOD), ("near-opening", SAME_OPENING, OTHER_REST)],
)
def test_what_is_nearly_the_same_is_refused_and_asked_again(tmp_path, code, first, like):
    """The teacher is told, and what it writes then is taken."""
    one, other = slots(2)
    close(tmp_path, one, first)
    options = order(near_dialogue=0.5, near_opening=0.7)
    with ChatServer(in_turn(says(like), says(NEW))) as server:
        filled = fill(server.url, tmp_path, [one, other], options=options)
        assert len(server.asked) == 2
        assert "닮았다" in server.asked[1].user
    assert filled.missing == ()
    assert [d.turns for d in accepted(tmp_path, [one, other])] == [
        *(tuple(parse_transcript(first)), tuple(parse_transcript(NEW)))
    ]
    with open_journal(tmp_path / "journal.sqlite") as journal:
        verdicts = journal.attempts(other.key, fingerprint(["teacher", other]))
    assert [attempt.verdict for attempt in verdicts] == [code, "accepted"]


def test_a_slot_that_a_living_process_works_on_is_waited_for(tmp_path):
    """When it was filled there, nobody is asked here, and this run knows it as filled."""
    one, other = slots(2)

    async def work(url):
        with at_work(tmp_path) as elsewhere:
            claim(tmp_path, one, elsewhere.name)
            async with engine_at(url, tmp_path) as engine:
                filling = asyncio.create_task(engine.fill([one, other], Nobody()))
                while not accepted(tmp_path, [other]):
                    await asyncio.sleep(0.01)
                assert not filling.done()
                close(tmp_path, one, NEW)
                with open_journal(tmp_path / "journal.sqlite") as journal:
                    journal.release_all(elsewhere.name)
                return await filling

    with ChatServer(in_turn(says(GOOD))) as server:
        filled = asyncio.run(work(server.url))
        assert len(server.asked) == 1
    assert (filled.accepted, filled.missing) == (2, ())


def test_a_slot_that_a_living_process_gave_up_is_taken_over(tmp_path):
    """What came to nothing there is asked for here."""
    (one,) = slots(1)

    async def work(url):
        with at_work(tmp_path) as elsewhere:
            claim(tmp_path, one, elsewhere.name)
            async with engine_at(url, tmp_path) as engine:
                filling = asyncio.create_task(engine.fill([one], Nobody()))
                await asyncio.sleep(0.1)
                assert server.asked == []
                with open_journal(tmp_path / "journal.sqlite") as journal:
                    journal.release_all(elsewhere.name)
                return await filling

    with ChatServer(in_turn(says(GOOD))) as server:
        assert asyncio.run(work(server.url)).accepted == 1


def test_slots_of_a_dead_process_are_taken_over(tmp_path):
    """All of them, at once."""
    for slot in slots(3):
        claim(tmp_path, slot, "0" * 32)
    with ChatServer(in_turn(says(GOOD))) as server:
        assert fill(server.url, tmp_path, slots(3)).missing == ()


def test_no_claim_is_left_when_the_work_is_done(tmp_path):
    """Neither of filled slots nor of open ones."""
    with ChatServer(lambda asked: says(GOOD if asked.number % 2 else WRONG_ORDER)) as server:
        fill(server.url, tmp_path, slots(6), options=order(rejected_retries=0))
    with open_journal(tmp_path / "journal.sqlite") as journal:
        assert journal.connection.execute("SELECT * FROM claims").fetchall() == []


@pytest.mark.parametrize("min_yield", [0.1, 0.0])
def test_a_topic_that_yields_too_little_stops_the_run_early(tmp_path, min_yield):
    """Once enough replies were refused nobody is asked any more; a recipe may turn that off."""
    options = order(workers=4, rejected_retries=0, min_yield=min_yield)
    with ChatServer(in_turn(says(WRONG_ORDER))) as server:
        filled = fill(server.url, tmp_path, slots(120), options=options)
        asked = len(server.asked)
    assert filled.why_stopped == ("yield:daily" if min_yield else "")
    assert LEAST_SEEN <= asked < 120 if min_yield else asked == 120


def test_a_reader_that_fails_is_one_error(tmp_path):
    """What goes wrong in one worker ends the others, and comes out as it is."""

    class Broken(InlineReader):
        """Reads nothing."""

        async def read(self, slot, said, reply):
            raise RuntimeError("읽지 못함")

    async def work(url):
        async with engine_at(url, tmp_path, reader=Broken) as engine:
            await engine.fill(slots(4), Nobody())

    with ChatServer(in_turn(says(GOOD))) as server, pytest.raises(RuntimeError, match="읽지"):
        asyncio.run(work(server.url))
