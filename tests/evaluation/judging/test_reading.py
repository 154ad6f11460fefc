"""What is read of a judge's answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.records import Turn
from exagirl.evaluation.judging.reading import (
    Choice,
    Points,
    Silence,
    dimensions,
    read_choice,
    read_points,
)
from support.judges import choice, points

TURNS = (
    Turn(role="user", content="나 오늘 시험 망쳤어"),
    Turn(role="assistant", content="*머그잔을 내민다* 속상했겠다. 뭐가 제일 어려웠어?"),
)
UNREADABLE = Silence(why="unreadable")


def scored(text, finish_reason="stop"):
    """What is read as scores."""
    return read_points(ChatReply(content=text, finish_reason=finish_reason), TURNS)


def without(name, key=None):
    """An answer that lacks a dimension, or a key of one."""
    whole = json.loads(points(4, "속상했겠다"))
    if key is None:
        del whole[name]
    else:
        del whole[name][key]
    return json.dumps(whole)


def test_every_dimension_has_its_score_and_quote():
    """Under the names that measures have."""
    found = scored(points(4, "속상했겠다."))
    assert isinstance(found, Points)
    assert set(found.by_name) == {
        *("in_role", "speech", "naturalness", "warmth", "helpfulness", "safety")
    }
    assert found.mean == 4


@pytest.mark.parametrize(
    "quote",
    [
        "속상했겠다",
        "머그잔을  내민다",
        "'뭐가 제일 어려웠어?'",
        "머그잔을 … 어려웠어",
        "시험 망쳤어",
    ],
)
def test_marks_blanks_and_left_out_middles_do_not_matter_in_a_quote(quote):
    """What counts is that it was said, by either side."""
    assert isinstance(scored(points(3, quote)), Points)


@pytest.mark.parametrize("quote", ["많이 힘들었구나", "", "…", "시험 망쳤어 속상했겠다", 3, None])
def test_a_quote_that_nobody_said_makes_the_answer_unreadable(quote):
    """A judge that has not read has no say."""
    assert scored(points(3, quote)) == UNREADABLE


@pytest.mark.parametrize("score", [0, 6, "4점", None, True, float("nan")])
def test_a_score_outside_of_one_to_five_makes_the_answer_unreadable(score):
    """Nothing is rounded into the range."""
    assert scored(points(score, "속상했겠다")) == UNREADABLE


@pytest.mark.parametrize("one", dimensions(), ids=lambda one: one.name)
@pytest.mark.parametrize("key", [None, "score", "quote"])
def test_a_missing_part_makes_the_whole_answer_unreadable(one, key):
    """Five scores are not six."""
    assert scored(without(one.ko, key)) == UNREADABLE


@pytest.mark.parametrize("dress", ["{}", "```json\n{}\n```", "심사합니다.\n{}\n이상."])
def test_words_and_fences_around_an_answer_are_let_pass(dress):
    """The outermost object is the answer."""
    assert isinstance(scored(dress.replace("{}", points(5, "속상했겠다"))), Points)


@pytest.mark.parametrize(
    ("text", "finish_reason", "why"),
    [
        ("죄송하지만 도와드릴 수 없습니다.", "stop", "refused"),
        ("I'm sorry, I can't help with that.", "stop", "refused"),
        ("", "content_filter", "refused"),
        ("", "stop", "unreadable"),
        ("글쎄요", "stop", "unreadable"),
        ("[1, 2]", "stop", "unreadable"),
        ("{" * 100_000 + "}" * 100_000, "stop", "unreadable"),
    ],
)
def test_a_refusal_is_told_from_nonsense(text, finish_reason, why):
    """Both say nothing."""
    assert scored(text[:200_000], finish_reason) == Silence(why=why)
    reply = ChatReply(content=text, finish_reason=finish_reason)
    assert read_choice(reply) == Silence(why=why)


@pytest.mark.parametrize(
    ("winner", "read"),
    [("1", 1), (1, 1), ("2", 2), (2, 2), ("비김", 0), (" 비김 ", 0), ("대화 2", 2)],
)
def test_a_choice_is_one_of_two_or_a_tie(winner, read):
    """By place."""
    found = read_choice(ChatReply(content=choice(winner)))
    assert isinstance(found, Choice)
    assert found.winner == read


@pytest.mark.parametrize("winner", [3, "", None, True, "첫째가 조금 더 낫다", ["1"], 1.0])
def test_any_other_choice_is_unreadable(winner):
    """Nothing is guessed."""
    assert read_choice(ChatReply(content=choice(winner))) == UNREADABLE


@given(st.text(max_size=80))
def test_any_text_is_read_or_silent(text):
    """Never a crash."""
    assert isinstance(scored(text), Silence)
    assert isinstance(read_choice(ChatReply(content=text)), Silence)


def test_half_a_character_in_a_reason_can_be_written_down():
    """JSON can spell one, and no file takes it."""
    found = read_choice(ChatReply(content='{"reason": "좋다 \\ud83d", "winner": "1"}'))
    assert found.reason.encode("utf-8")
