"""A reply becomes a dialogue, a line, or a refusal with a code; nothing is asked or written."""

import json

import pytest

from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.corpus import read_subset
from exagirl.dialogue.mode import CUT_OFF, REFUSED, Kept, Script, Simulation
from exagirl.dialogue.records import Dialogue, Slot
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.transcript import format_transcript
from exagirl.persona.character import load_character
from support.modes import CHARACTER_LINES, POLITE_LINE, USER_LINES, line_at, said_in
from support.teachers import GOOD, POLITE, WRONG_ORDER

SLOT = Slot(subset="exa-data", topic="daily", index=3, phrase="비 오는 저녁", turns=2)
PROMPT = TeacherPrompt(load_character("exa"))
SHOWING = TeacherPrompt(load_character("exa"), 2)
SAID = [line_at(place) for place in range(3)]


def reply(content, finish_reason="stop"):
    """What came back."""
    return ChatReply(content=content, finish_reason=finish_reason)


def as_json(text_rows):
    """Exchanges in the JSON form."""
    rows = [{"human": human, "gpt": gpt} for human, gpt in text_rows]
    return json.dumps({"turns": rows}, ensure_ascii=False)


def long_script(exchanges):
    """A fit dialogue of so many exchanges."""
    pool = [one for topic in read_subset("exa-data").values() for one in topic]
    pairs = [one.turns[at : at + 2] for one in pool for at in range(0, len(one.turns), 2)]
    turns = [turn for pair in pairs[: exchanges * 7 : 7] for turn in pair]
    return format_transcript(turns)


def code(outcome):
    """The code of a refusal."""
    return getattr(outcome, "code", "accepted")


def test_a_good_script_becomes_the_dialogue_of_its_slot():
    """Key, subset, topic, speaker, turns and the phrase."""
    found = Script(PROMPT).read(SLOT, (), reply(GOOD))
    assert isinstance(found, Dialogue)
    assert (found.id, found.subset, found.topic) == ("exa-data/daily/0003", "exa-data", "daily")
    assert found.character == "엑사"
    assert [turn.role for turn in found.turns] == ["user", "assistant"] * 2
    assert found.meta == {"phrase": "비 오는 저녁"}


def test_a_couples_dialogue_belongs_to_the_persona():
    """The persona's id stands where the character's name would."""
    slot = SLOT.model_copy(update={"persona": "gf-01"})
    assert Script(PROMPT).read(slot, (), reply(GOOD)).character == "gf-01"


def test_a_json_script_becomes_the_same_dialogue():
    """Both forms leave one record."""
    rows = zip(USER_LINES[:2], CHARACTER_LINES[:2], strict=True)
    found = Script(PROMPT, is_json=True).read(SLOT, (), reply(as_json(rows)))
    assert found == Script(PROMPT).read(SLOT, (), reply(GOOD))


@pytest.mark.parametrize(("is_json", "content"), [(True, GOOD), (False, as_json([("가", "나")]))])
def test_the_other_form_is_refused(is_json, content):
    """A teacher that was asked for one form is not read in the other."""
    outcome = Script(PROMPT, is_json=is_json).read(SLOT, (), reply(content))
    assert code(outcome) == "no-dialogue"


@pytest.mark.parametrize(
    ("ended", "fault"), [("length", CUT_OFF), ("content_filter", REFUSED)], ids=["cut", "refused"]
)
@pytest.mark.parametrize("mode", [Script(PROMPT), Simulation(PROMPT)], ids=["script", "simulation"])
def test_a_reply_that_ended_badly_is_refused_whatever_it_says(mode, ended, fault):
    """By its finish reason, before it is read; of a simulation one line alone."""
    outcome = mode.read(SLOT, (), reply(GOOD, ended))
    assert (outcome.code, outcome.message) == (fault.code, fault.message)
    assert outcome.is_whole == isinstance(mode, Script)


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        *((2, 1, "accepted"), (2, 3, "accepted"), (2, 4, "turn-count")),
        *((10, 8, "accepted"), (10, 12, "accepted"), (10, 7, "turn-count"), (10, 13, "turn-count")),
    ],
)
def test_the_number_of_turns_may_be_a_fifth_or_one_off(wanted, found, expected):
    """A script that is clearly shorter or longer than was ordered is refused."""
    slot = SLOT.model_copy(update={"turns": wanted})
    assert code(Script(PROMPT).read(slot, (), reply(long_script(found)))) == expected


def test_bundled_lines_are_of_any_length():
    """They were written before the recipe; nobody can be asked for a shorter one."""
    free = Script(PROMPT, is_free=True)
    assert code(free.read(SLOT, (), reply(long_script(9)))) == "accepted"


@pytest.mark.parametrize(
    ("content", "expected"), [(WRONG_ORDER, "wrong-order"), ("", "no-dialogue")]
)
def test_the_fault_of_the_form_is_the_code(content, expected):
    """What the parser found goes back to the teacher."""
    outcome = Script(PROMPT).read(SLOT, (), reply(content))
    assert (outcome.code, outcome.is_whole) == (expected, True)
    assert outcome.message


def test_the_fault_of_a_turn_is_the_code():
    """The level is checked by the speaker's own rules: 엑사 says no 습니다."""
    slot = SLOT.model_copy(update={"turns": 1})
    assert code(Script(PROMPT).read(slot, (), reply(POLITE))) == "speech.polite"
    polite_one = slot.model_copy(update={"persona": "gf-03"})
    assert code(Script(PROMPT).read(polite_one, (), reply(POLITE))) == "accepted"


