"""Simulated conversations are read again line by line, and no line changes its side."""

import pytest

from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.duplicates import Limits
from exagirl.dialogue.mode import Simulation
from exagirl.dialogue.reparse import Reread
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.persona.character import load_character
from support.chat_server import ChatServer, says
from support.modes import (
    CHARACTER_LINES,
    POLITE_LINE,
    Harsh,
    edit,
    journal_replies,
    line_at,
    reread,
    rows,
    said_in,
    stumbles,
    talk_slots,
    talks,
    verdicts,
)
from support.teachers import accepted, fill, order

LINES = [line_at(place) for place in range(4)]


def simulation(word=""):
    """The mode for conversations; given a word, one whose checks have become stricter."""
    plain = Simulation(TeacherPrompt(load_character("exa")))
    return Harsh(plain, word) if word else plain


def simulate(folder, wanted, script=talks, **more):
    """Let conversations be held."""
    with ChatServer(script) as server:
        return fill(server.url, folder, wanted, options=order(mode="simulation", **more))


def messages(folder):
    """Verdicts with their messages."""
    return rows(folder, "SELECT verdict, message FROM attempts ORDER BY id")


def test_a_finished_conversation_stays(tmp_path):
    """With the same checks nothing changes, refused lines in between included."""
    simulate(tmp_path, talk_slots(2), stumbles(1, says(POLITE_LINE)))
    before = rows(tmp_path, "SELECT id, verdict, message FROM attempts")
    dialogues = accepted(tmp_path, talk_slots(2))
    assert reread(tmp_path, talk_slots(2), simulated=True) == Reread(2, 0, 0)
    assert rows(tmp_path, "SELECT id, verdict, message FROM attempts") == before
    assert accepted(tmp_path, talk_slots(2)) == dialogues


@pytest.mark.parametrize("place", range(4))
def test_a_stricter_check_loses_it_and_the_old_check_wins_it_back(tmp_path, place):
    """Whichever line it finds fault with; the message names the line."""
    wanted = talk_slots(1)
    simulate(tmp_path, wanted)
    before = accepted(tmp_path, wanted)
    word = LINES[place].split()[0]
    assert reread(tmp_path, wanted, mode=simulation(word)) == Reread(0, 0, 1)
    label = f"{('human', 'gpt')[place % 2]}{place // 2 + 1}: "
    assert {(v, m.startswith(label)) for v, m in messages(tmp_path)} == {("word", True)}
    assert reread(tmp_path, wanted, simulated=True) == Reread(1, 1, 0)
    assert accepted(tmp_path, wanted) == before


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_line_that_was_replaced_does_not_come_back(tmp_path, place):
    """A refused line that would pass by now stays out: another one stands in its place."""
    wanted = talk_slots(1)
    simulate(tmp_path, wanted, stumbles(place, says("")))
    edit(tmp_path, f"UPDATE attempts SET raw = '그래, 그렇구나.' WHERE id = {place + 1}")
    assert reread(tmp_path, wanted, simulated=True) == Reread(1, 0, 0)
    assert [said_in(one) for one in accepted(tmp_path, wanted)] == [LINES]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_milder_check_lets_an_open_conversation_go_on(tmp_path, place):
    """The line that it stood at is kept; the next run asks for the lines after it."""
    wanted = talk_slots(1)
    simulate(tmp_path, wanted, stumbles(place, *[says("")] * 3), rejected_retries=2)
    edit(tmp_path, f"UPDATE attempts SET raw = '{LINES[place]}' WHERE id = {place + 2}")
    assert reread(tmp_path, wanted, simulated=True) == Reread(0, 0, 0)
    assert verdicts(tmp_path).count("kept") == place + 1
    with ChatServer(talks) as server:
        filled = fill(server.url, tmp_path, wanted, options=order(mode="simulation"))
    assert filled.accepted == 1
    assert len(server.asked) == 4 - (place + 1)
    assert [said_in(one) for one in accepted(tmp_path, wanted)] == [LINES]
    assert reread(tmp_path, wanted, simulated=True) == Reread(1, 0, 0)
    assert [said_in(one) for one in accepted(tmp_path, wanted)] == [LINES]


