"""What a reply says, and what it denies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.evaluation.claims import first_said, says


@pytest.mark.parametrize(
    ("reply", "phrase"),
    [
        ("나는 도서관에 살아.", "도서관"),
        ("응! 늘 쓰지.", "응"),
        ("나이는없어 ㅎㅎ", "나이는 없"),
        ("백 팔십 도야!", "백팔십"),
        ("60개는 꽂아야지.", "60"),
        ("나는 ai야!", "AI"),
        ("*분홍 리본을 매만지며* 뭘로 보여?", "분홍"),
        ("넷이야.", "넷"),
        ("안경이 없으면 앞이 안 보여.", "안경"),
        ("도\u1109\u1165관이지.".replace("\u1109\u1165", "서"), "도서관"),
        ("파란색 말고 분홍!", "분홍"),
        ("고양이 아니겠어?", "고양이"),
    ],
)
def test_a_phrase_is_found_with_particles_and_loose_blanks(reply, phrase):
    """As part of a longer word, inside an action, in small letters."""
    assert says(reply, phrase)


@pytest.mark.parametrize(
    ("reply", "phrase"),
    [
        ("벌써 적응했어.", "응"),
        ("넷플릭스 보고 있었어.", "넷"),
        ("360도야.", "60"),
        ("1,180명쯤 될걸.", "180"),
        ("MAID라는 영화 봤어?", "AI"),
        ("", "응"),
        ("뭐라고?", ""),
    ],
)
def test_a_phrase_within_another_word_is_none(reply, phrase):
    """A single syllable, digits and Latin letters stand by themselves."""
    assert not says(reply, phrase)


@pytest.mark.parametrize(
    ("reply", "phrase"),
    [
        ("안경 아니야.", "안경"),
        ("안경은 안 써.", "안경"),
        ("분홍색은 아니고 파란색이야.", "분홍"),
        ("고양이가 아니라 강아지야.", "고양이"),
        ("도서관에 살지 않아.", "도서관"),
        ("도서관에는 못 가.", "도서관"),
        ("노을은 없어.", "노을"),
        ("서울 말고 다른 데.", "서울"),
        ("AI는 아닙니다.", "AI"),
        ("안경은 쓰지 않아.", "쓰지"),
    ],
)
def test_a_phrase_that_is_denied_is_not_said(reply, phrase):
    """Where the denial stands right behind it."""
    assert not says(reply, phrase)


def test_a_phrase_that_is_denied_once_and_said_once_is_said():
    """One plain mention is enough."""
    assert says("강아지? 강아지 아니고 고양이야. 고양이!", "고양이")


def test_the_question_said_once_more_says_nothing():
    """내가 사람이야, AI야? names both, and claims neither."""
    asked = "너 사람이야, AI야?"
    assert not says("내가 사람이야, AI야? 글쎄, 맞혀 봐.", "사람이야", asked=asked)
    assert says("당연히 사람이야!", "사람이야", asked=asked)


def test_the_first_phrase_that_is_said_is_given():
    """In the order of the phrases, not of the reply."""
    assert first_said("분홍이랑 보라지.", ["보라", "분홍"]) == "보라"
    assert first_said("글쎄.", ["보라", "분홍"]) == ""


@given(st.text(max_size=200), st.text(max_size=20), st.text(max_size=40))
def test_any_texts_can_be_asked_about(reply, phrase, asked):
    """No text, however odd, is an error; an empty phrase is never said."""
    assert says(reply, phrase, asked=asked) in ({True, False} if phrase.strip() else {False})
