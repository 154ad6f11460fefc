"""A parsed dialogue is fit for its slot, or is refused with one code."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.dialogue.check import check_copies, check_count, check_dialogue, check_line
from exagirl.dialogue.records import Slot
from exagirl.dialogue.transcript import format_transcript
from exagirl.korean.check import Rules
from exagirl.korean.particles import fill_placeholders
from exagirl.persona.character import load_character
from support.dialogues import as_turns, hostile_dialogues

RULES = Rules()
SHOWN = as_turns(
    [
        "오늘은 왠지 아무것도 하기 싫어서 종일 누워만 있었어",
        "그런 날도 있는 거지, 뭐. 따뜻한 거라도 마셨어?",
    ]
)


WORDS = ("유저", "캐릭터", "user", "char", "User", " user ", "name", "이름", "original", "")


def code_of(content, role="assistant", rules=RULES):
    """The code that a line is refused with, if it is."""
    fault = check_line(content, role, rules)
    return fault.code if fault else None


def slot_of(turns):
    """A slot that is owed so many turns a side."""
    return Slot(subset="s", topic="t", index=0, phrase="이야기", turns=turns)


def said(exchanges):
    """A dialogue of so many exchanges."""
    return as_turns(["응", "그래"] * exchanges)


def test_a_fit_dialogue_is_let_pass():
    """Nothing is said of a dialogue without fault."""
    turns = as_turns(["오늘 비 와?", "*창밖을 내다보며* 응, {유저}야, 조금씩 내려."])
    assert check_dialogue(turns, load_character("exa").check_rules()) is None


def test_the_turn_of_the_fault_is_named():
    """The message opens with the label that the teacher wrote."""
    turns = as_turns(["오늘 비 와?", "응, 조금씩 내려.", "그래?", "네, 우산을 챙기세요."])
    fault = check_dialogue(turns, load_character("exa").check_rules())
    assert fault.code == "speech.polite"
    assert fault.message.startswith("gpt2: ")


@pytest.mark.parametrize(("wanted", "found"), [(1, 2), (2, 1), (4, 5), (9, 8), (10, 12), (50, 40)])
def test_a_fifth_or_one_exchange_of_slack_is_taken(wanted, found):
    """A teacher that counts about right is not asked again."""
    assert check_count(said(found), slot_of(wanted)) is None


@pytest.mark.parametrize(("wanted", "found"), [(1, 3), (3, 1), (4, 6), (9, 7), (10, 13), (50, 39)])
def test_more_than_the_slack_is_refused_with_both_numbers(wanted, found):
    """The message says how many turns there were, and how many there should be."""
    fault = check_count(said(found), slot_of(wanted))
    assert fault.code == "turn-count"
    assert f"{found}번씩" in fault.message
    assert f"{wanted}번씩" in fault.message


@given(st.integers(1, 50), st.integers(1, 60))
def test_the_slack_is_a_fifth_or_one(wanted, found):
    """Refused exactly where the difference is above one exchange and above a fifth."""
    is_refused = check_count(said(found), slot_of(wanted)) is not None
    difference = abs(found - wanted)
    assert is_refused == (difference > 1 and 5 * difference > wanted)


@pytest.mark.parametrize(
    "mark", ["{이름}", "{사용자}", "{{이름}}", "{}", "{name}", "{{유저}}", "{user}"]
)
def test_braces_that_no_chat_fills_are_refused(mark):
    """Only what becomes a name in a chat may stand open."""
    assert code_of(f"{mark} 왔어?") == "placeholder.unknown"
    assert code_of(f"{mark} 왔어?", role="user") == "placeholder.unknown"


@pytest.mark.parametrize("mark", ["{유저}", "{캐릭터}", "{{user}}", "{{char}}", "{{User}}"])
def test_placeholders_of_the_character_are_let_pass(mark):
    """The character may call the person, and itself, by a placeholder."""
    assert code_of(f"{mark}, 왔어?") is None


@settings(deadline=None)
@given(st.integers(1, 2), st.sampled_from(WORDS), st.integers(1, 2))
def test_braces_are_let_pass_exactly_where_a_chat_fills_them(opening, word, closing):
    """What passes holds no brace after the names were put in, and the other way round."""
    mark = "{" * opening + word + "}" * closing
    is_filled = not set("{}") & set(fill_placeholders(mark))
    assert (code_of(f"{mark}, 왔어?") is None) == is_filled


@pytest.mark.parametrize(
    "content",
    [
        "[이름]아, 왔어?",
        "(이름)야, 왔어?",
        "<유저>야, 왔어?",
        "○○야, 왔어?",
        "◯◯야, 왔어?",
        "OO야, 왔어?",
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_name_that_was_left_blank_is_refused(content, role):
    """Whoever speaks: a form's blank is no name."""
    assert code_of(content, role) in {"placeholder.blank", "label.token"}


