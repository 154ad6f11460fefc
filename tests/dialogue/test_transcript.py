"""A teacher's text becomes turns, or says which fault it has."""

import re

import pytest
from hypothesis import given

from exagirl.dialogue.records import Turn
from exagirl.dialogue.transcript import MAX_CHARS, format_transcript, parse_transcript
from exagirl.errors import TranscriptError
from support.dialogues import as_turns, dialogues, hostile_dialogues, hostile_texts

CODES = ("no-dialogue", "two-dialogues", "wrong-order", "empty-turn", "ends-with-user", "too-long")


def contents(text):
    """What is said in a transcript, turn by turn."""
    return [turn.content for turn in parse_transcript(text)]


def fault(text):
    """The fault that a transcript is refused for."""
    with pytest.raises(TranscriptError) as caught:
        parse_transcript(text)
    return caught.value


@given(dialogues())
def test_a_written_transcript_reads_back_unchanged(turns):
    """format_transcript and parse_transcript are inverses."""
    assert parse_transcript(format_transcript(turns)) == turns


@given(hostile_dialogues())
def test_what_can_be_written_reads_back_unchanged(turns):
    """Labels, fences and marks inside turns come back as they were, or are not written."""
    try:
        text = format_transcript(turns)
    except TranscriptError:
        return
    assert parse_transcript(text) == turns


