"""What is asked: held-out turns, probes of every kind, facts at their turns of long talks."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from exagirl.dialogue.corpus import read_probes
from exagirl.evaluation.asking import choose_questions, heldout_scripts
from exagirl.evaluation.options import EvaluationOptions
from support.speakers import EXA, FEW, SYSTEM, talk


def asked(options=FEW, conversations=(), seed=7, character=EXA):
    """The scripts of some options."""
    return choose_questions(conversations, character, SYSTEM, options, seed=seed).scripts


def test_first_replies_of_all_dialogues_come_before_second_ones():
    """So that a few replies still come from every dialogue."""
    scripts = heldout_scripts([talk(0), talk(1)])
    assert [(one.scenario, one.position) for one in scripts] == [
        ("heldout-001", 1),
        ("heldout-002", 1),
        ("heldout-001", 2),
        ("heldout-002", 2),
    ]


def test_the_reference_stands_before_a_held_out_question():
    """The context is what was written, not what the model said."""
    second = heldout_scripts([talk(1)])[1]
    assert [one.model_dump() for one in second.opening] == talk(1)[:3]
    assert second.lines == (talk(1)[3]["content"],)


@pytest.mark.parametrize("messages", [[], talk(0)[:1], [{"role": "assistant", "content": "안녕"}]])
def test_a_dialogue_that_asks_nothing_is_passed_over(messages):
    """A reply needs a user's turn before it."""
    assert heldout_scripts([messages]) == []


def test_every_kind_of_probe_has_its_turn_before_one_has_a_second():
    """Twelve probes hold each of the ten kinds."""
    scripts = asked(FEW.model_copy(update={"probes": 12, "replies": 0, "facts": 0, "drifts": 0}))
    kinds = {probe.kind for probe in read_probes()} - {"drift"}
    counted = Counter(one.kind for one in scripts)
    assert set(counted) == kinds
    assert max(counted.values()) == 2


def test_names_are_filled_as_a_chat_shows_them():
    """No user writes ``{캐릭터}``."""
    scripts = asked(FEW.model_copy(update={"probes": 1000}))
    lines = [line for one in scripts for line in one.lines]
    assert not [line for line in lines if "{" in line]
    assert any("엑사" in line for line in lines)


def test_a_fact_is_asked_at_its_turns_of_a_long_talk():
    """Turn 1 is a conversation of its own; turn 3 comes after two exchanges of the long one."""
    facts = [one for one in asked() if one.kind == "fact"]
    first, third = facts[:2]
    assert (first.position, first.branch, first.opening[0].content) == (1, None, SYSTEM)
    assert (third.position, third.branch.replies, third.opening) == (3, 2, ())
    assert first.lines == third.lines
    assert third.branch.scenario in {one.scenario for one in asked() if one.kind == "drift"}


def test_facts_share_out_the_long_talks():
    """They do not all hang on one."""
    facts = [one for one in asked(FEW.model_copy(update={"drifts": 2})) if one.branch]
    assert len({one.branch.scenario for one in facts}) == 2


def test_a_character_without_facts_is_asked_for_none():
    """All else is asked."""
    bare = EXA.model_copy(update={"facts": ()})
    assert {one.kind for one in asked(character=bare)}.isdisjoint({"fact"})
    assert len(asked(character=bare)) == 4


@given(st.integers(0, 60), st.integers(0, 20), st.integers(0, 6), st.integers(0, 99))
def test_no_more_is_asked_than_was_ordered(probes, facts, drifts, seed):
    """And the same seed asks the same."""
    options = FEW.model_copy(
        update={"probes": probes, "facts": facts, "drifts": drifts, "fact_turns": (1,)}
    )
    scripts = asked(options, [talk(0, 3)], seed)
    kinds = Counter(one.kind for one in scripts)
    assert kinds["heldout"] == 3
    assert kinds["fact"] == min(facts, len(EXA.facts))
    assert kinds["drift"] == drifts
    assert len(scripts) - 3 - kinds["fact"] - drifts == probes
    assert scripts == asked(options, [talk(0, 3)], seed)


def test_another_seed_asks_other_probes():
    """The choice is drawn."""
    assert asked(seed=1) != asked(seed=2)


@pytest.mark.parametrize("turns", [[0, 5], [5, 1], [1, 1]])
def test_turns_that_do_not_ascend_from_one_are_refused(turns):
    """The message says how they are written."""
    with pytest.raises(ValidationError, match="작은 것부터"):
        EvaluationOptions(fact_turns=turns)


def test_a_fact_beyond_the_long_talk_is_refused():
    """The message names the options that would help."""
    with pytest.raises(ValidationError, match="drift_turns"):
        EvaluationOptions(fact_turns=(1, 20), drift_turns=10)
