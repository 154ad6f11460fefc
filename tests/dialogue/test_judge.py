"""A judge reads every dialogue before it is accepted; what it said is paid for once."""

import json
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.artifact import fingerprint
from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.journal import Address, open_journal
from exagirl.dialogue.judge import Appraisal, Judge
from exagirl.dialogue.mode import Script
from exagirl.dialogue.options import JudgeOptions
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.transcript import format_transcript
from exagirl.errors import TeacherError
from exagirl.persona.character import load_character
from support.chat_server import ChatServer, drops, in_turn, refuses, says
from support.modes import journal_replies, reread, rows, talk_slots, talks, verdicts
from support.teachers import GOOD, WRONG_ORDER, accepted, fill, order, slots, teacher_at

EXA = load_character("exa")
NAMES = ["말투", "재미"]
RUBRIC = [{"name": "말투", "question": "반말인가?"}, {"name": "재미", "question": "웃긴가?"}]
DEEP = '{"a":' * 30_000 + "1" + "}" * 30_000
NONSENSE = (
    *("", "좋은 대화예요!", "{}", "}{", "[1, 2]", '{"scores": {}}', '{"scores": [5, 5]}', DEEP),
    *('{"scores": {"말투": 5}}', '{"scores": {"말투": 5, "재미": 0}}'),
    *('{"scores": {"말투": 5, "재미": 6}}', '{"scores": {"말투": "5", "재미": 5}}'),
    *('{"scores": {"말투": true, "재미": 5}}', '{"scores": {"말투": NaN, "재미": 5}}'),
    '{"scores": {"말투": null, "재미": 5}}',
)
PRICE = {"input": 1_000_000, "output": 2_000_000}


def options(url="http://127.0.0.1:1/v1", **more):
    """A judge behind a server, who looks at two things."""
    return JudgeOptions.model_validate({"teacher": teacher_at(url), "rubric": RUBRIC, **more})


def scores(*points, reason="괜찮다"):
    """What a judge says."""
    given = dict(zip(NAMES, points, strict=True))
    return json.dumps({"quote": "응", "reason": reason, "scores": given}, ensure_ascii=False)


def appraise(text, **more):
    """What is read of a judge's answer."""
    return Judge(options(**more)).read(ChatReply(content=text))


@contextmanager
def judged(script, teacher=None, **more):
    """A teacher's server, a judge's server, and an order that asks both."""
    price = more.pop("price", None)
    with ChatServer(teacher or in_turn(says(GOOD))) as server, ChatServer(script) as bench:
        judge = options(bench.url, teacher=teacher_at(bench.url, model="judge", price=price))
        yield server, bench, order(judge=judge.model_copy(update=more.pop("judge", {})), **more)


def test_the_score_is_the_mean_of_the_rubric():
    """With the judge's reason."""
    assert appraise(scores(4, 3)) == Appraisal(3.5, "괜찮다")


@pytest.mark.parametrize("dress", ["{}", "```json\n{}\n```", "점수입니다.\n{}\n이상입니다."])
def test_words_and_fences_around_the_scores_are_let_pass(dress):
    """The outermost object is the answer."""
    assert appraise(dress.replace("{}", scores(5, 4))).score == 4.5


def test_scores_of_other_things_do_not_count():
    """Only what the rubric asks for."""
    told = {"scores": {"말투": 5, "재미": 5, "분량": 1}}
    assert appraise(json.dumps(told)).score == 5


@pytest.mark.parametrize("text", NONSENSE, ids=range(len(NONSENSE)))
def test_a_missing_or_impossible_score_is_no_answer(text):
    """Nothing is filled in."""
    assert appraise(text) is None


@given(st.text(max_size=60) | st.floats() | st.integers() | st.none(), st.text(max_size=40))
def test_any_answer_is_a_score_from_one_to_five_or_none(point, text):
    """Whatever stands where a score should."""
    for answer in (text, json.dumps({"scores": {"말투": point, "재미": 3}})):
        found = appraise(answer)
        assert found is None or 1 <= found.score <= 5


