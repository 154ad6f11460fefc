"""The one entry for all checks."""

import itertools
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exagirl.korean.check import Finding, Rules, check_turn
from exagirl.korean.findings import codes

_DOCS = Path(__file__).parents[2] / "docs" / "korean.md"
_SOURCES = Path(__file__).parents[2] / "src" / "exagirl" / "korean"
_ASKED = {
    "text.long": Rules(max_length_chars=20),
    "speech.polite": Rules(level="banmal"),
    "speech.banmal": Rules(level="polite"),
    "action.missing": Rules(actions="require"),
    "action.forbidden": Rules(actions="forbid"),
    "action.share": Rules(max_action_share=0.5),
    "script.emoticon": Rules(emoticons="forbid"),
    "word.forbidden": Rules(forbidden_words=("젠장",)),
}
_STRICT = Rules(
    level="banmal",
    names=("엑사",),
    user_names=("민준",),
    emoticons="forbid",
    actions="require",
    max_action_share=0.3,
    forbidden_words=("젠장",),
    max_length_chars=50,
)


@pytest.mark.parametrize("code", sorted(codes()))
def test_the_example_of_every_code_gets_that_code_alone(code):
    """The table of codes holds what it says."""
    row = codes()[code]
    history = (row.bad,) if code == "repeat.history" else ()
    found = check_turn(row.bad, _ASKED.get(code, Rules()), history)
    assert [one.code for one in found] == [code]
    assert found[0].severity in row.severity
    assert "{" not in found[0].message.replace("{유저}", "")


def test_every_code_in_the_sources_is_in_the_table_and_in_the_docs():
    """docs/korean.md has a row for every code, with its severities."""
    quoted = {
        part
        for path in _SOURCES.glob("*.py")
        for part in path.read_text(encoding="utf-8").split('"')
        if part.count(".") == 1 and part.split(".")[0] in {name.split(".")[0] for name in codes()}
    }
    assert quoted <= set(codes())
    rows = {
        cells[1].strip("` "): cells[2].strip()
        for line in _DOCS.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `") and len(cells := line.split("|")) > 3
    }
    for name, row in codes().items():
        assert rows[name] == ", ".join(row.severity), name


def test_findings_come_in_order_and_point_into_the_turn_as_given():
    """Places count in the given text, not in its normal form."""
    turn = unicodedata.normalize("NFD", "안녕 😀 ") + "human2: 응\u200b"
    found = check_turn(turn)
    assert [one.start for one in found] == sorted(one.start for one in found)
    by_code = {one.code: turn[one.start : one.end] for one in found}
    assert by_code["script.emoji"] == "😀"
    assert by_code["label.speaker"] == "human2:"
    assert by_code["text.invisible"] == "\u200b"


def test_rules_and_findings_are_frozen_and_refuse_unknown_keys():
    """A typo in a rule is an error, not a rule that never holds."""
    with pytest.raises(ValidationError):
        Rules(levle="banmal")
    with pytest.raises(ValidationError):
        Finding(code="text.empty", start=0, end=0, severity="fatal", message="")
    with pytest.raises(ValidationError):
        Rules().level = "banmal"


@pytest.mark.parametrize(
    ("turn", "level", "severities"),
    [
        ("오늘 재밌었다. 다음에 또 만나요.", "banmal", ["error"]),
        ("안녕하세요! 나는 엑사야.", "banmal", ["error"]),
        ("저도 좋아요. 내일 봐요.", "banmal", ["error", "error"]),
        ("여보세요? 나야!", "banmal", ["warning"]),
        ("잘 먹겠습니다! 와, 맛있다.", "banmal", ["warning"]),
        ("알겠슴다ㅋㅋ 바로 갈게.", "banmal", ["warning"]),
        ("자, 다들 먹읍시다!", "banmal", ["warning"]),
        ("나 그거 필요해. 수요일에 봐.", "banmal", []),
        ('할머니가 "밥은 드셨어요?" 하셨어.', "banmal", []),
        ("*고개를 끄덕인다*", "banmal", []),
        ("나 지금 가고 있어. 조금만 기다려.", "polite", ["error"]),
        ("이런, 벌써 해가 졌군.", "polite", ["warning"]),
        ("아직 식사도 안 하셨을 텐데…", "polite", ["warning"]),
        ("글쎄, 어디 보자.", "polite", ["warning"]),
        ("네, 알겠습니다. 나도 좋아해.", "polite", ["warning"]),
        ("와, 정말 예쁘네. 그렇지 않습니까?", "polite", []),
        ("*문을 연다* 어서 오십시오.", "polite", []),
        ("딸기 케이크!", "polite", []),
    ],
)
def test_sentences_out_of_level_are_found(turn, level, severities):
    """One polite sentence of a banmal character is an error; what may be meant is a warning."""
    found = [one for one in check_turn(turn, Rules(level=level)) if one.code.startswith("speech")]
    assert [one.severity for one in found] == severities


def test_a_users_level_only_warns():
    """A user speaks as they like; only user_level is looked at, and not the character's."""
    rules = Rules(level="banmal", user_level="banmal")
    found = check_turn("저 왔어요.", rules, speaker="user")
    assert [(one.code, one.severity) for one in found] == [("speech.polite", "warning")]
    assert check_turn("저 왔어요.", Rules(level="banmal"), speaker="user") == []
    assert check_turn("무엇을 도와드릴까요? 😀", speaker="user") == []


@pytest.mark.parametrize("turn", ["", "   ", "\n", "\u200b", "\ud800"])
def test_nothing_said_is_an_error_for_everybody(turn):
    """Invisible characters say nothing."""
    for speaker in ("assistant", "user"):
        assert "text.empty" in [one.code for one in check_turn(turn, speaker=speaker)]


@given(st.text(alphabet=st.characters(), max_size=120), st.sampled_from([Rules(), _STRICT]))
@settings(max_examples=300, deadline=None)
def test_any_text_gets_an_answer(turn, rules):
    """Surrogates, joiners, marks of direction: findings within the turn, never an exception."""
    for speaker in ("assistant", "user"):
        for one in check_turn(turn, rules, [turn], speaker=speaker):
            assert 0 <= one.start <= one.end <= len(turn)


@given(
    st.lists(
        st.sampled_from(
            [
                "*",
                "**",
                "{유저}",
                "{{user}}",
                "야",
                "는",
                "요",
                "안녕",
                "ㅋㅋ",
                " ",
                "\n",
                '"',
                "'",
                "`",
                "```",
                "(",
                ")",
                "|",
                "-",
                "#",
                ":",
                "human1",
                "AI",
                "나는",
                "漢",
                "😀",
                "\u200d",
                "�",
                "각",
                "책를",
                "~",
            ]
        ),
        max_size=30,
    )
)
@settings(max_examples=300, deadline=None)
def test_any_mixture_of_marks_gets_an_answer(pieces):
    """Markers in every order."""
    turn = "".join(pieces)
    for one in check_turn(turn, _STRICT, [turn]):
        assert 0 <= one.start <= one.end <= len(turn)


