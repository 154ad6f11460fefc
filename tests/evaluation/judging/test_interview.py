"""Somebody talks with the character, and a judge scores the conversation."""

import json

import pytest

from exagirl.evaluation.judging.reading import dimensions
from exagirl.evaluation.judging.talker import BEGIN
from exagirl.persona.system_prompt import render_system_prompt
from support.chat_server import ChatServer, says
from support.judges import (
    EXA,
    FIRST,
    SYSTEM,
    declines,
    house,
    judge_by,
    judged_at,
    nonsense,
    plays,
    points,
    wonders,
)

ONLY = {"arena_scenarios": 0}
NAMES = [f"interview.{one.name}" for one in dimensions()]
BY_MODEL = judge_by(lambda one, two: 0, lambda talk: 2 if "잘 들었습니다" in talk else 5)


def held(folder, judge=BY_MODEL, *, character=plays, interrogator=wonders, **more):
    """What came of the interviews, and the server that was asked."""
    with ChatServer(house(judge, character, interrogator)) as server:
        return judged_at(server.url, folder, **ONLY, **more), server


def bodies(server, model):
    """What one model was asked."""
    return [one.body["messages"] for one in server.asked if one.body["model"] == model]


def measure(parts, model, name):
    """One measure of a model."""
    return next(one for one in parts.measures[model] if one.name == name)


def test_every_model_has_a_mean_in_every_dimension(tmp_path):
    """From one to five points, each under its own name."""
    parts, _ = held(tmp_path)
    for name in NAMES:
        base, tuned = (measure(parts, model, name) for model in ("base", "tuned"))
        assert (base.value, tuned.value) == (2, 5)
        assert (base.unit, base.layer, base.count) == ("points", "interview", 3)
        assert base.low <= base.value <= base.high


def test_without_an_interrogator_the_probes_are_said_as_they_stand(tmp_path):
    """Names filled in, every model the same lines."""
    parts, server = held(tmp_path)
    assert bodies(server, "interrogator") == []
    for one in parts.interviews:
        said = [turn.content for turn in one.turns if turn.role == "user"]
        assert said == list(one.scene.lines)
        assert all("{캐릭터}" not in line for line in said)


def test_the_interrogator_goes_on_from_the_first_line(tmp_path):
    """It hears what each model answered, and its label is taken off."""
    parts, server = held(tmp_path, is_asked=True)
    assert len(bodies(server, "interrogator")) == 6
    for asked in bodies(server, "interrogator"):
        assert [one["role"] for one in asked] == ["system", "user", "assistant", "user"]
        assert asked[1]["content"] == BEGIN
    for one in parts.interviews:
        assert one.turns[0].content == one.scene.lines[0]
        assert one.turns[2].content == "그래서 4번은 어떻게 됐어?"


def test_the_interrogator_never_sees_the_card(tmp_path):
    """The name and one line; neither the card nor the prompt of the models."""
    _, server = held(tmp_path, is_asked=True)
    told = json.dumps(bodies(server, "interrogator"), ensure_ascii=False)
    assert "엑사" in told
    assert SYSTEM not in told
    for secret in (*EXA.personality, EXA.appearance, EXA.world, *EXA.rules):
        assert secret not in told


def test_the_judge_knows_the_card_and_not_the_model(tmp_path):
    """No name of a model stands in what it reads."""
    alike = lambda asked: says("응, 들었어.")  # noqa: E731 (one line)
    _, server = held(tmp_path, character=alike, models=("secret-a", "secret-b"))
    asked = bodies(server, "judge")
    assert all(render_system_prompt(EXA)[:40] in one[0]["content"] for one in asked)
    assert "secret" not in json.dumps(asked, ensure_ascii=False)
    assert [one["role"] for one in asked[0]] == ["system", "user"]


@pytest.mark.parametrize(
    ("judge", "unreadable", "refused"), [(nonsense, 3, 0), (declines, 0, 3)], ids=["nonsense", "no"]
)
def test_what_the_judge_does_not_say_is_counted_and_not_filled_in(
    judge, unreadable, refused, tmp_path
):
    """No mean, a note with the count, and the counts as measures."""
    parts, _ = held(tmp_path, judge)
    for model in ("base", "tuned"):
        for name in NAMES:
            assert measure(parts, model, name).value is None
            assert "3건" in measure(parts, model, name).note
        assert measure(parts, model, "interview.unreadable").value == unreadable
        assert measure(parts, model, "interview.refused").value == refused


