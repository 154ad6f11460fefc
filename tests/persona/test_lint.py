"""The lint finds what contradicts itself in a character, and leaves good ones alone."""

import pytest

from exagirl.persona.character import (
    Actions,
    Character,
    Fact,
    Line,
    Lorebook,
    LoreEntry,
    Speech,
    builtin_names,
    load_character,
)
from exagirl.persona.lint import lint

SAMPLES = ("왔어? 앉아.", "그건 나도 몰라.", "같이 가자.")
LEAST = {"greetings": 3, "examples": 8, "facts": 10}
LEAST_LORE = 5


def mia(**values):
    """A character without a fault, but for what is given."""
    usual = {
        "name": "미아",
        "description": "꽃집 주인이다.",
        "speech": Speech(level="banmal", samples=SAMPLES),
        "greetings": ("왔구나, {유저}! 앉아.",),
    }
    return Character(**(usual | values))


def found(character):
    """Code and path of every finding."""
    return [(finding.code, finding.path) for finding in lint(character)]


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_character_passes(name):
    """Nothing in it contradicts itself."""
    assert lint(load_character(name)) == []


@pytest.mark.parametrize("name", [name for name in builtin_names() if name != "exa"])
def test_a_built_in_character_has_enough_to_learn_from(name):
    """Greetings, example dialogues, facts and lorebook entries."""
    character = load_character(name)
    assert {key: len(getattr(character, key)) >= least for key, least in LEAST.items()} == (
        dict.fromkeys(LEAST, True)
    )
    assert len(character.lorebook.entries) >= LEAST_LORE


def test_a_good_character_passes():
    """No finding."""
    assert found(mia()) == []


SAYS = {"role": "assistant", "content": "나 사람이야."}
ASKS = {"role": "user", "content": "너 사람이야, AI야"}
HUMAN = Fact(question="너 사람이야, AI야?", answers=["AI"], contradictions=["사람이야"])
DRAGON = LoreEntry(keys=["용"], content="용은 산다.")


@pytest.mark.parametrize(
    ("values", "code", "path"),
    [
        ({"greetings": ("어서 오세요, {유저} 님. 앉으세요.",)}, "speech.level", "greetings[0]"),
        (
            {"speech": Speech(level="banmal", samples=(*SAMPLES, "안녕하세요. 반가워요."))},
            "speech.level",
            "speech.samples[3]",
        ),
        ({"greetings": ("{user}야, 왔어?",)}, "placeholder.misspelled", "greetings[0]"),
        ({"world": "{{유저}}의 집."}, "placeholder.misspelled", "world"),
        (
            {"rules": ("이모지를 쓰지 않는다.", "이모티콘을 자주 쓴다.", "이모지를 자주 쓴다.")},
            "rules.contradiction",
            "rules[0]",
        ),
        ({"rules": ("이모지를 자주 쓴다.",)}, "rules.emoji", "rules[0]"),
        ({"rules": ("존댓말로만 말한다.",)}, "rules.level", "rules[0]"),
        (
            {"facts": (HUMAN,), "examples": ((Line(**ASKS), Line(**SAYS)),)},
            "facts.contradicted",
            "examples[0][1].content",
        ),
        (
            {"facts": (Fact(question="뭐?", answers=["꽃"], contradictions=["꽃"]),)},
            "facts.both",
            "facts[0]",
        ),
        (
            {"emoticons": "forbid", "greetings": ("왔구나 ㅋㅋㅋ 앉아.",)},
            "script.emoticon",
            "greetings[0]",
        ),
        (
            {"greetings": ("왔어?", "앉아.", "가자."), "actions": Actions(min_share=0.9)},
            "actions.share",
            "actions",
        ),
        (
            {"lorebook": Lorebook(entries=(LoreEntry(content="용은 산다."),))},
            "lorebook.unreachable",
            "lorebook.entries[0].keys",
        ),
        (
            {"lorebook": Lorebook(budget_tokens=1, entries=(DRAGON,))},
            "lorebook.budget",
            "lorebook.entries[0]",
        ),
        ({"greetings": ()}, "greetings.missing", "greetings"),
        ({"inferred": ("speech.level",)}, "inferred", "speech.level"),
        ({"speech": Speech(level="banmal")}, "samples.few", "speech.samples"),
        ({"description": "꽃집 주인이다. " * 400}, "prompt.long", "description"),
        (
            {"speech": Speech(level="banmal", samples=SAMPLES, forbidden_endings=["-가자"])},
            "speech.forbidden_ending",
            "speech.samples[2]",
        ),
    ],
)
def test_a_fault_is_found_at_its_place(values, code, path):
    """Code and key path; the message is Korean."""
    findings = lint(mia(**values))
    assert (code, path) in [(finding.code, finding.path) for finding in findings]
    assert all(finding.message for finding in findings)


def test_text_emoticons_are_no_pictured_emoji():
    """The two have a switch each; saying so is no contradiction."""
    rules = ("그림 이모지는 쓰지 않는다.", "글자 이모티콘을 가끔 쓴다.")
    assert found(mia(rules=rules)) == []


def test_old_speech_is_measured_by_its_own_endings():
    """하오체 is neither 반말 nor 존댓말."""
    speech = Speech(
        level="polite",
        endings=["-하오", "-구려"],
        samples=("왔구려.", "그리 생각하오.", "앉으시오."),
    )
    assert speech.is_old
    assert found(mia(speech=speech, greetings=("벗님, 왔구려. 앉으시오.",))) == []


@pytest.mark.parametrize("ending", ["-십시오", "-보이소", "-어요", "-노", "-데이"])
def test_other_endings_are_not_old(ending):
    """Neither 합쇼체 nor a dialect."""
    assert not Speech(level="polite", endings=[ending]).is_old