_HUGE = 100_000
_NASTY = {
    "one syllable": "가",
    "syllables": "가나다라마바사",
    "polite": "안녕하세요저는엑사예요",
    "endings": "했어 ",
    "latin": "a",
    "blanks": " ",
    "newlines": "\n",
    "asterisks": "*",
    "open actions": "*a\n\n",
    "half actions": "*가",
    "quotes": '"가',
    "ticks": "```가",
    "brackets": "(가다",
    "braces": "{유저}야",
    "labels": "gpt ",
    "wrong particles": "학생가 ",
    "certain particles": "책를 ",
    "calls": "오빠 ",
    "decomposed": unicodedata.normalize("NFD", "각"),
    "joiners": "\u200d",
    "surrogates": "\ud800",
    "directions": "\u200f가",
    "emoji": "😀\u200d",
    "disclosure": "나는 AI ",
    "hanja": "漢",
    "table": "| ",
}


@pytest.mark.parametrize("name", sorted(_NASTY))
def test_a_hundred_thousand_characters_take_bounded_time(name):
    """No pattern and no analysis grows faster than the text."""
    turn = "가" + (_NASTY[name] * _HUGE)[:_HUGE] + "나"
    check_turn("나 먼저 가", Rules(level="banmal"))
    started = time.perf_counter()
    for level in ("banmal", "polite"):
        found = check_turn(turn, Rules(level=level, names=("엑사",)), [turn])
        assert max(map(len, _by_code(found).values()), default=0) <= 20
    assert time.perf_counter() - started < 10


def _by_code(found):
    ordered = sorted(found, key=lambda one: one.code)
    return {code: list(same) for code, same in itertools.groupby(ordered, lambda one: one.code)}