@given(hostile_texts())
def test_any_text_is_a_dialogue_or_has_a_named_fault(text):
    """No text raises anything but a TranscriptError with one of the codes."""
    try:
        turns = parse_transcript(text)
    except TranscriptError:
        assert fault(text).code in CODES
        return
    assert [turn.role for turn in turns] == ["user", "assistant"] * (len(turns) // 2)


def test_the_codes_are_the_ones_that_the_docstring_names():
    """The docstring of parse_transcript lists every code."""
    promised = (parse_transcript.__doc__ or "").partition("Raises:")[2]
    assert set(re.findall(r"``([a-z-]+)``", promised)) == set(CODES)


def test_human_is_the_user_and_gpt_the_assistant():
    """Labels become roles."""
    assert parse_transcript("human1: 안녕\ngpt1: 왔구나!") == [
        Turn(role="user", content="안녕"),
        Turn(role="assistant", content="왔구나!"),
    ]


@pytest.mark.parametrize(
    "label",
    [
        *("{who}{n}:", "{who} {n} :", "   {who}{n}:", "\t{who}{n}:", "{who}0{n}:"),
        *("**{who}{n}:**", "**{who}{n}**:", "__{who}{n}:__", "__{who}{n}__:", "** {who}{n} **:"),
        *("{who}{n}：", "**{who}{n}：**"),
        *("- {who}{n}:", "* {who}{n}:", "+ {who}{n}:", "{n}. {who}{n}:", "{n}) {who}{n}:"),
        *("> {who}{n}:", "## {who}{n}:", "###### {who}{n}:", "> - **{who}{n}:**"),
    ],
)
def test_a_label_may_be_dressed(label):
    """Bold, full-width colons, list, quote and heading marks lead to the same turns."""
    said = [("human", 1), ("gpt", 1), ("human", 2), ("gpt", 2)]
    text = "\n".join(f"{label.format(who=who, n=n)} 말 {who}{n}" for who, n in said)
    assert contents(text) == ["말 human1", "말 gpt1", "말 human2", "말 gpt2"]


@pytest.mark.parametrize(("human", "gpt"), [("Human", "Gpt"), ("HUMAN", "GPT")])
def test_a_label_may_stand_in_any_case(human, gpt):
    """Human1 and GPT1 are labels."""
    assert contents(f"{human}1: 안녕\n{gpt}1: 응") == ["안녕", "응"]


@pytest.mark.parametrize("label", ["**human1:", "**human1: 안녕**", "human:", "1:", "human 하나:"])
def test_half_a_dress_is_no_label(label):
    """Bold that is not closed around the label, or a label without a number, starts no turn."""
    assert fault(f"{label} 안녕\ngpt1: 응").code == "wrong-order"


def test_text_may_follow_on_the_next_line():
    """A label alone on its line takes the lines below it."""
    assert contents("human1:\n안녕\ngpt1:\n\n응, 안녕") == ["안녕", "응, 안녕"]


def test_no_space_is_needed_after_the_colon():
    """Text may follow the colon at once."""
    assert contents("human1:안녕\ngpt1:응") == ["안녕", "응"]


def test_every_line_of_a_turn_is_kept():
    """Continuation lines, blank lines and their indentation stay in the turn."""
    text = "human1: 하나\n\n  둘\n- 셋\ngpt1: 넷\n*다섯*\nhuman2: 여섯\ngpt2: 일곱\n여덟\n"
    assert contents(text) == ["하나\n\n  둘\n- 셋", "넷\n*다섯*", "여섯", "일곱\n여덟"]


def test_a_preamble_is_passed_over():
    """What stands before the first label is no part of the dialogue."""
    assert contents("물론이죠! 대화입니다:\n\nhuman1: 안녕\ngpt1: 응") == ["안녕", "응"]


@pytest.mark.parametrize(
    ("opens", "closes"), [("```", "```"), ("~~~", "~~~"), ("```text", "```"), ("  ```", "  ```")]
)
def test_a_code_fence_around_the_dialogue_is_taken_off(opens, closes):
    """Neither the fence nor a remark after it is said by anybody."""
    text = f"대화입니다.\n{opens}\nhuman1: 안녕\ngpt1: 응\n{closes}\n도움이 됐나요?"
    assert contents(text) == ["안녕", "응"]


def test_a_code_fence_inside_a_turn_is_text():
    """A character may show code where the dialogue itself stands in no fence."""
    assert contents("human1: 코드?\ngpt1: 자\n```\nx = 1\n```")[1] == "자\n```\nx = 1\n```"


def test_everything_at_once_is_read():
    """A preamble, a fence, headings, bold, wide colons, CRLF and text on the next line."""
    lines = ["네, 써 볼게요!", "", "```markdown", "### **Human1**：", "안녕", "- **GPT1:**", "응"]
    more = ["1. human 2 : 뭐 해?", "> __gpt2__:", "", "책 읽어", "```", "어떤가요?"]
    assert contents("\r\n".join([*lines, *more])) == ["안녕", "응", "뭐 해?", "책 읽어"]


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_of_windows_and_old_macs_are_read(newline):
    """CRLF and CR end a line, and do not stay in the text."""
    text = newline.join(["human1: 안녕", "둘째 줄", "gpt1: 응", ""])
    assert contents(text) == ["안녕\n둘째 줄", "응"]


@pytest.mark.parametrize("said", ["네가 human2: 라고 썼잖아", "'gpt1:'이 뭐야?", "human2 말이야"])
def test_a_label_inside_a_sentence_is_text(said):
    """Only the head of a line holds a label."""
    assert contents(f"human1: {said}\ngpt1: 응")[0] == said


def test_a_label_right_after_a_label_is_text():
    """One line has one label."""
    assert contents("human1: gpt1: 이라고 써 봐\ngpt1: 싫어")[0] == "gpt1: 이라고 써 봐"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("no-dialogue", ""),
        ("no-dialogue", "미안하지만 그런 대화는 쓸 수 없어요."),
        ("two-dialogues", "human1: 가\ngpt1: 나\n\nhuman1: 다\ngpt1: 라"),
        ("two-dialogues", "**human1:** 가\n**gpt1:** 나\n---\n## Human1: 다\n## GPT1: 라"),
        ("wrong-order", "human1: 가\ngpt1: 나\ngpt2: 다\nhuman2: 라"),
        ("wrong-order", "human1: 가\ngpt1: 나\ngpt1: 다"),
        ("wrong-order", "gpt1: 안녕\nhuman1: 응"),
        ("wrong-order", "human1: 가\ngpt1: 나\nhuman3: 다\ngpt3: 라"),
        ("wrong-order", "human1: 가\nhuman2: 나\ngpt1: 다"),
        ("wrong-order", "human0: 가\ngpt0: 나"),
        ("empty-turn", "human1:\ngpt1: 응"),
        ("empty-turn", "human1: 안녕\ngpt1:   \n \n"),
        ("ends-with-user", "human1: 가\ngpt1: 나\nhuman2: 다"),
        ("ends-with-user", "human1: 가"),
        ("too-long", "human1: 가\ngpt1: " + "나" * MAX_CHARS),
    ],
)
def test_a_text_that_is_no_dialogue_is_refused_with_its_code(code, text):
    """Every refusal has a code that a journal can count."""
    assert fault(text).code == code


def test_a_refusal_names_the_label_that_is_wrong():
    """The message says which label stood there and which one belongs there."""
    message = str(fault("human1: 가\ngpt1: 나\nhuman3: 다\ngpt3: 라"))
    assert "human3" in message
    assert "human2" in message


def test_the_longest_text_is_read():
    """Exactly as many characters as are promised are accepted."""
    head = "human1: 가\ngpt1: "
    assert len(contents(head + "나" * (MAX_CHARS - len(head)))) == 2


@pytest.mark.parametrize("content", ["앞줄\ngpt1: 뒷줄", "앞줄\nhuman9: 뒷줄", " 빈칸", "줄\r끝"])
def test_text_that_would_not_read_back_is_not_written(content):
    """A label at the head of a line, space around a text or a carriage return is refused."""
    with pytest.raises(TranscriptError):
        format_transcript(as_turns([content, "응"]))


@pytest.mark.parametrize("roles", [(), ("assistant",), ("user",), ("user", "user")])
def test_turns_that_are_no_dialogue_are_not_written(roles):
    """Turns alternate, begin with the user and end with the character."""
    with pytest.raises(TranscriptError):
        format_transcript([Turn(role=role, content="응") for role in roles])
