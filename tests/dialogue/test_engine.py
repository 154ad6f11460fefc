"""Every slot is filled with an accepted dialogue, whatever the line and the teacher do."""

import asyncio
import sqlite3
import time

import pytest

from exagirl.artifact import fingerprint
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatReply, ChatRequest
from exagirl.dialogue.engine import Desk, Engine
from exagirl.dialogue.gate import Gate
from exagirl.dialogue.journal import Address, open_journal
from exagirl.dialogue.mode import Script
from exagirl.dialogue.reader import InlineReader
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.voices import Voice, Voices
from exagirl.errors import ArtifactError, TeacherError
from exagirl.owners import at_work
from exagirl.persona.character import load_character
from exagirl.progress import Nobody
from support.chat_server import (
    ChatServer,
    cut_json,
    drops,
    in_turn,
    page,
    refuses,
    says,
    sends,
)
from support.teachers import GOOD, POLITE, WRONG_ORDER, accepted, fill, order, slots

LINE_FAULTS = {
    "429": refuses(429, retry_after_s=0.05),
    "429-without-a-time": refuses(429),
    "429-with-a-date": sends({}, 429, **{"Retry-After": "Wed, 21 Oct 2037 07:28:00 GMT"}),
    "500": refuses(500),
    "408": refuses(408),
    "dropped": drops(),
    "html": page(),
    "half-json": cut_json(),
    "no-choices": sends({"id": "1", "object": "chat.completion", "choices": []}),
    "no-message": sends({"choices": [{"index": 0, "finish_reason": "stop"}]}),
    "a-list": sends([]),
    "content-list": sends({"choices": [{"message": {"content": [{"text": "안녕"}]}}]}),
}
REJECTED = {
    "wrong-order": says(WRONG_ORDER),
    "speech.polite": says(POLITE),
    "cut-off": says(GOOD, finish_reason="length"),
    "no-dialogue": says(None),
    "text.broken": says("human1: 오늘 어때?\ngpt1: 좋아 \ud83d"),
}


def rows(folder, query):
    """What the journal of a folder holds."""
    connection = sqlite3.connect(folder / "journal.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def write_unread(folder, slot, content):
    """A reply that was paid for before the process died."""
    with open_journal(folder / "journal.sqlite", "teacher") as journal:
        address = Address(slot.key, fingerprint(["teacher", slot]))
        journal.write_reply(address, ChatReply(content=content), 0.1)


def test_every_slot_is_filled_in_slot_order(tmp_path):
    """Whichever worker is done first, dialogues stand in the order of the slots."""
    wanted = slots(7)
    with ChatServer(in_turn(says(GOOD))) as server:
        filled = fill(server.url, tmp_path, wanted, options=order(workers=4))
    assert [dialogue.id for dialogue in accepted(tmp_path, wanted)] == [slot.key for slot in wanted]
    assert filled.missing == ()


@pytest.mark.parametrize("fault", LINE_FAULTS.values(), ids=LINE_FAULTS.keys())
def test_a_fault_of_the_line_is_asked_again(tmp_path, fault):
    """What is no answer costs a try of the line, not the slot."""
    with ChatServer(in_turn(fault, says(GOOD))) as server:
        filled = fill(server.url, tmp_path, slots(1), options=order(rejected_retries=0))
    assert filled.accepted == 1
    assert len(server.asked) == 2


@pytest.mark.parametrize(("code", "reply"), REJECTED.items())
def test_a_rejected_reply_is_asked_again(tmp_path, code, reply):
    """A reply that fails a check is journalled with its code, and the slot stays open."""
    with ChatServer(in_turn(reply, says(GOOD))) as server:
        filled = fill(server.url, tmp_path, slots(1), options=order(transport_retries=0))
    assert filled.accepted == 1
    assert rows(tmp_path, "SELECT verdict FROM attempts ORDER BY id") == [(code,), ("accepted",)]


def test_the_quota_is_met_under_every_fault_at_once(tmp_path):
    """Each slot meets several faults, and each is filled in the end."""
    faults = [refuses(500), says(WRONG_ORDER), drops(), says(POLITE), refuses(429, "", 0.02)]
    with ChatServer(in_turn(*faults, says(GOOD))) as server:
        filled = fill(server.url, tmp_path, slots(6), options=order(workers=4))
    assert filled.accepted == 6
    assert len(server.asked) == 6 * 6


def test_the_second_request_says_what_was_wrong(tmp_path):
    """The checker's message goes back to the teacher."""
    with ChatServer(in_turn(says(POLITE), says(GOOD))) as server:
        fill(server.url, tmp_path, slots(1))
    message = rows(tmp_path, "SELECT message FROM attempts WHERE verdict = 'speech.polite'")[0][0]
    assert message.startswith("gpt1: ")
    assert message not in server.asked[0].user
    assert message in server.asked[1].user


def test_the_third_request_is_fresh(tmp_path):
    """A teacher that did not understand is asked as if for the first time."""
    with ChatServer(in_turn(says(POLITE), says(POLITE), says(GOOD))) as server:
        fill(server.url, tmp_path, slots(1))
    assert server.asked[2].body == server.asked[0].body


def test_a_fault_of_the_line_keeps_what_the_teacher_was_told(tmp_path):
    """After a dropped connection the same message is sent again."""
    with ChatServer(in_turn(says(POLITE), drops(), says(GOOD))) as server:
        fill(server.url, tmp_path, slots(1))
    assert server.asked[2].body == server.asked[1].body


def test_replies_are_journalled_untouched(tmp_path):
    """The raw text of a refused reply can be read after the run."""
    with ChatServer(in_turn(says(WRONG_ORDER), says(GOOD))) as server:
        fill(server.url, tmp_path, slots(1))
    assert rows(tmp_path, "SELECT raw FROM attempts ORDER BY id") == [(WRONG_ORDER,), (GOOD,)]


def test_tokens_are_journalled(tmp_path):
    """What was paid for stands beside each reply."""
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, slots(1))
    query = "SELECT prompt_tokens, completion_tokens FROM attempts"
    assert rows(tmp_path, query) == [(11, 22)]