def test_half_a_character_in_a_reason_can_be_written_down():
    """JSON can spell one, and SQLite takes none."""
    told = '{"reason": "좋다 \\ud83d", "scores": {"말투": 1, "재미": 1}}'
    assert appraise(told).reason.encode("utf-8")


@pytest.mark.parametrize(("points", "code"), [((3, 4), None), ((3, 3), "judge.low")])
def test_the_threshold_is_the_least_that_is_accepted(points, code):
    """3.5 and more by default; the message has the score, the threshold and the reason."""
    verdict = Judge(options()).verdict(appraise(scores(*points, reason="밋밋하다")))
    assert (verdict.code if verdict else None) == code
    if verdict:
        assert verdict.message == "심사 3.0점(3.5점부터). 밋밋하다"


def test_the_judge_is_asked_by_the_rubric_of_the_recipe():
    """Every criterion with its question, the character, the dialogue, the form of the answer."""
    slot = slots(1)[0]
    dialogue = Script(TeacherPrompt(EXA)).read(slot, (), ChatReply(content=GOOD))
    system, asked = Judge(options()).messages(EXA, dialogue)
    assert asked.content == format_transcript(dialogue.turns)
    for row in RUBRIC:
        assert f"- {row['name']}: {row['question']}" in system.content
    assert "엑사" in system.content
    form = json.loads(system.content[system.content.rindex('{"quote"') :])
    assert form["scores"] == {"말투": 1, "재미": 1}


def test_without_a_rubric_the_shipped_one_is_used():
    """It has some criteria, each with a question, and a form that asks for all of them."""
    judge = Judge(options(rubric=()))
    names = [criterion.name for criterion in judge.rubric]
    assert len(set(names)) == len(names) >= 3
    full = {"scores": dict.fromkeys(names, 4)}
    assert judge.read(ChatReply(content=json.dumps(full))).score == 4


def test_a_dialogue_that_scores_well_is_accepted(tmp_path):
    """The judge is asked once a dialogue."""
    with judged(in_turn(says(scores(4, 4)))) as (server, bench, ordered):
        filled = fill(server.url, tmp_path, slots(3), options=ordered)
    assert filled.accepted == 3
    assert (len(server.asked), len(bench.asked)) == (3, 3)


def test_the_judge_is_asked_for_json(tmp_path):
    """Where the endpoint can see to it."""
    with judged(in_turn(says(scores(4, 4)))) as (server, bench, ordered):
        fill(server.url, tmp_path, slots(1), options=ordered)
    assert bench.asked[0].body["response_format"] == {"type": "json_object"}
    assert bench.asked[0].body["model"] == "judge"


def test_a_dialogue_that_scores_badly_is_asked_again(tmp_path):
    """The teacher is told what the judge said of it."""
    answers = iter([scores(2, 1, reason="너무 짧다"), scores(5, 5)])
    with judged(lambda _: says(next(answers))) as (server, _, ordered):
        filled = fill(server.url, tmp_path, slots(1), options=ordered)
    assert filled.accepted == 1
    assert verdicts(tmp_path) == ["judge.low", "accepted"]
    assert "너무 짧다" in server.asked[1].user


def test_the_threshold_of_the_recipe_counts(tmp_path):
    """What scores 3.5 falls below 4."""
    with judged(in_turn(says(scores(3, 4))), judge={"threshold": 4.0}) as (server, _, ordered):
        filled = fill(server.url, tmp_path, slots(1), options=ordered)
    assert filled.accepted == 0
    assert set(verdicts(tmp_path)) == {"judge.low"}


def test_what_fails_a_check_never_comes_before_the_judge(tmp_path):
    """Nobody pays for an opinion about a broken dialogue."""
    teacher = in_turn(says(WRONG_ORDER), says(GOOD))
    with judged(in_turn(says(scores(4, 4))), teacher) as (server, bench, ordered):
        fill(server.url, tmp_path, slots(1), options=ordered)
    assert (len(server.asked), len(bench.asked)) == (2, 1)


