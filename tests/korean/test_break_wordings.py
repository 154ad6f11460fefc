"""Wordings of disclosure, assistant-speak and labels that slipped through once."""

import pytest

from exagirl.korean.check import Rules, check_turn
from exagirl.korean.speech import speech_level

FRIEND = Rules(may_disclose_ai=True)


def codes_of(text, rules=None):
    """Codes of the findings of a turn."""
    return {finding.code for finding in check_turn(text, rules or Rules())}


@pytest.mark.parametrize(
    "text",
    [
        "나는 학습된 데이터를 바탕으로 대답하는 거야.",
        "내 학습 데이터에는 그런 내용이 없어.",
        "인공지능인 나한테는 가족이 없어.",
        "나는 그냥 프로그램이야.",
        "사실 저는 사람이 아니라 프로그램입니다.",
        "내가 인공지능이긴 하지만 네 마음은 알아.",
        "제가 AI이기 때문에 뵌 적은 없습니다.",
        "저는 글로만 대화하는 AI예요.",
    ],
)
def test_a_character_that_is_no_ai_discloses_one(text):
    """Found, unless the character is an AI friend."""
    assert "break.ai" in codes_of(text)
    assert "break.ai" not in codes_of(text, FRIEND)


@pytest.mark.parametrize(
    "text",
    [
        "나는 AI 이야기만 나오면 졸려.",
        "나는 그게 인공지능이라고 생각해.",
        "요즘 프로그램이 다 재미없더라.",
        "나는 요즘 예능 프로그램이라면 다 봐.",
        "저는 전공이 AI 쪽이에요.",
        "저는 AI 쓰는 사람이에요.",
    ],
)
def test_talk_about_ai_is_no_disclosure(text):
    """Who speaks of machines is none."""
    assert "break.ai" not in codes_of(text)


def test_a_model_that_says_so_without_a_subject_discloses_itself():
    """An AI friend neither says so."""
    text = "죄송해요, AI 모델이라 실제로 만날 수 없어요."
    assert "break.ai" in codes_of(text)
    assert "break.ai" in codes_of(text, FRIEND)


@pytest.mark.parametrize(
    "text",
    [
        "추가로 궁금하신 사항이 있으시면 말씀해 주세요.",
        "더 필요한 정보가 있으시면 언제든지 문의해 주세요.",
        "무엇이든 물어보세요!",
    ],
)
def test_more_ways_to_offer_help_are_assistant_speak(text):
    """Unless the character may serve."""
    assert "break.assistant" in codes_of(text)
    assert "break.assistant" not in codes_of(text, Rules(may_offer_service=True))


@pytest.mark.parametrize(
    "text", ["체인 갈아 줄게. 사용자: 얼마야?", "시스템: 대화를 이어 갑니다.", "잘 가. user: 응"]
)
def test_a_label_behind_a_sentence_is_a_label(text):
    """In the middle of a line, too."""
    assert "label.speaker" in codes_of(text)


@pytest.mark.parametrize("text", ["오늘의 결론: 네가 옳아.", "그 사용자: 라는 칸에 써."])
def test_a_colon_behind_other_words_is_no_label(text):
    """Headings of everyday talk stay."""
    assert "label.speaker" not in codes_of(text)


def test_a_word_that_is_spoken_of_sets_no_level():
    """네, 라는 대답 is no answer; 네, 그래요 is one."""
    assert speech_level("네, 라는 대답보다 그게 좋아.") == "banmal"
    assert speech_level("네, 그게 좋아.") == "polite"
