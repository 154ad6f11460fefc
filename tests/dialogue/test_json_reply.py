"""A JSON reply becomes turns, or says which fault it has."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.dialogue.json_reply import parse_json_reply
from exagirl.dialogue.transcript import MAX_CHARS
from exagirl.errors import TranscriptError
from support.characters import JSON
from support.dialogues import dialogues

CODES = ("not-json", "no-dialogue", "empty-turn", "ends-with-user", "too-long")
ROW = {"human": "안녕", "gpt": "응, 왔어?"}
GOOD = json.dumps({"turns": [ROW]}, ensure_ascii=False)


def contents(text):
    """What is said in a reply, turn by turn."""
    return [turn.content for turn in parse_json_reply(text)]


def turns_or_code(text):
    """What a reply becomes: turns, or the code of its fault."""
    try:
        return parse_json_reply(text)
    except TranscriptError as error:
        return error.code


def fault(text):
    """The code that a reply is refused for."""
    with pytest.raises(TranscriptError) as caught:
        parse_json_reply(text)
    return caught.value.code


@given(dialogues())
def test_a_dialogue_in_json_reads_back_unchanged(turns):
    """Whatever is said comes out as it went in, in its roles."""
    pairs = zip(turns[::2], turns[1::2], strict=True)
    rows = [{"human": user.content, "gpt": character.content} for user, character in pairs]
    assert parse_json_reply(json.dumps({"turns": rows})) == turns


@given(st.text(max_size=80) | JSON.map(json.dumps) | JSON.map(lambda v: json.dumps({"turns": v})))
def test_any_text_is_a_dialogue_or_has_a_named_fault(text):
    """No text raises anything but a TranscriptError with one of the codes."""
    turns = turns_or_code(text)
    assert turns in CODES or [turn.role for turn in turns] == ["user", "assistant"] * (
        len(turns) // 2
    )


@given(st.lists(st.dictionaries(st.sampled_from(["human", "gpt", "who"]), JSON) | JSON, max_size=4))
def test_rows_of_rubbish_are_a_dialogue_or_have_a_named_fault(rows):
    """Wrong types, missing sides and nested values in the rows are no crash."""
    turns = turns_or_code(json.dumps({"turns": rows}))
    assert turns in CODES or len(turns) == 2 * len(rows)


def test_the_codes_are_the_ones_that_the_docstring_names():
    """The docstring of parse_json_reply lists every code."""
    promised = (parse_json_reply.__doc__ or "").partition("Raises:")[2]
    assert set(re.findall(r"``([a-z-]+)``", promised)) == set(CODES)


@pytest.mark.parametrize(
    "dress",
    [
        *(
            "{}",
            "  \n{}\n ",
            "```json\n{}\n```",
            "```\n{}\n```",
            "```JSON\r\n{}\r\n```",
            "\ufeff{}",
        ),
        *("네, 대화입니다:\n\n{}\n\n마음에 드나요?", "대화예요.\n```json\n{}\n```\n더 쓸까요?"),
    ],
)
def test_words_and_fences_around_the_object_are_let_pass(dress):
    """The outermost object is the reply."""
    assert contents(dress.replace("{}", GOOD)) == ["안녕", "응, 왔어?"]


def test_keys_beside_the_turns_are_let_pass():
    """A title, or a number in a row, changes nothing."""
    told = {"title": "비 오는 날", "turns": [{"n": 1, **ROW}]}
    assert contents(json.dumps(told)) == ["안녕", "응, 왔어?"]


def test_blanks_around_what_is_said_are_taken_off():
    """As in a transcript."""
    told = {"turns": [{"human": " 안녕\n", "gpt": "\n응 "}]}
    assert contents(json.dumps(told)) == ["안녕", "응"]


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
def test_line_ends_become_plain(newline):
    """CRLF and CR do not stay in the text, so that it can be written as a transcript."""
    told = {"turns": [{"human": f"하나{newline}둘", "gpt": "응"}]}
    assert contents(json.dumps(told))[0] == "하나\n둘"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("no-dialogue", ""),
        ("no-dialogue", "미안하지만 쓸 수 없어요."),
        ("not-json", "}{"),
        ("no-dialogue", "{}"),
        ("no-dialogue", '{"turns": []}'),
        ("no-dialogue", '{"turns": {"human": "안녕", "gpt": "응"}}'),
        ("no-dialogue", '{"turns": "human1: 안녕"}'),
        ("no-dialogue", '{"dialogue": [{"human": "안녕", "gpt": "응"}]}'),
        ("not-json", '{"turns": [{"human": "안녕", "gpt": "응"'),
        ("not-json", '{"turns": [{"human": "안녕", "gpt": "응"]}'),
        ("not-json", "{turns: []}"),
        ("not-json", '{"turns": []} {"turns": []}'),
        ("not-json", '{"a":' * 30_000 + "1" + "}" * 30_000),
        ("empty-turn", '{"turns": [{"human": " ", "gpt": "응"}]}'),
        ("empty-turn", '{"turns": [{"gpt": "응"}]}'),
        ("empty-turn", '{"turns": [{"human": "가"}, {"human": "나", "gpt": "다"}]}'),
        ("empty-turn", '{"turns": [{"human": 7, "gpt": "응"}]}'),
        ("empty-turn", '{"turns": [{"human": ["안녕"], "gpt": "응"}]}'),
        ("empty-turn", '{"turns": [["안녕", "응"]]}'),
        ("empty-turn", '{"turns": [null]}'),
        ("ends-with-user", '{"turns": [{"human": "가", "gpt": "나"}, {"human": "다"}]}'),
        ("ends-with-user", '{"turns": [{"human": "가", "gpt": null}]}'),
        ("too-long", json.dumps({"turns": [{"human": "가", "gpt": "a" * MAX_CHARS}]})),
    ],
)
def test_a_reply_that_is_no_dialogue_is_refused_with_its_code(code, text):
    """Every refusal has a code that a journal can count."""
    assert fault(text) == code