def test_a_quote_that_nobody_said_is_unreadable(tmp_path):
    """Scores without a ground are not taken."""
    parts, _ = held(tmp_path, lambda asked: says(points(5, "아무도 하지 않은 말이다")))
    assert measure(parts, "base", "interview.warmth").value is None
    assert measure(parts, "base", "interview.unreadable").value == 3


def test_some_unreadable_judgements_leave_the_others(tmp_path):
    """The mean is over what was read; the note says what was not."""

    def moody(asked):
        return BY_MODEL(asked) if "1번째" in asked.user and "2번째" not in asked.user else says("")

    parts, _ = held(tmp_path, moody, interviews=12, interview_turns=2)
    found = measure(parts, "tuned", "interview.speech")
    silent = measure(parts, "tuned", "interview.unreadable").value
    assert found.value == 5
    assert 0 < found.count == 12 - silent < 12
    assert f"{silent:.0f}건" in found.note


def test_a_quote_may_hold_the_name_that_stands_for_the_user(tmp_path):
    """The model writes a placeholder, and the judge reads a name."""
    character = lambda asked: says("{유저}야, 왔구나!")  # noqa: E731 (one line)
    judge = lambda asked: says(points(4, "민준아, 왔구나"))  # noqa: E731 (one line)
    parts, _ = held(tmp_path, judge, character=character)
    assert measure(parts, "base", "interview.warmth").value == 4
    assert parts.interviews[0].turns[1].content == "{유저}야, 왔구나!"


def test_long_conversations_are_judged_in_stretches(tmp_path):
    """A point of drift at the end of each."""
    parts, _ = held(tmp_path, interviews=0, drifts=2, drift_turns=12)
    for model, value in (("base", 2), ("tuned", 5)):
        assert [one.name for one in parts.drift[model]] == NAMES
        for drift in parts.drift[model]:
            assert drift.at == (5, 10, 12)
            assert [one.value for one in drift.measures] == [value] * 3
            assert [one.count for one in drift.measures] == [2] * 3


def test_each_stretch_shows_only_itself(tmp_path):
    """What was said before it is not judged twice."""
    _, server = held(tmp_path, interviews=0, drifts=1, drift_turns=10, models=("tuned",))
    first, second = sorted(one[1]["content"] for one in bodies(server, "judge"))
    shown = [sum(line.startswith("엑사:") for line in t.split("\n")) for t in (first, second)]
    assert shown == [5, 5]
    assert first != second


def test_an_empty_reply_is_a_stated_result(tmp_path):
    """Where all are empty nothing is judged, and a trouble says so."""
    parts, server = held(tmp_path, character=lambda asked: says(""))
    assert bodies(server, "judge") == []
    assert measure(parts, "base", "interview.warmth").value is None
    assert {one.part for one in parts.troubles} == {"interview"}
    assert any("빈 답이" in one.message for one in parts.troubles)


def test_a_silent_interrogator_ends_the_conversation(tmp_path):
    """What was said is judged, and a trouble says so."""
    parts, _ = held(tmp_path, interrogator=lambda asked: says(""), is_asked=True)
    assert all(one.is_short and len(one.turns) == 2 for one in parts.interviews)
    assert measure(parts, "tuned", "interview.warmth").count == 3
    assert any("6건" in one.message for one in parts.troubles)


def test_the_best_and_the_worst_reply_are_quoted(tmp_path):
    """With what the judge said of them."""
    judge = judge_by(lambda one, two: 0, lambda talk: 1 if "똑똑" in talk else 4)
    parts, _ = held(tmp_path, judge, interviews=60, models=("tuned",))
    worst, best = parts.quotes
    assert (worst.why, worst.score, best.why, best.score) == ("worst", 1, "best", 4)
    for quote in parts.quotes:
        assert quote.reply.asked
        assert quote.reply.findings[0].excerpt in quote.reply.text
        assert quote.reply.findings[0].code in NAMES


def test_the_same_situations_are_chosen_for_every_model(tmp_path):
    """Of every kind in turn."""
    parts, _ = held(tmp_path, FIRST, interviews=10)
    scenes = [
        [one.scene.id for one in parts.interviews if one.model == model]
        for model in ("base", "tuned")
    ]
    assert scenes[0] == scenes[1]
    assert len({one.scene.kind for one in parts.interviews}) == 10
