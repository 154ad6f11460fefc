"""Scenes make every slot another, fit their season, and read as Korean."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.personas import couple_personas, situations
from exagirl.dialogue.plan import exa_topics, plan_slots
from exagirl.dialogue.records import Slot
from exagirl.dialogue.scenes import (
    couple_parts,
    couple_scene,
    draw_distinct,
    friend_parts,
    friend_scene,
    ways,
)
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.persona.character import load_character

PARTS = st.lists(st.lists(st.text(max_size=2), min_size=1, max_size=4, unique=True), max_size=4)
ALL_SEASONS = couple_parts(situations()["quarrel"])[2]
COLD = {"초겨울", "한겨울"}


def couple_slots(count):
    """Slots of the couples' plan."""
    subsets = {"gf": {"plan": "gf-persona", "dialogues": count}}
    return plan_slots(GenerationOptions.model_validate({"subsets": subsets}), seed=7)


def season_of(slot):
    """The season that a couple's scene names."""
    rest = slot.seed_line.removeprefix(situations()[slot.topic].seed).strip()
    return next(season for season in ALL_SEASONS if rest.startswith(season))


def has_final(word):
    """True where the last syllable ends in a consonant, told from its code point."""
    return (ord(word[-1]) - 0xAC00) % 28 > 0


@given(PARTS, st.integers(0, 2**32))
def test_every_combination_is_drawn_once(parts, seed):
    """As many as there are ways: each of them, none twice."""
    drawn = draw_distinct(random.Random(seed), parts, ways(parts))
    assert len({tuple(one) for one in drawn}) == ways(parts)
    assert all(item in part for one in drawn for item, part in zip(one, parts, strict=True))


@given(PARTS)
def test_more_than_there_are_ways_cannot_be_drawn(parts):
    """ValueError, rather than a scene twice."""
    with pytest.raises(ValueError, match="ample"):
        draw_distinct(random.Random(1), parts, ways(parts) + 1)


def test_the_same_dice_draw_the_same_scenes():
    """A plan can be made again elsewhere."""
    drawn = [draw_distinct(random.Random(5), friend_parts(), 20) for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_a_friends_scene_says_who_mood_time_place_and_opening():
    """Every part stands in the sentence."""
    parts = [part[-1] for part in friend_parts()]
    assert all(part in friend_scene(parts) for part in parts)


@pytest.mark.parametrize("name", situations())
def test_a_couples_scene_says_mood_stage_season_place_and_opening(name):
    """Every part stands beside the seed of the situation."""
    situation = situations()[name]
    parts = [part[0] for part in couple_parts(situation)]
    scene = couple_scene(situation, parts)
    assert scene.startswith(situation.seed)
    assert all(part in scene for part in parts)


@pytest.mark.parametrize("name", situations())
def test_a_situation_crosses_moods_stages_places_seasons_and_openings(name):
    """Enough scenes for every persona to come back a hundred times."""
    parts = couple_parts(situations()[name])
    assert [len(set(part)) for part in parts] == [len(part) for part in parts]
    assert all(len(part) >= 2 for part in parts)
    assert ways(parts) >= 100 * len(couple_personas())


@pytest.mark.parametrize("name", situations())
def test_the_seasons_of_a_situation_are_seasons(name):
    """A situation names only seasons that the plan knows."""
    assert set(situations()[name].seasons) <= set(ALL_SEASONS)


def test_first_snow_falls_in_winter_only():
    """Never in summer, whatever the dice say."""
    seasons = {season_of(slot) for slot in couple_slots(3000) if slot.topic == "first-snow"}
    assert seasons == COLD


def test_a_situation_plays_in_its_own_seasons():
    """Where not every season will do, only those that will are drawn, and each of them."""
    slots = couple_slots(5000)
    for situation in situations().values():
        drawn = {season_of(slot) for slot in slots if slot.topic == situation.id}
        assert drawn == set(situation.seasons or ALL_SEASONS)


def test_every_part_of_the_variety_is_drawn():
    """No mood, stage or opening is left out of a large plan."""
    told = " ".join(slot.seed_line for slot in couple_slots(3000))
    moods, stages, _, _, openings = couple_parts(situations()["quarrel"])
    assert [part for part in [*moods, *stages, *openings] if part not in told] == []


@pytest.mark.parametrize(
    "phrase",
    [
        *(topic.phrase for topic in exa_topics()),
        *(situation.phrase for situation in situations().values()),
    ],
)
def test_the_topic_is_followed_by_the_right_particle(phrase):
    """'…대화'다, '…위로'다, '…날'이다: in what the teacher and both sides are told."""
    slot = Slot(subset="s", topic="t", index=0, phrase=phrase, turns=2)
    prompt = TeacherPrompt(load_character("exa"))
    sentence = f"주제는 '{phrase}'{'이다' if has_final(phrase) else '다'}."
    told = (prompt.messages(slot), prompt.user_messages(slot, []))
    for messages in (*told, prompt.character_messages(slot, ["안녕"])):
        assert sentence in messages[0].content


@pytest.mark.parametrize("persona", couple_personas())
def test_the_name_of_a_persona_is_followed_by_the_right_particle(persona):
    """서지우가, 윤해솔이; 서지우와, 윤해솔과."""
    name = couple_personas()[persona].name
    slot = Slot(subset="s", topic="t", index=0, phrase="이야기", persona=persona, turns=2)
    prompt = TeacherPrompt(load_character("exa"))
    script = prompt.messages(slot)[0].content
    user = prompt.user_messages(slot, [])[0].content
    assert f"- {name}{'이' if has_final(name) else '가'} 사람을" in script
    assert f"너는 지금 {name}{'과' if has_final(name) else '와'} 이야기하는" in user


@pytest.mark.parametrize(("persona", "level"), [("gf-01", "반말"), ("gf-03", "존댓말")])
def test_a_prompt_names_the_level_of_its_speaker(persona, level):
    """Each persona keeps its own."""
    slot = Slot(subset="s", topic="t", index=0, phrase="이야기", persona=persona, turns=2)
    prompt = TeacherPrompt(load_character("exa"))
    assert f"말은 모두 {level}이다." in prompt.messages(slot)[0].content
    assert f"모두 {level}로 말한다." in prompt.character_messages(slot, ["안녕"])[0].content
