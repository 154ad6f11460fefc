"""Interview, arena and certificate together, on lines that fail."""

import json
import time
from collections import Counter

import pytest

from exagirl.errors import TeacherError
from exagirl.evaluation.judging.judged import JudgedParts
from support.chat_server import ChatServer, drops, refuses
from support.judges import FANCY, FIRST, house, judged_at, nonsense, plays

ALL = {"certify_pairs": 1, "drifts": 1, "drift_turns": 5}
PARTS = ("measures", "drift", "arena", "certificate", "quotes", "interviews", "fights")


def what_was_asked(server):
    """Every question, as often as it came."""
    return Counter(json.dumps(one.body, sort_keys=True) for one in server.asked)


def same(one: JudgedParts, two: JudgedParts) -> bool:
    """True where two runs found the same."""
    return all(getattr(one, name) == getattr(two, name) for name in PARTS)


def test_everything_comes_from_one_call(tmp_path):
    """Scores, drift, arena and certificate; a record that can be written and read."""
    with ChatServer(house(FANCY)) as server:
        parts = judged_at(server.url, tmp_path, **ALL)
    assert set(parts.measures) == set(parts.drift) == {"base", "tuned"}
    assert len(parts.arena) == 1
    assert parts.certificate.judge == "judge"
    assert JudgedParts.model_validate_json(parts.model_dump_json()) == parts


def test_what_is_needed_to_do_it_again_is_told(tmp_path):
    """Seed, prompts, models and options, without a secret."""
    with ChatServer(house(FANCY)) as server:
        repeat = judged_at(server.url, tmp_path, **ALL).repeat["judging"]
    assert repeat["seed"] == 7
    assert len(repeat["prompts"]) == 64
    assert set(repeat["models"]) == {"base", "tuned"}
    assert repeat["options"]["certify_pairs"] == 1


def test_no_question_is_asked_twice(tmp_path):
    """Not in a run, and not in the next one."""
    with ChatServer(house(FANCY)) as server:
        first = judged_at(server.url, tmp_path, **ALL)
        asked = what_was_asked(server)
        again = judged_at(server.url, tmp_path, **ALL)
        assert set(asked.values()) == {1}
        assert what_was_asked(server) == asked
    assert same(first, again)


@pytest.mark.parametrize("died_at", [1, 7, 25])
def test_a_server_that_dies_midway_and_comes_back_is_asked_only_the_rest(died_at, tmp_path):
    """The run stops with a clear error; the next one ends as an unbroken one does."""
    script = house(FANCY)
    is_up = [False]

    def mortal(asked):
        return script(asked) if is_up[0] or asked.number <= died_at else drops()

    with ChatServer(script) as server:
        whole = judged_at(server.url, tmp_path / "whole", **ALL)
        needed = len(server.asked)
    with ChatServer(mortal) as server:
        with pytest.raises(TeacherError, match="남은 것만 묻습니다"):
            judged_at(server.url, tmp_path / "broken", **ALL)
        tried = len(server.asked)
        is_up[0] = True
        resumed = judged_at(server.url, tmp_path / "broken", **ALL)
        assert len(server.asked) - tried == needed - died_at
    assert same(resumed, whole)
    assert resumed.troubles == ()


def test_a_server_that_never_answers_stops_the_run(tmp_path):
    """After a few tries, with what to do."""
    with ChatServer(lambda asked: refuses(503)) as server:
        with pytest.raises(TeacherError, match="서버와 연결을 확인"):
            judged_at(server.url, tmp_path, **ALL)
        assert len(server.asked) < 40


def test_a_wrong_key_stops_the_run_at_once(tmp_path):
    """Asking again cannot help; at most one question for each worker is sent."""
    with ChatServer(lambda asked: refuses(401)) as server:
        with pytest.raises(TeacherError):
            judged_at(server.url, tmp_path, workers=3, **ALL)
        assert len(server.asked) <= 3


def test_a_fault_now_and_then_is_tried_again(tmp_path):
    """Nothing is lost by it."""
    script = house(FANCY)
    faults = {3: drops(), 5: refuses(500), 8: refuses(429, retry_after_s=0.01)}

    def shaky(asked):
        return faults.get(asked.number) or script(asked)

    with ChatServer(script) as server:
        whole = judged_at(server.url, tmp_path / "whole", **ALL)
        needed = len(server.asked)
    with ChatServer(shaky) as server:
        parts = judged_at(server.url, tmp_path / "shaky", **ALL)
        assert len(server.asked) == needed + 3
    assert same(parts, whole)
    assert parts.troubles == ()


