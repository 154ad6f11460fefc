"""A plan owes each topic its quota, and no two slots ask for the same dialogue."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.dialogue.corpus import read_subset
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.personas import couple_personas, situations
from exagirl.dialogue.plan import exa_topics, plan_slots, scale_quotas
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.errors import RecipeError
from exagirl.persona.character import load_character

INTELLECTUAL = {
    "daily": 200,
    "qna": 100,
    "academic": 80,
    "career": 60,
    "comfort": 60,
    "study": 60,
    "jokes": 40,
    "love-worries": 40,
    "film-drama": 30,
    "plans-routines": 30,
    "philosophy": 30,
}
EMOTIONAL = {
    "missing-you": 30,
    "push-pull": 30,
    "share-the-day": 20,
    "teasing-jealousy": 20,
    "good-night-morning": 20,
    "mood-comfort": 20,
    "date-menu": 10,
    "memories-anniversaries": 10,
}


def options(plan, dialogues=None, **more):
    """An order of one subset."""
    subset = {"plan": plan, "dialogues": dialogues}
    return GenerationOptions.model_validate({"subsets": {"data": subset}, **more})


def prompts(slots):
    """What the teacher is asked for each slot."""
    prompt = TeacherPrompt(load_character("exa"))
    return [prompt.messages(slot) for slot in slots]


@pytest.mark.parametrize(
    ("kind", "quotas"), [("intellectual", INTELLECTUAL), ("emotional", EMOTIONAL)]
)
def test_the_topics_have_the_quotas_of_the_design(kind, quotas):
    """Each topic of the plan exa has exactly its number of dialogues."""
    assert {topic.id: topic.quota for topic in exa_topics() if topic.kind == kind} == quotas


def test_nineteen_topics_add_up_to_890():
    """730 intellectual and 160 emotional dialogues."""
    assert len(exa_topics()) == 19
    assert (sum(INTELLECTUAL.values()), sum(EMOTIONAL.values())) == (730, 160)
    assert len(plan_slots(options("exa"), seed=7)) == 890


def test_the_slots_of_a_topic_are_as_many_as_its_quota():
    """The plan exa owes every topic its quota."""
    counts = Counter(slot.topic for slot in plan_slots(options("exa"), seed=7))
    assert counts == INTELLECTUAL | EMOTIONAL


@given(
    st.dictionaries(st.text(max_size=3), st.integers(1, 1000), min_size=1, max_size=30),
    st.integers(1, 1_000_000),
)
def test_scaled_quotas_add_up_to_the_total(quotas, total):
    """No dialogue is lost or won by rounding."""
    assert sum(scale_quotas(quotas, total).values()) == total


@given(
    st.dictionaries(st.text(max_size=3), st.integers(1, 1000), min_size=1, max_size=30),
    st.integers(1, 1_000_000),
)
def test_a_scaled_quota_is_its_share_rounded_down_or_up(quotas, total):
    """Each topic gets its share, to less than one dialogue."""
    whole = sum(quotas.values())
    for topic, scaled in scale_quotas(quotas, total).items():
        assert abs(scaled * whole - quotas[topic] * total) < whole


def test_quotas_scaled_to_their_own_sum_stay_as_they_are():
    """An order of 890 dialogues is the plan itself."""
    assert scale_quotas(INTELLECTUAL | EMOTIONAL, 890) == INTELLECTUAL | EMOTIONAL


def test_equal_remainders_favour_the_earlier_topic():
    """One dialogue for three equal topics goes to the first."""
    assert scale_quotas({"가": 5, "나": 5, "다": 5}, 1) == {"가": 1, "나": 0, "다": 0}


@pytest.mark.parametrize("dialogues", [1, 19, 60, 891])
def test_an_order_of_any_size_is_planned_exactly(dialogues):
    """As many slots as dialogues were ordered."""
    assert len(plan_slots(options("exa", dialogues), seed=7)) == dialogues


@pytest.mark.parametrize(("plan", "count"), [("exa", 890), ("gf-persona", 1120)])
def test_no_two_slots_ask_the_teacher_the_same(plan, count):
    """Every slot's prompt differs from every other's."""
    slots = plan_slots(options(plan, count), seed=7)
    assert len(slots) == count
    assert len(set(prompts(slots))) == count


@pytest.mark.parametrize(("plan", "count"), [("exa", 890), ("gf-persona", 1120)])
def test_no_two_conversations_are_simulated_from_the_same_prompts(plan, count):
    """Both sides of a simulation know a scene that no other slot has."""
    slots = plan_slots(options(plan, count), seed=7)
    prompt = TeacherPrompt(load_character("exa"), 2)
    assert len({prompt.user_messages(slot, []) for slot in slots}) == count
    assert len({prompt.character_messages(slot, ["응"]) for slot in slots}) == count


@pytest.mark.parametrize("plan", ["exa", "gf-persona"])
def test_slot_keys_are_unique(plan):
    """A key names one slot."""
    keys = [slot.key for slot in plan_slots(options(plan), seed=7)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("plan", ["exa", "gf-persona"])
def test_the_same_seed_gives_the_same_plan(plan):
    """A recipe can be run again elsewhere."""
    assert plan_slots(options(plan), seed=7) == plan_slots(options(plan), seed=7)


@pytest.mark.parametrize("plan", ["exa", "gf-persona"])
def test_another_seed_gives_another_plan(plan):
    """The seed shuffles scenes and personas."""
    assert plan_slots(options(plan), seed=7) != plan_slots(options(plan), seed=8)


def test_a_subset_does_not_change_the_plan_of_another():
    """Slots of a subset are the same beside any other subset."""
    alone = plan_slots(options("exa", 30), seed=7)
    subsets = {
        "other": {"plan": "gf-persona", "dialogues": 5},
        "data": {"plan": "exa", "dialogues": 30},
    }
    both = plan_slots(GenerationOptions.model_validate({"subsets": subsets}), seed=7)
    assert [slot for slot in both if slot.subset == "data"] == alone


@pytest.mark.parametrize("plan", ["exa", "gf-persona"])
def test_turns_stay_in_the_range_of_the_recipe(plan):
    """Both ends of the range are met, nothing beyond."""
    slots = plan_slots(options(plan, 200, turns=[2, 4]), seed=7)
    assert {slot.turns for slot in slots} == {2, 3, 4}


def test_a_couple_slot_has_a_persona_and_a_situation():
    """The plan gf-persona pairs personas with situations, and no pair comes twice."""
    slots = plan_slots(options("gf-persona"), seed=7)
    pairs = {(slot.persona, slot.topic) for slot in slots}
    assert len(pairs) == len(slots)
    assert {persona for persona, _ in pairs} <= set(couple_personas())
    assert {topic for _, topic in pairs} <= set(situations())


def test_there_are_enough_couples_and_situations():
    """At least forty personas and twenty-five situations."""
    assert len(couple_personas()) >= 40
    assert len(situations()) >= 25


@pytest.mark.parametrize("count", [600, 1120, 3000])
def test_personas_and_situations_are_evenly_spread(count):
    """Of the personas, as of the situations, none has more than two dialogues over another."""
    slots = plan_slots(options("gf-persona", count), seed=7)
    for names, field in ((couple_personas(), "persona"), (situations(), "topic")):
        counts = Counter(getattr(slot, field) for slot in slots)
        assert set(counts) == set(names)
        assert max(counts.values()) - min(counts.values()) <= 2


def test_every_pair_of_a_couple_and_a_situation_comes_before_one_comes_twice():
    """1,120 dialogues are all the pairs; of 2,240 each pair has two."""
    pairs = len(couple_personas()) * len(situations())
    for times in (1, 2):
        slots = plan_slots(options("gf-persona", times * pairs), seed=7)
        counts = Counter((slot.persona, slot.topic) for slot in slots)
        assert set(counts.values()) == {times}
        assert len(counts) == pairs


def test_a_pair_that_comes_again_is_in_another_scene():
    """No dialogue of a large plan is told to play in the same scene with the same two."""
    slots = plan_slots(options("gf-persona", 5000), seed=7)
    assert len({(slot.persona, slot.topic, slot.seed_line) for slot in slots}) == 5000


@pytest.mark.parametrize("plan", ["exa", "gf-persona"])
def test_a_share_of_long_dialogues_is_drawn_from_their_own_range(plan):
    """Short ones keep theirs; the share is met to a few in a hundred."""
    more = {"turns": [2, 3], "long_turns": [8, 9], "long_share": 0.25}
    slots = plan_slots(options(plan, 800, **more), seed=7)
    counts = Counter(slot.turns for slot in slots)
    assert set(counts) == {2, 3, 8, 9}
    assert 0.2 < (counts[8] + counts[9]) / 800 < 0.3


@pytest.mark.parametrize(("share", "found"), [(0.0, {2}), (1.0, {8})])
def test_a_share_of_none_or_all_is_exact(share, found):
    """Without a share nothing is long, with the whole nothing is short."""
    more = {"turns": [2, 2], "long_turns": [8, 8], "long_share": share}
    assert {slot.turns for slot in plan_slots(options("exa", 50, **more), seed=7)} == found


def test_the_plan_corpus_is_the_corpus():
    """One slot for each dialogue that ships."""
    subsets = {"gf-persona-data": {"plan": "corpus"}}
    slots = plan_slots(GenerationOptions.model_validate({"subsets": subsets}), seed=7)
    expected = {topic: len(found) for topic, found in read_subset("gf-persona-data").items()}
    assert Counter(slot.topic for slot in slots) == expected


@pytest.mark.parametrize(
    ("name", "plan", "dialogues"),
    [("data", "exa", 1_000_000), ("exa-data", "corpus", 5000)],
)
def test_more_than_a_plan_can_tell_apart_is_refused(name, plan, dialogues):
    """The message names the subset's key in the recipe."""
    subsets = {name: {"plan": plan, "dialogues": dialogues}}
    ordered = GenerationOptions.model_validate({"subsets": subsets})
    with pytest.raises(RecipeError, match=rf"generation\.subsets\.{name}"):
        plan_slots(ordered, seed=7)


def test_a_prompt_holds_the_topic_the_scene_and_the_number_of_turns():
    """What makes a slot different stands in its prompt."""
    slot = plan_slots(options("exa"), seed=7)[0]
    system = prompts([slot])[0][0].content
    assert slot.phrase in system
    assert slot.seed_line in system
    assert f"{slot.turns}번씩" in system


def test_a_couple_prompt_is_about_the_persona():
    """In a couple's slot the persona speaks, not the recipe's own character."""
    slot = plan_slots(options("gf-persona"), seed=7)[0]
    system = prompts([slot])[0][0].content
    assert couple_personas()[slot.persona].name in system
    assert "엑사" not in system


def test_a_rejection_is_told_after_the_order():
    """The fault of the last reply stands in the user's message."""
    slot = plan_slots(options("exa"), seed=7)[0]
    prompt = TeacherPrompt(load_character("exa"))
    plain, told = prompt.messages(slot), prompt.messages(slot, rejected="반말이 아니다")
    assert told[0] == plain[0]
    assert told[1].content.startswith(plain[1].content)
    assert "반말이 아니다" in told[1].content