@pytest.mark.parametrize("retries", [0, 2])
def test_a_slot_stays_open_when_its_rejections_are_spent(tmp_path, retries):
    """One reply, and as many more as the recipe says."""
    with ChatServer(in_turn(says(WRONG_ORDER))) as server:
        filled = fill(server.url, tmp_path, slots(1), options=order(rejected_retries=retries))
    assert filled.missing == (slots(1)[0].key,)
    assert len(server.asked) == 1 + retries


@pytest.mark.parametrize("retries", [0, 2])
def test_a_slot_stays_open_when_its_line_faults_are_spent(tmp_path, retries):
    """One try, and as many more as the recipe says; the other slot was answered."""
    wanted = slots(2)

    def script(asked):
        return says(GOOD) if wanted[0].phrase in asked.system else refuses(500)

    options = order(transport_retries=retries, workers=1)
    with ChatServer(script) as server:
        filled = fill(server.url, tmp_path, wanted, options=options)
    assert filled.missing == (wanted[1].key,)
    assert len(server.asked) == 2 + retries


def test_a_teacher_that_never_answers_ends_the_work(tmp_path):
    """Nobody waits for the budget of every slot; the last fault is told."""
    options = order(transport_retries=1, workers=1)
    with ChatServer(in_turn(refuses(500))) as server, pytest.raises(TeacherError, match="HTTP 500"):
        fill(server.url, tmp_path, slots(50), options=options)
    assert len(server.asked) == 2


def test_an_open_slot_does_not_stop_the_others(tmp_path):
    """One slot's spent budget is its own."""
    wanted = slots(3)

    def script(asked):
        return says(WRONG_ORDER if wanted[1].phrase in asked.system else GOOD)

    with ChatServer(script) as server:
        filled = fill(server.url, tmp_path, wanted)
    assert [dialogue.id for dialogue in accepted(tmp_path, wanted)] == [
        wanted[0].key,
        wanted[2].key,
    ]
    assert filled.missing == (wanted[1].key,)


def test_no_more_requests_at_once_than_workers(tmp_path):
    """The recipe's number of workers bounds what is under way."""
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, slots(9), options=order(workers=3))
    assert server.most_at_once <= 3


def test_accepted_slots_are_not_asked_again(tmp_path):
    """A second run takes every closed slot from the journal."""
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, slots(3))
        first = accepted(tmp_path, slots(3))
        fill(server.url, tmp_path, slots(5))
    assert accepted(tmp_path, slots(5))[:3] == first
    assert len(server.asked) == 5