@pytest.mark.parametrize("make", [Script, Simulation])
def test_a_line_of_an_example_is_refused(make):
    """What the prompt showed is not to come back."""
    examples = SHOWING.examples(SLOT)
    taken = max((turn.content for one in examples for turn in one[1::2]), key=len)
    lines = [USER_LINES[0], CHARACTER_LINES[0], USER_LINES[1], taken]
    script = "\n".join(
        f"{('human', 'gpt')[at % 2]}{at // 2 + 1}: {line}" for at, line in enumerate(lines)
    )
    is_script = make is Script
    outcome = make(SHOWING).read(
        SLOT, () if is_script else lines[:3], reply(script if is_script else lines[3])
    )
    assert (outcome.code, outcome.is_whole) == ("copied", True)


def test_a_script_takes_one_reply_and_a_simulation_one_a_line():
    """Where none is refused."""
    assert Script(PROMPT).replies(SLOT) == 1
    assert Simulation(PROMPT).replies(SLOT) == 4


@pytest.mark.parametrize(("said", "voice"), [(0, "user"), (1, "teacher"), (2, "user")])
def test_user_and_character_take_turns(said, voice):
    """The user begins."""
    assert Simulation(PROMPT).ask(SLOT, SAID[:said], "").voice == voice


def test_a_script_is_asked_of_the_teacher():
    """In one request, as JSON where the recipe says so."""
    assert Script(PROMPT).ask(SLOT, (), "")[::2] == ("teacher", False)
    assert Script(PROMPT, is_json=True).ask(SLOT, (), "")[::2] == ("teacher", True)


def test_the_user_sees_the_talk_with_the_roles_swapped():
    """To the model that plays the user, the character is the other side."""
    messages = Simulation(PROMPT).ask(SLOT, SAID[:2], "").messages
    roles = [message.role for message in messages]
    assert roles == ["system", "user", "assistant", "user"]
    assert [message.content for message in messages[2:]] == SAID[:2]


def test_the_character_sees_the_talk_as_it_is():
    """To the model that plays the character, the user is the user."""
    messages = Simulation(PROMPT).ask(SLOT, SAID, "").messages
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert [message.content for message in messages[1:]] == SAID


@pytest.mark.parametrize("said", [0, 1, 2, 3])
def test_a_fault_is_told_at_the_end_of_what_came_last(said):
    """Roles go on alternating: some templates take nothing else."""
    plain = Simulation(PROMPT).ask(SLOT, SAID[:said], "").messages
    told = Simulation(PROMPT).ask(SLOT, SAID[:said], "더 짧게").messages
    assert told[:-1] == plain[:-1]
    assert told[-1].content.startswith(plain[-1].content)
    assert "더 짧게" in told[-1].content
    assert [message.role for message in told[1:]] == ["user", "assistant", "user", "assistant"][
        : len(told) - 1
    ]
    assert told[-1].role == "user"


def test_the_user_knows_how_many_turns_are_left():
    """So that the talk does not end before its time."""
    slot = SLOT.model_copy(update={"turns": 3})
    first = Simulation(PROMPT).ask(slot, (), "").messages[0].content
    last = Simulation(PROMPT).ask(slot, [line_at(at) for at in range(4)], "").messages[0].content
    assert "지금은 1번째" in first
    assert "마지막 말" not in first
    assert "지금은 3번째" in last
    assert "마지막 말" in last


def test_a_line_before_the_last_is_kept():
    """The conversation goes on."""
    for place in range(3):
        outcome = Simulation(PROMPT).read(SLOT, SAID[:place], reply(line_at(place)))
        assert outcome == Kept(line_at(place))


def test_the_last_line_ends_the_dialogue():
    """The record is the one that a script of the same lines leaves."""
    found = Simulation(PROMPT).read(SLOT, SAID, reply(line_at(3)))
    assert said_in(found) == [*SAID, line_at(3)]
    assert found == Script(PROMPT).read(SLOT, (), reply(GOOD))


@pytest.mark.parametrize("label", ["human1: ", "**Human 2**：", "gpt: ", "  GPT1:\n"])
def test_a_label_before_a_line_is_taken_off(label):
    """A model that saw transcripts writes them."""
    assert Simulation(PROMPT).read(SLOT, (), reply(label + USER_LINES[0])) == Kept(USER_LINES[0])


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_of_a_line_become_plain(newline):
    """As in a transcript."""
    assert Simulation(PROMPT).read(SLOT, (), reply(f"오늘{newline}비 와?")) == Kept("오늘\n비 와?")


@pytest.mark.parametrize(
    ("place", "content", "expected"),
    [
        (0, "", "text.empty"),
        (0, "gpt1:", "text.empty"),
        (0, "{유저}야 뭐 해?", "placeholder.user"),
        (0, "오늘 비 와?\n엑사: 응, 와.", "label.speaker"),
        (1, POLITE_LINE, "speech.polite"),
        (1, "응, [이름]아. 조금씩 내려.", "placeholder.blank"),
    ],
)
def test_a_faulty_line_is_refused_alone(place, content, expected):
    """The lines before it stay."""
    outcome = Simulation(PROMPT).read(SLOT, SAID[:place], reply(content))
    assert (outcome.code, outcome.is_whole) == (expected, False)