def test_a_question_that_is_lost_is_said_and_asked_by_the_next_run(tmp_path):
    """The others are measured without it."""
    script = house(FANCY)
    broken = [True]

    def picky(asked):
        is_bad = broken[0] and asked.body["model"] == "tuned" and len(asked.body["messages"]) == 10
        return refuses(500) if is_bad else script(asked)

    with ChatServer(picky) as server:
        parts = judged_at(server.url, tmp_path, **ALL)
        broken[0] = False
        before = len(server.asked)
        whole = judged_at(server.url, tmp_path, **ALL)
        # One reply of the long conversation at its fifth turn, and the judge's word on it.
        assert len(server.asked) - before == 2
    assert [one.part for one in parts.troubles] == ["judge"]
    assert "1번은" in parts.troubles[0].message
    assert "tuned" not in parts.drift
    assert "tuned" in whole.drift
    assert whole.troubles == ()


def test_the_budget_of_calls_is_kept(tmp_path):
    """What is not asked for it is said; a higher budget goes on from there."""
    with ChatServer(house(FANCY)) as server:
        parts = judged_at(server.url, tmp_path, max_calls=20, **ALL)
        assert len(server.asked) == 20
        assert any("max_calls" in one.message for one in parts.troubles)
        judged_at(server.url, tmp_path, **ALL)
        assert set(what_was_asked(server).values()) == {1}


def test_no_more_questions_are_in_flight_than_workers(tmp_path):
    """Over all parts."""
    with ChatServer(house(FIRST)) as server:
        judged_at(server.url, tmp_path, workers=2, **ALL)
        assert server.most_at_once <= 2


def test_another_model_is_asked_anew(tmp_path):
    """Answers are kept under the model that gave them."""
    with ChatServer(house(FIRST)) as server:
        judged_at(server.url, tmp_path, models=("base", "tuned"))
        before = len(server.asked)
        judged_at(server.url, tmp_path, models=("base", "other"))
        fresh = Counter(one.body["model"] for one in server.asked[before:])
    assert fresh["other"] > 0
    assert fresh["base"] == 0


def test_a_judge_that_answers_nonsense_breaks_nothing(tmp_path):
    """Every part is there, without values."""
    with ChatServer(house(nonsense, plays)) as server:
        parts = judged_at(server.url, tmp_path, **ALL)
    assert not parts.certificate.is_trusted
    assert parts.arena[0].win_rate.value is None
    assert parts.quotes == ()


def test_a_part_with_nothing_to_do_is_left_out(tmp_path):
    """And nobody is asked for it."""
    with ChatServer(house(FIRST)) as server:
        parts = judged_at(
            server.url, tmp_path, interviews=0, drifts=0, arena_scenarios=0, certify_pairs=0
        )
        assert server.asked == []
    assert (parts.measures, parts.arena, parts.certificate) == ({}, (), None)


def test_one_model_has_no_arena(tmp_path):
    """There is nobody to fight."""
    with ChatServer(house(FIRST)) as server:
        parts = judged_at(server.url, tmp_path, models=("tuned",))
    assert parts.arena == ()
    assert set(parts.measures) == {"tuned"}


def test_a_busy_answer_is_waited_for(tmp_path):
    """No question is sent for as long as the answer says."""
    script = house(FIRST)
    came: dict[int, float] = {}

    def busy(asked):
        came[asked.number] = time.monotonic()
        return refuses(429, retry_after_s=0.4) if asked.number == 1 else script(asked)

    with ChatServer(busy) as server:
        judged_at(server.url, tmp_path, workers=1, backoff_s=(0.01, 5.0))
    assert came[2] - came[1] >= 0.4


def test_the_examples_of_the_card_serve_where_no_dialogue_is_held_out(tmp_path):
    """Faults are planted in them."""
    with ChatServer(house(FIRST)) as server:
        parts = judged_at(
            server.url, tmp_path, dialogues=(), interviews=0, arena_scenarios=0, certify_pairs=2
        )
    assert parts.certificate.asked > 0
    assert parts.certificate.flip_rate.value == 1


def test_two_models_of_one_name_are_refused(tmp_path):
    """One would overwrite the scores of the other."""
    with (
        ChatServer(house(FIRST)) as server,
        pytest.raises(ValueError, match="would share their scores"),
    ):
        judged_at(server.url, tmp_path, models=("base", "base"))
