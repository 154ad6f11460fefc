"""The dialogues that ship are sound, each in its own voice, and none is another's echo."""

import itertools
from collections import Counter
from functools import cache

import pytest

from exagirl.dialogue.corpus import (
    CORPUS,
    PROBES,
    bundled_lines,
    read_heldout,
    read_lines,
    read_probes,
    read_subset,
    subset_names,
)
from exagirl.dialogue.duplicates import likeness, trigrams
from exagirl.dialogue.personas import CouplePersona, couple_personas, situations
from exagirl.dialogue.plan import exa_topics, plan_slots, scale_quotas
from exagirl.dialogue.transcript import parse_transcript
from exagirl.errors import TeacherError
from exagirl.korean.check import check_turn
from exagirl.persona.character import load_character
from exagirl.recipe import load_recipe

OTHERS = {f"{name}-data": name for name in ("butler", "sageuk", "sister", "busan")}
SUBSETS = ("exa-data", "gf-persona-data", *OTHERS)
FILES = [
    f"{folder}/{entry.name}"
    for folder in (*SUBSETS, "heldout")
    for entry in sorted((CORPUS / folder).iterdir(), key=lambda entry: entry.name)
    if entry.name != PROBES
]
KINDS = {
    **{"greeting": 12, "identity": 12, "ai": 12, "comfort": 16, "knowledge": 16, "unknown": 12},
    **{"bait-english": 6, "bait-foreign": 6, "polite-user": 14, "refusal": 8, "drift": 6},
}


@cache
def read_file(name):
    """The dialogues of one file of the corpus."""
    return tuple(read_lines(CORPUS / name))


def training():
    """Every dialogue that is trained on."""
    return [
        dialogue
        for name in FILES
        if not name.startswith("heldout/")
        for dialogue in read_file(name)
    ]


def heldout():
    """Every dialogue that no training reads."""
    return [dialogue for subset in SUBSETS for dialogue in read_heldout(subset)]


def speaker(dialogue):
    """The character who speaks in a dialogue."""
    if dialogue.subset == "exa-data":
        return load_character("exa")
    if dialogue.subset in OTHERS:
        return load_character(OTHERS[dialogue.subset])
    if "card" in dialogue.meta:
        card = {"id": dialogue.character, **dialogue.meta["card"]}
        return CouplePersona.model_validate(card).as_character()
    return couple_personas()[dialogue.character].as_character()


def lines_of(dialogues):
    """Every turn that has a 3-gram, with its 3-grams."""
    contents = {turn.content for dialogue in dialogues for turn in dialogue.turns}
    return {content: grams for content in contents if (grams := trigrams(content))}


def test_the_subsets_ship():
    """The folders of the corpus are the subsets of the design, and one a shipped character."""
    assert subset_names() == sorted(SUBSETS)
    assert all(read_heldout(subset) for subset in SUBSETS)


def test_an_unknown_subset_is_refused_with_the_ones_that_ship():
    """The message lists what could have been meant."""
    with pytest.raises(TeacherError, match=r"exa-data, gf-persona-data"):
        read_subset("exa_data")


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_one_dialogue_a_line(name):
    """No line of the corpus is empty or broken."""
    assert len(read_file(name)) == (CORPUS / name).read_text("utf-8").count("\n")


@pytest.mark.parametrize("name", FILES)
def test_a_dialogue_alternates_from_the_user_to_the_character(name):
    """It begins with the user and ends with the character; at least one turn each."""
    for dialogue in read_file(name):
        roles = [turn.role for turn in dialogue.turns]
        assert roles == ["user", "assistant"] * (len(roles) // 2), dialogue.id
        assert roles, dialogue.id


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("heldout/")])
def test_a_dialogue_stands_in_the_file_of_its_topic(name):
    """Folder and file name are the subset and the topic of every line."""
    subset, _, file = name.partition("/")
    for dialogue in read_file(name):
        assert (dialogue.subset, f"{dialogue.topic}.jsonl") == (subset, file), dialogue.id


def test_every_topic_of_a_plan_has_dialogues():
    """The corpus has a file for each topic and each situation, and none beyond."""
    assert set(read_subset("exa-data")) == {topic.id for topic in exa_topics()}
    assert set(read_subset("gf-persona-data")) == set(situations())


def test_the_topics_of_exa_are_in_proportion_to_their_quotas():
    """240 dialogues: six a topic at least, the rest by largest remainder of the quotas."""
    quotas = {topic.id: topic.quota for topic in exa_topics()}
    small = {topic for topic, quota in quotas.items() if quota * 240 < 6.5 * 890}
    rest = {topic: quota for topic, quota in quotas.items() if topic not in small}
    expected = dict.fromkeys(small, 6) | scale_quotas(rest, 240 - 6 * len(small))
    assert {topic: len(found) for topic, found in read_subset("exa-data").items()} == expected


def test_the_couples_are_many():
    """160 dialogues, thirty personas and twenty situations at least, both speech levels."""
    couples = [one for found in read_subset("gf-persona-data").values() for one in found]
    assert len(couples) == 160
    assert len({one.character for one in couples}) >= 30
    assert len({one.topic for one in couples}) >= 20
    assert {speaker(one).speech.level for one in couples} == {"banmal", "polite"}


def test_every_other_character_has_twelve_dialogues():
    """Whoever starts from a shipped character has something to start with."""
    for subset in OTHERS:
        assert sum(map(len, read_subset(subset).values())) == 12, subset


