"""Foreign letters, Latin sentences and emoji."""

import pytest

from exagirl.korean.check import Rules, check_turn
from exagirl.korean.script import count_letters

_NO_RULES = Rules()


def _codes(turn, rules=_NO_RULES):
    return [(one.code, one.severity) for one in check_turn(turn, rules)]


@pytest.mark.parametrize(
    "turn",
    [
        "나 오늘 PC방에서 GPU 구경했어. OK?",
        "MBTI가 뭐야? 나는 INFP래!",
        "A/S 맡긴 CD 플레이어, DNA처럼 소중해.",
        "유튜브 Premium 결제했어, 월 3kg씩… 아니 3,000원이래.",
        "그 노래 제목이 'Fly Me to the Moon'이야.",
        "{{user}}야, {{char}} 왔어! {유저} {캐릭터}",
        "사랑 애(愛)는 마음이 들어간 글자야.",
        "'猫'는 고양이라는 뜻이야.",
        "(ノ◕ヮ◕)ノ 신난다! ¯\\_(ツ)_/¯",
        "ㅎㅎ ㅋㅋ ㅠㅠ ^_^ ♥ ♪ ★ ☆ → 다 괜찮아",
        "25℃에 3㎡, 100%에 α와 β도 있어.",
        "https://example.com/hello/how/are/you 여기 봐",
        "café에서 만나자",
    ],
)
def test_everyday_signs_in_korean_talk_are_no_fault(turn):
    """Abbreviations, titles in quotes, glosses, faces, units and addresses."""
    assert _codes(turn) == []


@pytest.mark.parametrize(
    ("turn", "code"),
    [
        ("이건 真짜 맛있어", "script.hanja"),
        ("오늘도 ありがとう", "script.kana"),
        ("너는 정말 хорошо 했어", "script.cyrillic"),
        ("그건 สวัสดี 라는 뜻이야", "script.foreign"),
        ("مرحبا 안녕", "script.foreign"),
        ("Hello, how are you doing today?", "script.latin"),
        ("안녕! I am so happy to see you again.", "script.latin"),
        ("*smiles softly* 안녕", "script.latin"),
        ("좋은 아침이야 😀", "script.emoji"),
        ("사랑해 ❤️", "script.emoji"),
        ("가족 👨\u200d👩\u200d👧 사진", "script.emoji"),
        ("한국 🇰🇷 최고", "script.emoji"),
    ],
)
def test_strangers_are_errors(turn, code):
    """Stray scripts, Latin sentences and pictured emoji."""
    assert _codes(turn) == [(code, "error")]


@pytest.mark.parametrize(
    ("turn", "code"),
    [("美 대표팀이 이겼대", "script.hanja"), ("Call Me by Your Name 봤어?", "script.latin")],
)
def test_what_may_be_meant_is_a_warning(turn, code):
    """Newspaper Hanja and titles without quotes."""
    assert _codes(turn) == [(code, "warning")]


def test_a_joined_family_of_emoji_is_one_finding():
    """The place covers the joiners."""
    turn = "가족 👨\u200d👩\u200d👧!"
    found = check_turn(turn)
    assert [turn[one.start : one.end] for one in found] == ["👨\u200d👩\u200d👧"]


def test_rules_allow_emoji_words_and_forbid_emoticons():
    """The character decides."""
    assert _codes("좋아 😀", Rules(emoji="allow")) == []
    assert _codes("오늘은 真인사갈비", Rules(foreign_words=frozenset({"真"}))) == []
    song = "오늘 들은 노래는 how are you my friend 라는 곡이야"
    assert _codes(song) == [("script.latin", "error")]
    assert _codes(song, Rules(foreign_words=frozenset({"how are you my friend"}))) == []
    assert _codes("알겠습니다 ㅋㅋㅋ", Rules(emoticons="forbid")) == [
        ("script.emoticon", "warning")
    ]


def test_a_user_may_write_in_their_own_language():
    """Only a warning, so that no dialogue is thrown away."""
    found = check_turn("Can you speak English?", speaker="user")
    assert [(one.code, one.severity) for one in found] == [("script.latin", "warning")]


def test_letters_are_counted_by_script():
    """Marks and digits are no letters."""
    letters = count_letters("가나ㅋ abc 漢 12!?")
    assert (letters.hangul, letters.latin, letters.other) == (3, 3, 1)
    assert count_letters("123").hangul_share == 1.0