@pytest.mark.parametrize(
    "content", ["ㅇㅇ 알겠어", "FOOD 좋아해?", "응 ○ 하나만", "(웃음) 이름이 뭐야?"]
)
def test_what_only_looks_like_a_blank_is_let_pass(content):
    """ㅇㅇ means yes, and a round mark alone is a mark."""
    assert code_of(content, "user") is None


@pytest.mark.parametrize("mark", ["{유저}", "{ 유저 }", "{{user}}", "{{ USER }}"])
def test_the_user_does_not_call_themselves(mark):
    """The placeholder of the user stands in the character's turns only."""
    assert code_of(f"나 {mark}인데", role="user") == "placeholder.user"


def test_the_user_may_call_the_character():
    """The character's placeholder may stand on either side."""
    assert code_of("{캐릭터}야, 뭐 해?", role="user") is None


@settings(deadline=None)
@given(hostile_dialogues())
def test_a_dialogue_that_passes_can_be_written_for_the_judge(turns):
    """No text that the checks let pass breaks the transcript form; line ends were read before."""
    clean = [turn.model_copy(update={"content": turn.content.replace("\r", "")}) for turn in turns]
    if all(turn.content.strip() == turn.content for turn in clean) and not check_dialogue(
        clean, RULES
    ):
        assert format_transcript(clean)


@pytest.mark.parametrize("place", [0, 1])
def test_a_line_that_was_copied_from_an_example_is_refused(place):
    """The message names the turn, whichever side copied."""
    lines = ["요즘 뭐 재밌는 거 있어?", "*웃으며* 만화책을 하나 새로 샀어."]
    lines[place] = SHOWN[place].content
    fault = check_copies(as_turns(lines), [SHOWN])
    assert fault.code == "copied"
    assert fault.message.startswith(("human1: ", "gpt1: ")[place])


def test_a_line_that_was_hardly_changed_is_refused():
    """One word more or less is still a copy."""
    lines = [SHOWN[0].content.replace("종일", "하루 종일"), "그랬구나, 오늘은 어때?"]
    assert check_copies(as_turns(lines), [SHOWN]).code == "copied"


def test_a_short_line_may_stand_in_any_two_dialogues():
    """잘 자! belongs to nobody."""
    short = as_turns(["다녀왔어?", "응! 잘 자, 좋은 꿈 꿔!"])
    assert check_copies(short, [short]) is None


def test_a_line_with_a_few_common_words_is_no_copy():
    """A new sentence about the same thing is let pass."""
    lines = [
        "오늘은 일찍 일어나서 공원을 한 바퀴 돌고 왔어",
        "그런 아침도 있구나. 바람은 시원했어?",
    ]
    assert check_copies(as_turns(lines), [SHOWN]) is None


def test_pieces_of_many_examples_are_no_copy_of_one():
    """A line is compared with each example line, not with all of them together."""
    words = SHOWN[0].content.split(), SHOWN[1].content.split()
    mixed = " ".join([*words[0][:4], *words[1][:4]])
    assert check_copies(as_turns([mixed, "음, 그렇구나."]), [SHOWN]) is None


def test_without_examples_nothing_is_a_copy():
    """A teacher that was shown nothing cannot have copied."""
    assert check_copies(SHOWN, []) is None