def test_a_milder_check_wins_a_slot_whose_last_line_was_refused(tmp_path):
    """The conversation is whole then."""
    wanted = talk_slots(1)
    simulate(tmp_path, wanted, stumbles(3, *[says(POLITE_LINE)] * 9), rejected_retries=1)
    edit(tmp_path, f"UPDATE attempts SET raw = '{LINES[3]}' WHERE id = 4")
    assert reread(tmp_path, wanted, simulated=True) == Reread(1, 1, 0)
    assert [said_in(one) for one in accepted(tmp_path, wanted)] == [LINES]


def test_a_stricter_check_takes_an_open_conversation_back_to_its_fault(tmp_path):
    """What was said before it is kept, what answered it is not."""
    wanted = talk_slots(1, turns=3)
    simulate(tmp_path, wanted, stumbles(5, says("")), rejected_retries=0)
    assert reread(tmp_path, wanted, mode=simulation(LINES[3].split()[0])) == Reread(0, 0, 0)
    assert verdicts(tmp_path) == ["kept", "kept", "kept", "word", "adrift", "adrift"]
    with ChatServer(talks) as server:
        fill(server.url, tmp_path, wanted, options=order(mode="simulation"))
    assert len(server.asked) == 3
    assert [said_in(one) for one in accepted(tmp_path, wanted)] == [
        [line_at(place) for place in range(6)]
    ]


def test_a_milder_likeness_wins_a_whole_conversation_back(tmp_path):
    """All its lines stood refused with it."""
    wanted = talk_slots(2)
    simulate(tmp_path, wanted[:1])
    simulate(tmp_path, wanted, near_dialogue=0.5, rejected_retries=1)
    assert verdicts(tmp_path)[4:] == ["near-dialogue"] * 8
    assert reread(tmp_path, wanted, simulated=True, limits=Limits(0.5, None)) == (1, 0, 0)
    assert verdicts(tmp_path)[4:] == ["near-dialogue"] * 8
    assert reread(tmp_path, wanted, simulated=True) == Reread(2, 1, 0)
    assert verdicts(tmp_path)[4:] == ["kept"] * 3 + ["accepted"] + ["spare"] * 4
    assert reread(tmp_path, wanted, simulated=True, limits=Limits(0.5, None)) == (1, 0, 1)


def test_of_two_conversations_the_accepted_one_stays(tmp_path):
    """Though the first one would pass by now."""
    wanted = talk_slots(2)
    simulate(tmp_path, wanted[:1])
    replies = iter([*LINES, *[line.replace("우산", "모자") for line in LINES]])
    longer = {LINES[2]: "아니, 오늘은 그냥 집에 있을까 봐", LINES[3]: CHARACTER_LINES[2]}
    second = [longer.get(line, line) for line in replies]
    answers = iter(second)
    simulate(tmp_path, wanted, lambda _: says(next(answers)), near_dialogue=0.9)
    before = accepted(tmp_path, wanted)
    kept = verdicts(tmp_path)
    assert len(before) == 2
    assert reread(tmp_path, wanted, simulated=True).won == 0
    assert accepted(tmp_path, wanted) == before
    assert [v for v in verdicts(tmp_path) if v == "kept"] == [v for v in kept if v == "kept"]


def test_a_line_that_was_cut_off_stays_refused(tmp_path):
    """The finish reason is journalled, too."""
    wanted = talk_slots(1)
    journal_replies(tmp_path, wanted[0], ChatReply(content=LINES[0], finish_reason="length"))
    assert reread(tmp_path, wanted, simulated=True) == Reread(0, 0, 0)
    assert verdicts(tmp_path) == ["cut-off"]


def test_every_reading_leaves_sides_as_they_were(tmp_path):
    """However often checks become stricter and milder, users' lines stay users'."""
    wanted = talk_slots(3, turns=3)
    simulate(tmp_path, wanted, stumbles(2, says(""), says("")))
    lines = [line_at(place) for place in range(6)]
    for line in [*lines, *lines[::-1]]:
        assert reread(tmp_path, wanted, mode=simulation(line.split()[0])).lost == 3
        assert reread(tmp_path, wanted, simulated=True).won == 3
        assert [said_in(one) for one in accepted(tmp_path, wanted)] == [lines] * 3