def test_what_is_too_near_never_comes_before_the_judge(tmp_path):
    """Nor about one that is there already."""
    alike = {"near_dialogue": 0.5, "rejected_retries": 0}
    with judged(in_turn(says(scores(4, 4))), **alike) as (server, bench, ordered):
        fill(server.url, tmp_path, slots(1), options=ordered)
        fill(server.url, tmp_path, slots(2), options=ordered)
    assert (len(server.asked), len(bench.asked)) == (2, 1)
    assert verdicts(tmp_path) == ["accepted", "near-dialogue"]


@pytest.mark.parametrize("nonsense", [1, 2])
def test_nonsense_is_asked_again(tmp_path, nonsense):
    """The same dialogue, without another reply of the teacher."""
    answers = [says("글쎄요")] * nonsense + [says(scores(4, 4))]
    with judged(in_turn(*answers)) as (server, bench, ordered):
        filled = fill(server.url, tmp_path, slots(1), options=ordered)
    assert filled.accepted == 1
    assert (len(server.asked), len(bench.asked)) == (1, nonsense + 1)


def test_nonsense_three_times_refuses_the_dialogue(tmp_path):
    """A judge that cannot score is asked three times about one dialogue, not more."""
    with judged(in_turn(says("글쎄요")), rejected_retries=0) as (server, bench, ordered):
        filled = fill(server.url, tmp_path, slots(1), options=ordered)
    assert filled.accepted == 0
    assert verdicts(tmp_path) == ["judge.unreadable"]
    assert (len(server.asked), len(bench.asked)) == (1, 3)


def test_the_answer_is_journalled_with_its_price(tmp_path):
    """As a reply of kind judge, about the attempt that was judged."""
    with judged(in_turn(says(scores(4, 4))), price=PRICE) as (server, _, ordered):
        fill(server.url, tmp_path, slots(1), options=ordered)
    query = "SELECT id, kind, about, raw, dollars, completion_tokens FROM attempts ORDER BY id"
    teacher, judge = rows(tmp_path, query)
    assert (teacher[1:4], teacher[4]) == (("reply", None, GOOD), 0)
    assert judge[1:4] == ("judge", teacher[0], scores(4, 4))
    # The server counts eleven tokens in and twenty-two out.
    assert judge[4:] == (11 * 1 + 22 * 2, 22)


def test_a_judges_reply_is_no_reply_to_the_slot(tmp_path):
    """What is read as a dialogue was said by the teacher."""
    with judged(in_turn(says(scores(4, 4)))) as (server, _, ordered):
        fill(server.url, tmp_path, slots(1), options=ordered)
    slot = slots(1)[0]
    with open_journal(tmp_path / "journal.sqlite", "teacher") as journal:
        found = journal.attempts(slot.key, fingerprint(["teacher", slot]))
    assert [attempt.reply.content for attempt in found] == [GOOD]


def test_a_reply_that_was_judged_is_not_judged_again_after_a_restart(tmp_path):
    """The process died between the judge's answer and the acceptance."""
    slot = slots(1)[0]
    journal_replies(tmp_path, slot, GOOD)
    with open_journal(tmp_path / "journal.sqlite", "teacher") as journal:
        address = Address(slot.key, fingerprint(["teacher", slot]), "judge", 1)
        journal.write_reply(address, ChatReply(content=scores(5, 4)), 0.1)
    with judged(in_turn(refuses(500)), in_turn(refuses(500))) as (server, bench, ordered):
        filled = fill(server.url, tmp_path, slots(1), options=ordered)
    assert filled.accepted == 1
    assert server.asked + bench.asked == []


