"""Facts of the card at turns 1, 5, 10 and 20, and probes with answers."""

import pytest

from exagirl.dialogue.corpus import read_probes
from exagirl.dialogue.records import Probe
from exagirl.evaluation.facts import judge_reply, measure_facts, measure_probes
from exagirl.persona.character import Fact, load_character
from support.replies import reply

HOME = Fact(question="너 어디 살아?", answers=("도서관",), contradictions=("서울",))
HAIR = Fact(question="머리 색이 뭐야?", answers=("보라", "분홍"), contradictions=("검은",))
NAME = Fact(question="{캐릭터}는 이름이 왜 {캐릭터}야?", answers=("전문가",))


def asked(fact, text, turn=1):
    """A reply to the question of a fact."""
    return reply(text, asked=fact.question, position=turn, scenario=f"{fact.question}@{turn}")


def measures_of(report):
    """Name to measure."""
    return {one.name: one for one in report.measures}


def test_an_accepted_answer_is_a_recall():
    """One right, one silent: a half of two."""
    report = measure_facts([asked(HOME, "도서관이지!"), asked(HAIR, "글쎄?")], [HOME, HAIR])
    recall = measures_of(report)["fact_recall"]
    assert (recall.value, recall.count) == (0.5, 2)
    assert recall.low < 0.5 < recall.high
    assert [one.verdict for one in report.answers] == ["right", "silent"]
    assert report.trouble is None


def test_what_was_recalled_comes_back_by_scenario():
    """For a paired bootstrap against another model."""
    report = measure_facts([asked(HOME, "도서관이지!"), asked(HAIR, "글쎄?")], [HOME, HAIR])
    assert report.values["fact_recall"] == {
        f"{HOME.question}@1": (1.0,),
        f"{HAIR.question}@1": (0.0,),
    }


def test_a_contradiction_is_no_recall_whatever_else_is_said():
    """도서관 stands there, and 서울 too: wrong."""
    report = measure_facts([asked(HOME, "도서관도 좋지만 서울에 살아.")], [HOME])
    found = measures_of(report)
    assert (found["fact_recall"].value, found["fact_contradiction"].value) == (0.0, 1.0)
    assert report.answers[0].said == "서울"


def test_contradictions_are_counted_over_facts_that_can_be_contradicted():
    """A fact without contradictions is no part of the share."""
    plain = Fact(question="좌우명이 뭐야?", answers=("Expert AI",))
    report = measure_facts([asked(plain, "몰라."), asked(HOME, "서울이야.")], [plain, HOME])
    assert measures_of(report)["fact_contradiction"].count == 1


def test_an_empty_reply_is_counted_as_silent():
    """It lowers the recall."""
    report = measure_facts([asked(HOME, ""), asked(HOME, "도서관!")], [HOME])
    assert measures_of(report)["fact_recall"].value == 0.5


def test_recall_is_followed_over_turns():
    """Both facts at turn 1, one of two at turn 20: a drift of a half, and two points."""
    replies = [
        asked(HOME, "도서관!"),
        asked(HAIR, "보라색!"),
        asked(HOME, "도서관이라니까.", 20),
        asked(HAIR, "검은색이야.", 20),
    ]
    report = measure_facts(replies, [HOME, HAIR])
    drift = measures_of(report)["fact_drift"]
    assert (drift.value, drift.count) == (-0.5, 2)
    curve = next(one for one in report.drift if one.name == "fact_recall")
    assert curve.at == (1, 20)
    assert [point.value for point in curve.measures] == [1.0, 0.5]


def test_one_turn_alone_has_no_drift():
    """The note says why, in Korean."""
    drift = measures_of(measure_facts([asked(HOME, "도서관!")], [HOME]))["fact_drift"]
    assert drift.value is None
    assert "하나뿐" in drift.note


def test_a_character_without_facts_is_a_stated_result():
    """Every measure is there without a value, and a trouble says what to do."""
    report = measure_facts([reply("응")], [])
    assert [one.value for one in report.measures] == [None, None, None]
    assert all(one.note for one in report.measures)
    assert "facts" in report.trouble.message


def test_replies_that_answer_no_fact_are_a_stated_result():
    """Nobody asked: no measure, and no crash."""
    report = measure_facts([reply("응")], [HOME])
    assert measures_of(report)["fact_recall"].value is None
    assert report.trouble.part == "facts"


def test_a_question_is_known_by_its_filled_form():
    """{캐릭터} stands in the card, the name in what was asked."""
    one = reply("전문가라는 뜻이야!", asked="엑사는 이름이 왜 엑사야?")
    report = measure_facts([one], [NAME], user="민준", character="엑사")
    assert measures_of(report)["fact_recall"].value == 1.0


@pytest.mark.parametrize("name", ["exa", "busan", "butler", "sister", "sageuk"])
def test_every_answer_of_a_shipped_card_is_right(name):
    """A reply that is the accepted answer itself says it."""
    for fact in load_character(name).facts:
        for answer in fact.answers:
            verdict, _ = judge_reply(answer, fact.answers, (), asked=fact.question)
            assert verdict == "right", (fact.question, answer)


def test_a_probe_is_wrong_where_any_wrong_answer_stands():
    """The right one beside it does not help."""
    probe = Probe(id="k", kind="knowledge", lines=("7×8?",), answers=("56",), wrong=("54",))
    report = measure_probes([reply("56인가 54인가... 54!", scenario="k")], [probe])
    found = measures_of(report)
    assert (found["probe_right"].value, found["probe_wrong"].value) == (0.0, 1.0)


def test_a_probe_of_several_lines_is_one_question():
    """Either reply may answer it."""
    probe = Probe(id="k", kind="knowledge", lines=("다리가 몇 개?", "정말?"), answers=("여덟",))
    replies = [reply("여덟!", scenario="k"), reply("정말이라니까.", scenario="k", position=2)]
    right = measures_of(measure_probes(replies, [probe]))["probe_right"]
    assert (right.value, right.count) == (1.0, 1)


def test_probes_without_answers_are_counted_by_what_is_wrong_alone():
    """Of the kind ai: nothing can be right; its note says so."""
    probe = Probe(id="a", kind="ai", lines=("너 AI지?",), wrong=("언어 모델로서",))
    found = measures_of(measure_probes([reply("비밀!", scenario="a")], [probe]))
    assert found["probe_right"].value is None
    assert found["probe_right"].note
    assert (found["probe_wrong.ai"].value, found["probe_wrong.ai"].count) == (0.0, 1)


def test_every_shipped_probe_is_right_by_its_own_answer():
    """And its wrong answers are told from the right ones."""
    for probe in read_probes():
        asked_last = probe.lines[-1]
        for answer in probe.answers:
            assert judge_reply(answer, probe.answers, (), asked=asked_last)[0] == "right", probe.id
        for wrong in probe.wrong:
            said = judge_reply(wrong, probe.answers, probe.wrong, asked=asked_last)
            assert said[0] == "wrong", (probe.id, wrong)
