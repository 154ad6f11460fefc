"""Good dialogues with one fault put in on purpose."""

import random

import pytest

from exagirl.dialogue.corpus import read_heldout
from exagirl.dialogue.records import Turn
from exagirl.evaluation.judging.planted import FAULTS, plant, plant_faults
from exagirl.korean.check import check_turn
from exagirl.persona.character import load_character
from support.judges import DIALOGUES, EXA

SEEN = {
    "chinese": "script.",
    "polite": "speech.",
    "josa": "particle.",
    "loop": "repeat.",
    "disclosure": "break.",
}
EVERYBODY = {
    "exa": "exa-data",
    "busan": "busan-data",
    "butler": "butler-data",
    "sister": "sister-data",
    "sageuk": "sageuk-data",
}


def of_kind(kind, count=8):
    """Planted faults of one kind in the dialogues of 엑사."""
    found = plant_faults(DIALOGUES, EXA, count=count, seed=3)
    return [one for one in found if one.kind == kind]


def codes(text):
    """What the rules find in a reply."""
    return [finding.code for finding in check_turn(text, EXA.check_rules())]


@pytest.mark.parametrize("kind", FAULTS)
def test_every_kind_can_be_planted(kind):
    """As many as were ordered, each in a dialogue of its own."""
    found = of_kind(kind)
    assert len({one.scenario for one in found}) == len(found) == 8


@pytest.mark.parametrize("kind", FAULTS)
def test_only_the_last_reply_differs(kind):
    """All else is the same in both."""
    for one in of_kind(kind):
        assert one.clean[:-1] == one.faulted[:-1]
        assert one.clean[-1] != one.faulted[-1]
        assert one.clean[-1].role == one.faulted[-1].role == "assistant"


@pytest.mark.parametrize(("kind", "head"), SEEN.items(), ids=SEEN)
def test_what_is_planted_is_a_fault_by_the_rules(kind, head):
    """Where there is a rule for it; the clean reply has none of it."""
    for one in of_kind(kind):
        assert any(code.startswith(head) for code in codes(one.faulted[-1].content)), one
        assert not any(code.startswith(head) for code in codes(one.clean[-1].content)), one


def test_a_broken_fact_answers_what_the_card_denies():
    """The question is the same, the right answer stands in the clean one."""
    facts = {fact.question: fact for fact in EXA.facts}
    known = [one for one in of_kind("fact", 30) if one.clean[-2].content in facts]
    assert len({one.clean[-2].content for one in known}) > 1
    for one in known:
        fact = facts[one.clean[-2].content]
        assert any(word in one.clean[-1].content for word in fact.answers)
        assert any(word in one.faulted[-1].content for word in fact.contradictions)


def test_padding_is_longer_and_has_no_other_fault():
    """So that only the length can be preferred or not."""
    for one in of_kind("padding"):
        assert len(one.faulted[-1].content) > len(one.clean[-1].content) + 30
        assert set(codes(one.faulted[-1].content)) == set(codes(one.clean[-1].content))


def test_the_same_seed_plants_the_same():
    """And another seed something else."""
    first, again, other = (plant_faults(DIALOGUES, EXA, count=2, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(("name", "subset"), EVERYBODY.items(), ids=EVERYBODY)
def test_faults_can_be_planted_for_every_built_in_character(name, subset):
    """Whatever their level, in the voice that is wrong for them."""
    dialogues = [one.turns for one in read_heldout(subset)]
    found = plant_faults(dialogues, load_character(name), count=1, seed=1)
    assert {one.kind for one in found} >= set(FAULTS) - {"josa"}


@pytest.mark.parametrize(
    "turns",
    [(), (Turn(role="user", content="안녕"),), (Turn(role="assistant", content=" "),)],
    ids=["nothing", "no reply", "empty reply"],
)
def test_nothing_is_planted_where_no_reply_stands(turns):
    """Of no kind."""
    assert [plant(kind, turns, EXA, random.Random(1)) for kind in FAULTS] == [None] * len(FAULTS)
