"""A user and a character talk over a real line, and what they said is never asked for twice."""

import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from exagirl.dialogue.outputs import read_dialogues
from exagirl.dialogue.plan import plan_slots
from support.chat_server import ChatServer, drops, in_turn, refuses, says
from support.modes import (
    GENERATE,
    POLITE_LINE,
    as_argument,
    edit,
    exa_order,
    generate,
    is_user_asked,
    line_at,
    place_of,
    rows,
    said_in,
    stumbles,
    talk_slots,
    talks,
    verdicts,
)
from support.teachers import accepted, fill, order, teacher_at

TESTS = Path(__file__).parents[1]
LINES = [line_at(place) for place in range(4)]


def simulated(**more):
    """An order of simulated conversations."""
    return order(mode="simulation", **more)


def test_a_conversation_becomes_one_dialogue(tmp_path):
    """Line by line, from the user's first to the character's last."""
    wanted = talk_slots(1)
    with ChatServer(talks) as server:
        filled = fill(server.url, tmp_path, wanted, options=simulated())
    assert filled.accepted == 1
    assert [said_in(one) for one in accepted(tmp_path, wanted)] == [LINES]
    assert verdicts(tmp_path) == ["kept", "kept", "kept", "accepted"]


def test_user_and_character_are_asked_in_turn(tmp_path):
    """Each request knows one line more than the one before."""
    with ChatServer(talks) as server:
        fill(server.url, tmp_path, talk_slots(1, turns=3), options=simulated())
    assert [is_user_asked(asked) for asked in server.asked] == [True, False] * 3
    assert [place_of(asked) for asked in server.asked] == list(range(6))


def test_the_user_model_sees_swapped_roles(tmp_path):
    """What the user said stands as its own words, what the character said as the other's."""
    with ChatServer(talks) as server:
        fill(server.url, tmp_path, talk_slots(1), options=simulated())
    to_user, to_character = (server.asked[at].body["messages"] for at in (2, 3))
    assert [(m["role"], m["content"]) for m in to_user[2:]] == [
        ("assistant", LINES[0]),
        ("user", LINES[1]),
    ]
    assert [(m["role"], m["content"]) for m in to_character[1:]] == [
        ("user", LINES[0]),
        ("assistant", LINES[1]),
        ("user", LINES[2]),
    ]


def test_a_separate_user_teacher_is_asked_for_the_users_lines(tmp_path):
    """Each side goes to its own endpoint, under its own model's name."""
    with ChatServer(talks) as server, ChatServer(talks) as user_server:
        user = teacher_at(user_server.url, model="people")
        options = simulated(user_teacher=user)
        filled = fill(server.url, tmp_path, talk_slots(2), options=options)
    assert filled.accepted == 2
    assert {is_user_asked(asked) for asked in server.asked} == {False}
    assert {is_user_asked(asked) for asked in user_server.asked} == {True}
    assert len(server.asked) == len(user_server.asked) == 4
    assert {asked.body["model"] for asked in user_server.asked} == {"people"}


@pytest.mark.parametrize(
    ("place", "bad"), [(0, "{유저}야 뭐 해?"), (1, POLITE_LINE), (2, ""), (3, POLITE_LINE)]
)
def test_a_refused_line_is_asked_again_alone(tmp_path, place, bad):
    """The lines before it are kept, and the request says what was wrong."""
    wanted = talk_slots(1)
    with ChatServer(stumbles(place, says(bad))) as server:
        fill(server.url, tmp_path, wanted, options=simulated())
    assert [said_in(one) for one in accepted(tmp_path, wanted)] == [LINES]
    assert [place_of(asked) for asked in server.asked] == sorted([*range(4), place])
    refused = "SELECT message FROM attempts WHERE verdict NOT IN ('kept', 'accepted')"
    ((message,),) = rows(tmp_path, refused)
    assert message not in server.asked[place].user
    assert message in server.asked[place + 1].user


def test_the_second_retry_of_a_line_is_fresh(tmp_path):
    """A model that did not understand is asked as if for the first time."""
    script = stumbles(1, says(POLITE_LINE), says(POLITE_LINE))
    with ChatServer(script) as server:
        fill(server.url, tmp_path, talk_slots(1), options=simulated())
    assert server.asked[3].body == server.asked[1].body


def test_the_refusals_of_a_conversation_are_counted_together(tmp_path):
    """One budget a slot, however many lines it has."""
    with ChatServer(stumbles(3, *[says(POLITE_LINE)] * 9)) as server:
        options = simulated(rejected_retries=2)
        filled = fill(server.url, tmp_path, talk_slots(1), options=options)
    assert filled.missing == (talk_slots(1)[0].key,)
    assert len(server.asked) == 3 + 3


def test_an_open_conversation_goes_on_in_the_next_run(tmp_path):
    """What was kept is not asked for again."""
    wanted = talk_slots(1)
    options = simulated(rejected_retries=0)
    with ChatServer(stumbles(2, says(""))) as server:
        first = fill(server.url, tmp_path, wanted, options=options)
        again = fill(server.url, tmp_path, wanted, options=options)
    assert (first.accepted, again.accepted) == (0, 1)
    assert [place_of(asked) for asked in server.asked] == [0, 1, 2, 2, 3]
    assert [said_in(one) for one in accepted(tmp_path, wanted)] == [LINES]


