"""What rules count in the replies of one model."""

import pytest

from exagirl.evaluation.rules import measure_rules
from exagirl.persona.character import Character, Speech, load_character
from support.replies import reply

EXA = load_character("exa")
NAMES = [
    "empty", "cut", "violations", "level", "level_replies", "endings", "forbidden_endings",
    "hangul", "action_rate", "action_form", "level_slips", "script_leaks", "labels", "loops",
    "echo", "disclosure", "role_breaks", "assistant_speak", "josa", "action_faults", "emoji",
    "forbidden_words", "rep4", "likeness", "length", "length_fit", "distinct1", "distinct2",
    "self_bleu", "voice",
]  # fmt: skip


def measured(*replies, character=EXA, **options):
    """The report of replies, each text in a scenario of its own."""
    made = [
        reply(one, scenario=f"s{at}") if isinstance(one, str) else one
        for at, one in enumerate(replies)
    ]
    return measure_rules(made, character, seed=7, **options)


@pytest.mark.parametrize("character", ["exa", "butler", "sageuk", "busan", "sister"])
def test_every_measure_is_there_for_every_character(character):
    """The same names in the same order; one without a value has a note."""
    report = measured("*웃는다* 응, 좋아!", "", character=load_character(character))
    assert [one.name for one in report.measures] == NAMES
    assert all(one.note for one in report.measures if one.value is None)


def test_without_replies_nothing_is_measured_and_all_is_stated():
    """Every measure has no value and a note; nothing crashes."""
    report = measured()
    assert [one.name for one in report.measures] == NAMES
    assert all(one.value is None and one.note for one in report.measures)
    assert report.drift == ()


def test_the_level_is_counted_by_sentences_and_by_replies():
    """Three of four sentences in banmal; one of two replies, for one polite sentence spoils it."""
    report = measured("나도 좋아! 오늘은 비가 왔어.", "그건 몰라. 저도 궁금해요.")
    level, replies = report.measure("level"), report.measure("level_replies")
    assert (level.value, level.count) == (0.75, 4)
    assert (replies.value, replies.count) == (0.5, 2)
    assert report.measure("level_slips").value == 0.5


def test_sentences_that_show_no_level_are_not_counted():
    """A reply of a noun alone has no level: no value, and the note says why."""
    level = measured("딸기 케이크!").measure("level")
    assert (level.value, level.count) == (None, 0)
    assert "드러나는" in level.note


def test_a_polite_character_is_measured_by_politeness():
    """The butler's level is the polite one."""
    report = measured("차를 올리겠습니다.", "이제 자자.", character=load_character("butler"))
    assert report.measure("level").value == 0.5


def test_an_old_style_has_no_level_but_endings():
    """하오체 is neither of the two; its endings are held against the card's own lines."""
    report = measured("어서 오시오. 기다렸소.", "응, 왔어.", character=load_character("sageuk"))
    for name in ("level", "level_replies", "level_slips"):
        assert report.measure(name).value is None
        assert "하오체" in report.measure(name).note
    endings = report.measure("endings")
    assert endings.better == "range"
    assert (endings.value, endings.count) == (pytest.approx(2 / 3), 3)
    assert 0 < endings.reference[0] < endings.reference[1] <= 1


def test_forbidden_endings_are_counted():
    """One of two sentences ends in what the card forbids."""
    speech = Speech(level="banmal", forbidden_endings=("-당",))
    one = Character(name="별", description="별지기.", speech=speech)
    report = measured("좋당! 가자.", character=one)
    assert report.measure("forbidden_endings").value == 0.5


def test_an_empty_reply_is_counted_not_dropped():
    """It is empty, a violation, without action and Hangul, and of no length."""
    report = measured("", "*웃는다* 응, 좋아!")
    assert report.empty_replies == 1
    for name, value in (
        ("empty", 0.5),
        ("violations", 0.5),
        ("action_rate", 0.5),
        ("action_form", 0.5),
        ("hangul", 0.5),
        ("length", 6.0),
    ):
        measure = report.measure(name)
        assert (measure.value, measure.count) == (value, 2), name


def test_a_reply_without_letters_has_no_hangul_share():
    """Dots are no foreign script."""
    assert measured("...", "응, 좋아.").measure("hangul").count == 1


def test_the_characters_own_foreign_words_are_no_latin():
    """엑사 may say Expert AI for Everyone."""
    assert measured("Expert AI for Everyone, 내 좌우명이야!").measure("hangul").value == 1.0


def test_the_rate_of_actions_is_held_against_the_characters_range():
    """Half of the replies act; 엑사 may from 0.5 to 0.95."""
    rate = measured("*웃는다* 응!", "그래.").measure("action_rate")
    assert (rate.value, rate.reference, rate.better) == (0.5, (0.5, 0.95), "range")


def test_the_form_of_actions_takes_an_action_without_fault():
    """A good one, one that does not close, one beside bold words, and none: a quarter."""
    form = measured(
        "*웃으며* 응!", "*웃으며 응!", "*웃으며* 이건 **정말** 좋아!", "응, 그래."
    ).measure("action_form")
    assert (form.value, form.count) == (0.25, 4)