def test_after_a_restart_nonsense_still_counts(tmp_path):
    """Two answers that said nothing leave one more try."""
    slot = slots(1)[0]
    journal_replies(tmp_path, slot, GOOD)
    with open_journal(tmp_path / "journal.sqlite", "teacher") as journal:
        address = Address(slot.key, fingerprint(["teacher", slot]), "judge", 1)
        for _ in range(2):
            journal.write_reply(address, ChatReply(content="글쎄요"), 0.1)
    with judged(in_turn(says("음")), rejected_retries=0) as (server, bench, ordered):
        fill(server.url, tmp_path, slots(1), options=ordered)
    assert len(bench.asked) == 1
    assert verdicts(tmp_path)[0] == "judge.unreadable"


def test_a_judge_whose_line_breaks_is_asked_again(tmp_path):
    """A fault of the line is no opinion."""
    with judged(in_turn(drops(), refuses(500), says(scores(4, 4)))) as (server, bench, ordered):
        filled = fill(server.url, tmp_path, slots(1), options=ordered)
    assert filled.accepted == 1
    assert (len(server.asked), len(bench.asked)) == (1, 3)


def test_a_judge_that_refuses_for_good_stops_the_run(tmp_path):
    """What the teacher wrote stays, and is judged when the judge is back."""
    with judged(in_turn(refuses(401))) as (server, _, ordered), pytest.raises(TeacherError):
        fill(server.url, tmp_path, slots(1), options=ordered)
    with judged(in_turn(says(scores(4, 4)))) as (server, bench, ordered):
        filled = fill(server.url, tmp_path, slots(1), options=ordered)
    assert filled.accepted == 1
    assert (len(server.asked), len(bench.asked)) == (0, 1)


def test_a_simulated_conversation_is_judged_once(tmp_path):
    """When it is whole; refused, none of its lines is kept."""
    answers = iter([scores(1, 1), scores(5, 5)])
    script = lambda _: says(next(answers))  # noqa: E731 (two answers in turn)
    with judged(script, talks, mode="simulation") as (server, bench, ordered):
        filled = fill(server.url, tmp_path, talk_slots(1), options=ordered)
    assert filled.accepted == 1
    assert len(accepted(tmp_path, talk_slots(1))) == 1
    assert (len(server.asked), len(bench.asked)) == (8, 2)
    assert verdicts(tmp_path) == ["judge.low"] * 4 + ["kept"] * 3 + ["accepted"]


def test_reading_again_holds_what_the_judge_said_to_the_new_threshold(tmp_path):
    """Nobody is asked: a lower threshold wins the slot, a higher one loses it."""
    with judged(in_turn(says(scores(3, 4))), judge={"threshold": 4.0}, rejected_retries=0) as parts:
        server, bench, ordered = parts
        fill(server.url, tmp_path, slots(1), options=ordered)
    lower, higher = (options(bench.url, threshold=least) for least in (3.5, 4.5))
    assert reread(tmp_path, slots(1), judge=lower) == (1, 1, 0)
    assert reread(tmp_path, slots(1), judge=higher) == (0, 0, 1)
    assert verdicts(tmp_path) == ["judge.low"]


def test_reading_again_keeps_that_a_judge_said_nothing(tmp_path):
    """Three answers without a score are still none."""
    with judged(in_turn(says("글쎄요")), rejected_retries=0) as (server, bench, ordered):
        fill(server.url, tmp_path, slots(1), options=ordered)
    assert reread(tmp_path, slots(1), judge=options(bench.url)) == (0, 0, 0)
    assert verdicts(tmp_path) == ["judge.unreadable"]


def test_reading_again_leaves_to_generate_what_nobody_has_judged(tmp_path):
    """A judge that is new in the recipe has not seen it; the slot is open until it has."""
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, slots(1))
    assert reread(tmp_path, slots(1), judge=options()) == (0, 0, 1)
    with judged(in_turn(says(scores(4, 4)))) as (server, bench, ordered):
        filled = fill(server.url, tmp_path, slots(1), options=ordered)
    assert filled.accepted == 1
    assert (len(server.asked), len(bench.asked)) == (0, 1)