def test_a_fault_of_the_line_costs_no_line(tmp_path):
    """A request that was dropped is sent again as it was."""
    with ChatServer(stumbles(2, drops(), refuses(500))) as server:
        filled = fill(server.url, tmp_path, talk_slots(1), options=simulated(rejected_retries=0))
    assert filled.accepted == 1
    assert server.asked[2].body == server.asked[3].body == server.asked[4].body


def test_a_conversation_that_is_too_near_to_another_begins_anew(tmp_path):
    """None of its lines is kept; the next one starts from the user's first line."""
    options = simulated(near_dialogue=0.5, rejected_retries=1)
    with ChatServer(talks) as server:
        fill(server.url, tmp_path, talk_slots(1), options=options)
        filled = fill(server.url, tmp_path, talk_slots(2), options=options)
    assert filled.accepted == 1
    assert verdicts(tmp_path) == ["kept"] * 3 + ["accepted"] + ["near-dialogue"] * 8
    assert [place_of(asked) for asked in server.asked] == [*range(4)] * 3
    assert "닮았다" in server.asked[8].user


def test_many_conversations_go_on_at_once(tmp_path):
    """Each keeps its own lines; every one ends in its own dialogue."""
    wanted = talk_slots(12, turns=3)
    with ChatServer(talks) as server:
        filled = fill(server.url, tmp_path, wanted, options=simulated(workers=6))
    assert filled.accepted == 12
    assert len(server.asked) == 12 * 6
    assert [one.id for one in accepted(tmp_path, wanted)] == [slot.key for slot in wanted]
    assert {tuple(said_in(one)) for one in accepted(tmp_path, wanted)} == {
        tuple(line_at(place) for place in range(6))
    }
    assert server.most_at_once <= 6


def test_conversations_do_not_wait_for_each_other(tmp_path):
    """While one waits for its second line, another is finished."""
    wanted = talk_slots(2)
    others_done = Event()

    def script(asked):
        if wanted[0].phrase in asked.system and place_of(asked) == 1:
            others_done.wait(60)
        if wanted[1].phrase in asked.system and place_of(asked) == 3:
            others_done.set()
        return talks(asked)

    with ChatServer(script) as server:
        filled = fill(server.url, tmp_path, wanted, options=simulated(workers=2))
    assert others_done.is_set()
    assert filled.accepted == 2


@pytest.mark.parametrize("mode", ["script", "simulation"])
def test_both_modes_leave_the_same_record(tmp_path, mode):
    """What reads dialogues need not know how they came about."""
    labels = [f"{('human', 'gpt')[at % 2]}{at // 2 + 1}: {line}" for at, line in enumerate(LINES)]
    script = talks if mode == "simulation" else in_turn(says("\n".join(labels)))
    with ChatServer(script) as server:
        fill(server.url, tmp_path, talk_slots(1), options=order(mode=mode))
    (found,) = accepted(tmp_path, talk_slots(1))
    assert found.model_dump() == {
        "id": "exa-data/daily/0000",
        "subset": "exa-data",
        "topic": "daily",
        "character": "엑사",
        "turns": tuple(
            {"role": ("user", "assistant")[at % 2], "content": line}
            for at, line in enumerate(LINES)
        ),
        "meta": {"phrase": "0번째 이야기"},
    }


def test_a_killed_conversation_resumes_at_its_next_line(tmp_path, monkeypatch):
    """After SIGKILL no kept line is asked for again; only what was in flight is."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    subsets = {"exa-data": {"plan": "exa", "dialogues": 4}}
    options = simulated(subsets=subsets, turns=[3, 3], workers=2)
    may_go_on, are_stuck = Event(), Event()

    def script(asked):
        if asked.number >= 10:
            are_stuck.set()
        if asked.number >= 9:
            may_go_on.wait(60)
        return talks(asked)

    with ChatServer(script) as server:
        ordered = exa_order(teacher_at(server.url), options)
        process = subprocess.Popen(
            [sys.executable, "-c", GENERATE, as_argument(ordered), str(tmp_path)]
        )
        were_stuck = are_stuck.wait(60)
        process.kill()
        ended = process.wait()
        may_go_on.set()
        assert were_stuck
        assert ended == -signal.SIGKILL
        generate(tmp_path, ordered)
    found = read_dialogues(tmp_path, "exa-data")
    assert [one.id for one in found] == [slot.key for slot in plan_slots(options, seed=7)]
    assert all(said_in(one) == [line_at(place) for place in range(6)] for one in found)
    # Eight lines were answered before the kill, two requests were under way.
    assert len(server.asked) == 4 * 6 + 2


def test_a_line_that_was_paid_for_and_not_read_is_read_first(tmp_path):
    """A process that died between the answer and the check asks nobody for that line."""
    wanted = talk_slots(1)
    with ChatServer(stumbles(2, says(""))) as server:
        options = simulated(rejected_retries=0)
        fill(server.url, tmp_path, wanted, options=options)
        before = len(server.asked)
        # As it stands right after the answer was written down.
        edit(tmp_path, f"UPDATE attempts SET verdict = NULL, raw = '{LINES[2]}' WHERE id = 3")
        filled = fill(server.url, tmp_path, wanted, options=options)
    assert filled.accepted == 1
    assert len(server.asked) - before == 1
    assert [said_in(one) for one in accepted(tmp_path, wanted)] == [LINES]
