"""Loops and turns that were said before."""

import pytest

from exagirl.korean.check import check_turn
from exagirl.korean.repetition import compression_ratio, repeated_ngram_share, similarity


def _codes(turn, history=()):
    return [(one.code, one.severity) for one in check_turn(turn, history=history)]


@pytest.mark.parametrize(
    "turn",
    ["나는 네가 정말 좋아 " * 10, "사랑해 " * 60, "가나다라마바사아자차카타파하" * 20],
)
def test_a_loop_is_an_error(turn):
    """By repeated 4-grams of words, or by compressibility where there are no blanks."""
    assert ("repeat.loop", "error") in _codes(turn)


@pytest.mark.parametrize(
    "turn",
    [
        "ㅋ" * 60 + " 아 웃겨",
        "보고 싶어 보고 싶어 보고 싶어!",
        "빨리빨리빨리! 빨리 와, 빨리!",
        "으" + "아" * 60 + " 무서워",
        "가자 가자 가자, 바다로 가자! 산으로 가자! 어디든 가자!",
    ],
)
def test_laughter_and_eagerness_are_no_loops(turn):
    """People say things thrice."""
    assert _codes(turn) == []


def test_one_sentence_three_times_is_a_warning():
    """Reported once."""
    turn = "오늘은 정말 행복했어. 밥도 먹었어. 오늘은 정말 행복했어. 오늘은 정말 행복했어."
    assert _codes(turn) == [("repeat.sentence", "warning")]


def test_saying_the_same_as_before_is_found():
    """The same is an error, nearly the same a warning, short turns may come again."""
    said = "오늘도 도서관에서 너를 기다리면서 책을 읽고 있었어. 얼른 와!"
    assert _codes(said, [said]) == [("repeat.history", "error")]
    nearly = "오늘도 도서관에서 너를 기다리면서 책을 읽고 있었어. 조심히 와~"
    assert _codes(nearly, ["응", said]) == [("repeat.history", "warning")]
    assert _codes("오늘은 비가 와서 우산을 챙겼어.", [said]) == []
    assert _codes("잘 자!", ["잘 자!"]) == []


def test_measures_of_the_empty_text_are_neutral():
    """No division by nothing."""
    assert repeated_ngram_share("") == 0.0
    assert compression_ratio("") == 1.0
    assert similarity("", "") == 0.0


def test_similarity_leaves_actions_and_marks_out():
    """Only what is said counts."""
    assert similarity("*웃으며* 오늘 뭐 했어?", "오늘 뭐 했어!! *손을 흔든다*") == 1.0