def test_a_tenth_of_exas_dialogues_is_long():
    """8–15 turns a side in a tenth of them, 2–6 in the others."""
    turns = [len(one.turns) // 2 for found in read_subset("exa-data").values() for one in found]
    assert sum(8 <= count <= 15 for count in turns) >= 24
    assert all(2 <= count <= 6 or 8 <= count <= 15 for count in turns)


def test_sixty_dialogues_are_held_out():
    """Of every subset there are some that no training reads."""
    assert len(heldout()) == 60
    topics = {one.topic for one in read_heldout("exa-data")}
    assert topics == {topic.id for topic in exa_topics()}


def test_a_user_never_writes_the_placeholder():
    """{유저} stands where the character names the user, never where the user speaks."""
    for dialogue in training() + heldout():
        for turn in dialogue.turns:
            assert turn.role == "assistant" or "{" not in turn.content, dialogue.id


def test_the_probes_are_a_hundred_and_twenty():
    """Every kind has its number, and an id names one probe."""
    probes = read_probes()
    assert Counter(probe.kind for probe in probes) == KINDS
    assert len({probe.id for probe in probes}) == 120
    assert all(len(probe.lines) == 20 for probe in probes if probe.kind == "drift")


def test_every_knowledge_probe_says_what_is_right():
    """An answer can be scored without a judge."""
    assert all(probe.answers for probe in read_probes() if probe.kind == "knowledge")


def test_no_probe_is_close_to_a_training_turn():
    """What is asked in an evaluation was not learnt by heart."""
    learnt = lines_of(training())
    asked = {line: trigrams(line) for probe in read_probes() for line in probe.lines}
    close = [
        (line, other)
        for line, grams in asked.items()
        if grams
        for other, others in learnt.items()
        if likeness(grams, others) >= 0.5
    ]
    assert close == []


def test_ids_are_unique():
    """An id names one dialogue of the whole corpus."""
    ids = Counter(dialogue.id for dialogue in training() + heldout())
    assert ids.most_common(1)[0][1] == 1


def test_every_speaker_is_known():
    """A character in their own subset; in the couples' a persona that ships, or one on a card."""
    for dialogue in training() + heldout():
        if dialogue.subset != "gf-persona-data":
            assert dialogue.character == speaker(dialogue).name, dialogue.id
        else:
            assert dialogue.character in couple_personas() or "card" in dialogue.meta, dialogue.id


def test_a_held_out_persona_is_nobody_of_the_training():
    """Held-out couples have cards of their own."""
    couples = [dialogue for dialogue in heldout() if dialogue.subset == "gf-persona-data"]
    names = {persona.name for persona in couple_personas().values()}
    for dialogue in couples:
        assert dialogue.character not in couple_personas(), dialogue.id
        assert dialogue.meta["card"]["name"] not in names, dialogue.id


def test_no_opening_line_comes_twice():
    """Every dialogue begins with words of its own."""
    openings = Counter(dialogue.turns[0].content for dialogue in training() + heldout())
    assert [line for line, count in openings.items() if count > 1] == []


@pytest.mark.parametrize("name", FILES)
def test_no_turn_has_an_error_by_its_speakers_rules(name):
    """The corpus passes the checks that every generated dialogue must pass."""
    faults = []
    for dialogue in read_file(name):
        rules = speaker(dialogue).check_rules()
        said = [turn.content for turn in dialogue.turns]
        for position, turn in enumerate(dialogue.turns):
            faults += [
                f"{dialogue.id} turn {position + 1} {finding.code}: {finding.message}"
                for finding in check_turn(turn.content, rules, said[:position], speaker=turn.role)
                if finding.severity == "error"
            ]
    assert faults == []


def test_no_two_dialogues_are_close():
    """Any two dialogues share less than half of their character 3-grams."""
    grams = {
        dialogue.id: trigrams(" ".join(turn.content for turn in dialogue.turns))
        for dialogue in training() + heldout()
    }
    close = [
        (one, other)
        for one, other in itertools.combinations(grams, 2)
        if likeness(grams[one], grams[other]) >= 0.5
    ]
    assert close == []


def test_no_held_out_turn_is_close_to_a_training_turn():
    """What is measured was not learnt, not even one line of it; "몰라" alone is no line."""
    learnt = lines_of(training())
    close = [
        (line, other)
        for line, grams in lines_of(heldout()).items()
        for other, others in learnt.items()
        if likeness(grams, others) >= 0.5
    ]
    assert close == []


def test_every_slot_of_the_quickstart_finds_a_line():
    """The recipe that needs no key and no GPU never asks for a dialogue that does not ship."""
    recipe = load_recipe("quickstart").recipe
    lines = {}
    for subset in recipe.generation.subsets:
        lines.update(bundled_lines(subset))
    slots = plan_slots(recipe.generation, recipe.seed)
    assert [slot.key for slot in slots if slot.key not in lines] == []


@pytest.mark.parametrize("subset", SUBSETS)
def test_a_bundled_line_reads_back_as_its_dialogue(subset):
    """The bundled teacher answers with transcripts, as any other teacher does."""
    lines = bundled_lines(subset)
    for topic, dialogues in read_subset(subset).items():
        for index, dialogue in enumerate(dialogues):
            turns = parse_transcript(lines[f"{subset}/{topic}/{index:04d}"])
            assert tuple(turns) == dialogue.turns


def test_a_broken_line_is_named_by_file_and_number(tmp_path):
    """Who edits the corpus is told where it broke."""
    file = tmp_path / "daily.jsonl"
    good = read_file("exa-data/daily.jsonl")[0].model_dump_json()
    file.write_text(f"{good}\n{{}}\n", encoding="utf-8")
    with pytest.raises(TeacherError, match=r"daily\.jsonl: 2번째"):
        list(read_lines(file))
