"""The examples that a teacher is shown: another choice for every slot, the same one each time."""

from collections import Counter

import pytest

from exagirl.dialogue.corpus import read_subset
from exagirl.dialogue.few_shots import choose_examples, couples_like, examples_of
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.personas import couple_personas
from exagirl.dialogue.plan import plan_slots
from exagirl.dialogue.records import Slot
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.transcript import format_transcript
from exagirl.persona.character import Line, builtin_names, load_character
from support.dialogues import as_turns

POOL = [tuple(as_turns([f"{number}번 질문", f"{number}번 대답"])) for number in range(9)]
SPEAKERS = {
    one.turns: one.character for topic in read_subset("gf-persona-data").values() for one in topic
}


def slot(index=0, **more):
    """A slot of 엑사's."""
    return Slot(subset="s", topic="t", index=index, phrase="이야기", turns=2, **more)


def couple_slots(count=120):
    """The first slots of the couples' plan."""
    subsets = {"gf": {"plan": "gf-persona", "dialogues": count}}
    return plan_slots(GenerationOptions.model_validate({"subsets": subsets}), seed=7)


def test_a_slot_sees_the_same_examples_each_time():
    """A prompt that is rendered again is the same prompt."""
    assert choose_examples(slot(), POOL, 3) == choose_examples(slot(), POOL, 3)


def test_examples_rotate_over_the_slots():
    """Every example is shown, none to most of the slots."""
    shown = Counter(one for index in range(90) for one in choose_examples(slot(index), POOL, 2))
    assert set(shown) == set(POOL)
    assert max(shown.values()) < 45


def test_two_slots_mostly_see_other_examples():
    """The choices are many, not two or three that alternate."""
    choices = {tuple(choose_examples(slot(index), POOL, 2)) for index in range(90)}
    assert len(choices) > 30


def test_an_example_is_shown_once():
    """Of a choice no two are the same."""
    for index in range(20):
        assert len(set(choose_examples(slot(index), POOL, 5))) == 5


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (1, 1), (8, 8), (20, 9)])
def test_no_more_are_shown_than_there_are(count, shown):
    """A recipe may ask for more than a character has."""
    assert len(choose_examples(slot(), POOL, count)) == shown


@pytest.mark.parametrize("name", builtin_names())
def test_every_character_that_ships_has_examples(name):
    """Enough for a choice of two that rotates."""
    assert len(examples_of(load_character(name))) >= 4


def test_only_whole_dialogues_of_a_character_are_examples():
    """From the user to the character, in turn; a greeting alone is none."""
    user, character = Line(role="user", content="안녕"), Line(role="assistant", content="왔어?")
    whole = (user, character, user, character)
    halves = [(character,), (user,), (user, user, character, character), (character, user)]
    changed = load_character("exa").model_copy(update={"examples": (whole, *halves)})
    assert examples_of(changed) == [tuple(as_turns(["안녕", "왔어?", "안녕", "왔어?"]))]


@pytest.mark.parametrize("persona", couple_personas())
def test_a_couple_is_shown_other_couples_of_its_level(persona):
    """Never itself, and nobody who speaks on another level."""
    personas = couple_personas()
    speakers = {SPEAKERS[turns] for turns in couples_like(persona)}
    assert len(speakers) >= 2
    assert persona not in speakers
    assert {personas[other].speech.level for other in speakers} == {personas[persona].speech.level}


@pytest.mark.parametrize("persona", ["gf-01", "gf-03"])
def test_examples_of_couples_are_short(persona):
    """At most four exchanges: longer ones cost more than they teach."""
    assert max(len(turns) for turns in couples_like(persona)) <= 8


def test_the_prompt_of_a_couple_shows_no_dialogue_of_its_own():
    """Whatever the plan draws, a persona is not shown what it said itself."""
    prompt = TeacherPrompt(load_character("exa"), 2)
    for one in couple_slots():
        speakers = {SPEAKERS[turns] for turns in prompt.examples(one)}
        assert one.persona not in speakers


def test_the_prompt_holds_its_examples():
    """As transcripts, so that form and voice are seen together."""
    prompt = TeacherPrompt(load_character("exa"), 2)
    shown = prompt.examples(slot())
    system = prompt.messages(slot())[0].content
    assert len(shown) == 2
    assert all(format_transcript(example) in system for example in shown)


def test_a_recipe_without_examples_shows_none():
    """few_shots: 0 leaves the section out."""
    prompt = TeacherPrompt(load_character("exa"), 0)
    assert prompt.examples(slot()) == []
    assert "보기 대화" not in prompt.messages(slot())[0].content


def test_the_character_of_a_simulation_sees_the_examples_and_the_user_does_not():
    """They show the character's voice, which the user must not take over."""
    prompt = TeacherPrompt(load_character("exa"), 2)
    example = format_transcript(prompt.examples(slot())[0])
    assert example in prompt.character_messages(slot(), ["안녕"])[0].content
    assert example not in prompt.user_messages(slot(), [])[0].content
