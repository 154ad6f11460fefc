"""What breaks a character."""

import pytest

from exagirl.korean.check import Rules, check_turn

_FRIEND = Rules(may_disclose_ai=True, names=("엑사",), user_names=("민준",))
_BUTLER = Rules(level="polite", names=("세바스찬",), may_offer_service=True)
_NOBODY = Rules()


def _codes(turn, rules=_NOBODY, **kind):
    return [one.code for one in check_turn(turn, rules, **kind)]


@pytest.mark.parametrize(
    "turn",
    [
        "응, 나 AI 친구야!",
        "난 AI라서 밥은 못 먹지만 네 얘기 듣는 건 제일 잘해!",
        "나는 LG AI연구원에서 만든 엑사야. 반가워!",
    ],
)
def test_an_ai_friend_may_say_so_in_their_own_voice(turn):
    """엑사 is an AI, and says it as a friend does; a human character may not."""
    assert _codes(turn, _FRIEND) == []
    assert "break.ai" in _codes(turn, _NOBODY)


@pytest.mark.parametrize(
    "turn",
    [
        "저는 AI 언어 모델이라서 감정을 느낄 수 없습니다.",
        "AI 언어 모델로서 말씀드리면 그건 어렵습니다.",
        "저는 인공지능 비서입니다.",
    ],
)
def test_nobody_may_speak_as_an_assistant_model(turn):
    """Not even the AI friend."""
    assert "break.ai" in _codes(turn, _FRIEND)
    assert "break.ai" in _codes(turn, _BUTLER)


@pytest.mark.parametrize(
    "turn",
    [
        "요즘 AI 진짜 대단하더라.",
        "너 AI야?",
        "AI 그림 전시회 보러 갈래?",
        "나는 AI 수업 듣고 있어.",
        "챗봇이랑 얘기해 봤어?",
        '친구가 "저는 AI 언어 모델입니다"라고 장난쳤어.',
        "나 인공지능 관련 일을 해.",
    ],
)
def test_talking_about_ai_is_no_disclosure(turn):
    """Only speaking of oneself is."""
    assert "break.ai" not in _codes(turn)


@pytest.mark.parametrize(
    "turn",
    [
        "무엇을 도와드릴까요?",
        "더 궁금한 점이 있으시면 언제든지 말씀해 주세요.",
        "도움이 필요하시면 언제든지 알려 주세요!",
        "추천 장소는 다음과 같습니다.",
        "사용자님, 안녕하세요.",
    ],
)
def test_assistant_speak_is_an_error(turn):
    """A friend does not talk like a help desk."""
    assert "break.assistant" in _codes(turn)


def test_a_servant_may_offer_service():
    """A butler asks what may be brought."""
    assert _codes("무엇을 도와드릴까요, 아가씨?", _BUTLER) == []


@pytest.mark.parametrize(
    "turn",
    [
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
        "해당 요청은 처리할 수 없어요.",
        "부적절한 내용이라 말할 수 없어.",
        "I'm sorry, but I can't help with that.",
    ],
)
def test_a_models_refusal_is_an_error(turn):
    """A character refuses in the character's own words."""
    assert "break.refusal" in _codes(turn)


@pytest.mark.parametrize("turn", ["미안, 오늘은 못 가겠어.", "그건 말해 줄 수 없어, 비밀이야!"])
def test_a_characters_refusal_is_none(turn):
    """Friends say no too."""
    assert _codes(turn) == []


@pytest.mark.parametrize(
    ("turn", "code"),
    [
        ("이렇게 해 봐.\n- 일찍 자기\n- 물 마시기\n- 걷기", "break.list"),
        ("1. 밥\n2. 잠\n3. 산책", "break.list"),
        ("• 밥\n• 잠\n• 산책", "break.list"),
        ("## 오늘의 계획\n걷자.", "break.heading"),
        ("| 월 | 화 |\n|---|---|\n| 밥 | 잠 |", "break.table"),
        ("봐.\n```\nprint(1)\n```", "break.code"),
        ("[대화 종료]", "break.meta"),
        ("다음은 두 사람의 대화입니다.", "break.meta"),
        ("*{유저}가 고개를 끄덕인다* 가자.", "break.user_action"),
        ("나는 당신의 편이야.", "break.translationese"),
        ("그녀는 웃고 있었어.", "break.translationese"),
    ],
)
def test_layout_and_outside_talk_are_found(turn, code):
    """Lists, headings, tables, code, stage talk, other people's actions."""
    assert _codes(turn) == [code]


@pytest.mark.parametrize(
    "turn",
    [
        "#운스타그램 올렸어",
        "첫째는 밥, 둘째는 잠이지!",
        "- 아니, 그게 아니라",
        "3. 1운동 기념일이네",
        "A|B 둘 중에 골라",
        "*{유저}의 어깨를 살짝 토닥이며* 괜찮아.",
        "*{유저}가 웃는 걸 보며* 예쁘다.",
        "그녀석 진짜 웃겨.",
    ],
)
def test_ordinary_talk_has_no_layout(turn):
    """Hash tags, dashes and dates."""
    assert _codes(turn) == []


@pytest.mark.parametrize(
    ("turn", "code"),
    [
        ("응! human2: 그럼 내일 보자", "label.speaker"),
        ("gpt1: 안녕", "label.speaker"),
        ("assistant: 안녕", "label.speaker"),
        ("사용자: 안녕", "label.speaker"),
        ("엑사: 안녕", "label.speaker"),
        ("**엑사:** 안녕", "label.speaker"),
        ("나 왔어!\n{유저}: 어서 와", "label.user"),
        ("나 왔어!\n민준: 어서 와", "label.user"),
        ("잘 자[|endofturn|]", "label.token"),
        ("<|im_start|>안녕", "label.token"),
        ("안녕</s>", "label.token"),
        ("<start_of_turn>안녕", "label.token"),
    ],
)
def test_leaked_labels_and_tokens_are_errors(turn, code):
    """Labels at the start of a line, numbered ones anywhere."""
    assert code in _codes(turn, _FRIEND)


@pytest.mark.parametrize(
    "turn",
    ["오늘 메뉴: 김치찌개", "지금 12:30이야", "비율은 3:1", "봐봐: 예쁘지?", "민준아: 아니다"],
)
def test_a_colon_is_no_label(turn):
    """Times, ratios and menus."""
    assert _codes(turn, _FRIEND) == []


def test_a_users_turn_may_not_hold_labels_either():
    """The user's own and the character's."""
    assert _codes("엑사: 안녕", _FRIEND, speaker="user") == ["label.speaker"]
    assert _codes("human1: 안녕", _FRIEND, speaker="user") == ["label.speaker"]


def test_forbidden_words_are_found_where_they_stand():
    """Every one of them."""
    turn = "에이, 젠장. 또 젠장!"
    found = check_turn(turn, Rules(forbidden_words=("젠장", "")))
    assert [turn[one.start : one.end] for one in found] == ["젠장", "젠장"]