def test_a_character_that_need_not_act_is_measured_where_it_does():
    """Two replies hold markers, one of them broken; the third says nothing about form."""
    one = Character(name="별", description="별지기.", speech=Speech(level="banmal"))
    form = measured("*웃으며* 응!", "*웃으며 응!", "그래.", character=one).measure("action_form")
    assert (form.value, form.count) == (0.5, 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("script_leaks", "그건 정말 重要해."),
        ("labels", "응, 좋아!\nhuman2: 그럼 내일 보자"),
        ("disclosure", "나는 AI 언어 모델로서 말할게."),
        ("assistant_speak", "다음과 같아.\n1. 하나\n2. 둘\n3. 셋"),
        ("role_breaks", "죄송하지만 그 요청은 도와드릴 수 없습니다."),
        ("josa", "나는 이 책를 좋아해."),
        ("action_faults", "**웃으며** 응!"),
        ("emoji", "좋아 😀"),
        ("loops", "같이 찾아볼까? 나도 궁금해. " * 8),
    ],
)
def test_a_fault_is_counted_in_its_own_measure(name, text):
    """One of two replies, lower is better; the finding stands in the reply."""
    report = measured(text, "*웃는다* 응, 그래!")
    assert (report.measure(name).value, report.measure(name).better) == (0.5, "lower")
    assert report.replies[0].findings
    assert report.replies[1].findings == ()


def test_what_was_said_before_is_an_echo():
    """The same line again: echo, and a likeness of 1; a new one has neither."""
    line = "창밖이 분홍빛으로 물들면 네 생각이 나서 자꾸 문 쪽을 보게 돼."
    again = reply(line, earlier=[line], scenario="s1")
    fresh = reply("오늘은 무슨 책 읽을까?", earlier=[line], scenario="s2")
    report = measured(again, fresh)
    assert report.measure("echo").value == 0.5
    assert report.measure("likeness").value == pytest.approx(0.5, abs=0.02)


def test_a_first_reply_has_nothing_to_be_like():
    """No earlier turn: no value, and the note says why."""
    assert measured("응!").measure("likeness").note


def test_cut_replies_are_counted():
    """Those that the limit of tokens ended."""
    report = measured(reply("그래서 나는", is_cut=True), reply("응!", scenario="s2"))
    assert report.measure("cut").value == 0.5


def test_a_finding_shows_the_words_that_it_is_about():
    """With code, severity and a Korean message."""
    (finding,) = (
        one for one in measured("그건 정말 重要해.").replies[0].findings if "script" in one.code
    )
    assert (finding.code, finding.excerpt, finding.severity) == ("script.hanja", "重要", "error")
    assert "한자" in finding.message


def test_codes_are_counted_once_a_reply():
    """Two Hanja words in one reply, one in another: two replies."""
    report = measured("重要하고 必要해.", "그건 重要해.")
    assert report.findings["script.hanja"] == 2


def test_drift_follows_the_turns():
    """Banmal at first, polite at turn 12: two points, the second in the bucket of 10."""
    early = reply("나도 좋아.", scenario="a", position=1)
    late = reply("저도 좋아요.", scenario="a", position=12)
    curve = next(one for one in measured(early, late).drift if one.name == "level")
    assert curve.at == (1, 10)
    assert [point.value for point in curve.measures] == [1.0, 0.0]


def test_replies_keep_their_order():
    """What comes back is what was given, with findings."""
    texts = ["셋", "하나", "", "둘"]
    assert [one.text for one in measured(*texts).replies] == texts


def test_the_values_of_a_mean_come_back_by_scenario():
    """They add up to the measure; what is no mean has none."""
    texts = ["나도 좋아! 저도요.", "", "*웃는다* 응, 그건 몰라. " * 3, "그래요."]
    report = measured(*texts * 10)
    for name, scenarios in report.values.items():
        values = [value for some in scenarios.values() for value in some]
        assert len(values) == report.measure(name).count, name
        assert sum(values) / len(values) == pytest.approx(report.measure(name).value), name
    assert {"level", "hangul", "action_form", "length"} <= report.values.keys()
    assert not {"voice", "distinct1", "self_bleu", "endings"} & report.values.keys()


def test_replies_of_two_models_are_refused():
    """They would be mixed into one number."""
    with pytest.raises(ValueError, match="several models"):
        measured(reply("응", model="base"), reply("응", model="tuned"))


def test_the_same_seed_gives_the_same_report():
    """Intervals and samples are seeded."""
    texts = [f"오늘은 {n}번째 책을 읽었어. 정말 재밌더라!" for n in range(30)]
    assert measured(*texts) == measured(*texts)


def test_odd_replies_are_measured_not_raised():
    """Broken, huge and empty text alike."""
    report = measured("\ufffd\x00", "가" * 20_000, "*" * 500, "\u200b", "😀" * 50)
    assert report.measure("violations").count == 5