def test_an_open_slot_is_asked_again_in_the_next_run(tmp_path):
    """Budgets are counted anew in every run."""
    with ChatServer(in_turn(says(WRONG_ORDER), says(GOOD))) as server:
        first = fill(server.url, tmp_path, slots(1), options=order(rejected_retries=0))
        again = fill(server.url, tmp_path, slots(1), options=order(rejected_retries=0))
    assert (first.accepted, again.accepted) == (0, 1)


def test_a_reply_without_verdict_is_judged_without_asking(tmp_path):
    """What was paid for before a kill is read first."""
    write_unread(tmp_path, slots(1)[0], GOOD)
    with ChatServer(in_turn(refuses(500))) as server:
        filled = fill(server.url, tmp_path, slots(1))
    assert filled.accepted == 1
    assert server.asked == []


def test_a_bad_reply_without_verdict_is_refused_and_asked_again(tmp_path):
    """A reply from before the kill is held to the same checks."""
    write_unread(tmp_path, slots(1)[0], WRONG_ORDER)
    with ChatServer(in_turn(says(GOOD))) as server:
        filled = fill(server.url, tmp_path, slots(1))
    assert filled.accepted == 1
    verdicts = rows(tmp_path, "SELECT verdict FROM attempts ORDER BY id")
    assert verdicts == [("wrong-order",), ("accepted",)]


def test_a_changed_prompt_is_asked_again(tmp_path):
    """A slot is known by its request, so a new scene needs a new dialogue."""
    slot = slots(1)[0]
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, [slot])
        fill(server.url, tmp_path, [slot.model_copy(update={"seed_line": "눈이 온다."})])
    assert len(server.asked) == 2


def test_a_changed_teacher_is_asked_again(tmp_path):
    """Another model's dialogues are not this model's."""
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, slots(1), order_name="one")
        fill(server.url, tmp_path, slots(1), order_name="other")
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_for_good_stops_at_once(tmp_path, status):
    """One message, and no more requests than workers."""
    with ChatServer(in_turn(refuses(status))) as server:
        with pytest.raises(TeacherError, match=str(status)):
            fill(server.url, tmp_path, slots(20), options=order(workers=3))
        assert len(server.asked) <= 3


def test_what_was_accepted_before_a_refusal_stays(tmp_path):
    """A key that runs out in the middle costs nothing that was paid for."""
    with ChatServer(lambda asked: says(GOOD) if asked.number <= 3 else refuses(401)) as server:
        with pytest.raises(TeacherError):
            fill(server.url, tmp_path, slots(6), options=order(workers=1))
        assert len(server.asked) == 4
    with ChatServer(in_turn(says(GOOD))) as server:
        filled = fill(server.url, tmp_path, slots(6), options=order(workers=1))
    assert filled.accepted == 6
    assert len(server.asked) == 3


def test_a_journal_that_breaks_in_the_middle_is_one_error(tmp_path):
    """The fault of the journal comes out as a message, not as a group of exceptions."""
    path = tmp_path / "journal.sqlite"

    class Breaker:
        """A teacher during whose answer somebody empties the journal."""

        async def reply(self, request: ChatRequest) -> ChatReply:
            connection = sqlite3.connect(path)
            connection.execute("DROP TABLE IF EXISTS attempts")
            connection.close()
            return ChatReply(content=GOOD)

    async def work():
        voice = Voice(Breaker(), TeacherOptions(), None)
        with open_journal(path) as journal, at_work(tmp_path) as owners:
            prompt = TeacherPrompt(load_character("exa"))
            desk = Desk(journal, owners, "")
            mode = Script(prompt)
            voices = Voices(voice, voice)
            engine = Engine(voices, mode, InlineReader(mode), prompt, desk, order())
            await engine.fill(slots(4), Nobody())

    with pytest.raises(ArtifactError, match="journal"):
        asyncio.run(work())


def test_a_shut_gate_holds_every_worker():
    """After a 429 nobody asks before the time is over."""

    async def work():
        gate = Gate()
        gate.close_for(0.05)
        shut = time.monotonic()
        await asyncio.gather(gate.wait(), gate.wait())
        return time.monotonic() - shut

    assert asyncio.run(work()) >= 0.05


def test_a_shorter_pause_does_not_open_the_gate_earlier():
    """The longest wait that any answer asked for counts."""

    async def work():
        gate = Gate()
        gate.close_for(0.1)
        shut = time.monotonic()
        gate.close_for(0.0)
        await gate.wait()
        return time.monotonic() - shut

    assert asyncio.run(work()) >= 0.09
