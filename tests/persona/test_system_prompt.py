"""One renderer writes a character as the system message of every stage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.dialogue.personas import couple_personas
from exagirl.errors import CharacterError
from exagirl.persona.character import (
    Actions,
    Character,
    Lorebook,
    LoreEntry,
    Speech,
    builtin_names,
    load_character,
)
from exagirl.persona.system_prompt import estimate_tokens, render_system_prompt

LEVELS = ("brief", "normal", "full")
CHARACTERS = {
    **{name: load_character(name) for name in builtin_names()},
    "plain": Character(name="미아", description="꽃집 주인이다.", speech=Speech(level="polite")),
    "persona": couple_personas()["gf-01"].as_character(),
}


def facts(character):
    """Every text of a character that a prompt may hold."""
    return [
        character.name,
        character.slogan,
        character.description,
        character.appearance,
        character.world,
        character.relationship,
        character.actions.style,
        *character.personality,
        *character.speech.habits,
        *character.rules,
        character.scene,
        character.speech.dialect,
        character.speech.address,
        *character.speech.endings,
        *character.speech.forbidden_endings,
        *character.relationship_growth,
        *character.forbidden_words,
    ]


def told(character, detail):
    """The facts that stand in a prompt."""
    text = render_system_prompt(character, detail=detail)
    return {fact for fact in facts(character) if fact and fact in text}


def described(text):
    """A character of whom only a description is known."""
    return Character(name="미아", description=text, speech=Speech(level="banmal"))


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS.keys())
def test_more_detail_says_at_least_as_much(character):
    """What brief says, normal says; what normal says, full says."""
    brief, normal, full = (told(character, detail) for detail in LEVELS)
    assert brief <= normal <= full


def test_each_detail_of_exa_says_more_than_the_last():
    """Slogan, habits and scene come with normal, looks and rules with full."""
    exa = load_character("exa")
    brief, normal, full = (told(exa, detail) for detail in LEVELS)
    assert normal - brief == {exa.slogan, exa.world, *exa.speech.habits}
    assert full - normal == {exa.appearance, *exa.rules}


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS.keys())
def test_the_full_prompt_says_everything(character):
    """Nothing that a character file holds about the character is lost."""
    assert told(character, "full") == {fact for fact in facts(character) if fact}


def test_full_is_what_is_written_without_a_word():
    """Leaving out the detail leaves out nothing else."""
    exa = load_character("exa")
    assert render_system_prompt(exa) == render_system_prompt(exa, detail="full")


@pytest.mark.parametrize("detail", LEVELS)
@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS.keys())
def test_a_prompt_has_no_blank_line(character, detail):
    """What a character does not have leaves no hole."""
    lines = render_system_prompt(character, detail=detail).split("\n")
    assert all(line.strip() == line and line for line in lines)


def test_a_block_of_yaml_leaves_no_blank_line():
    """The line break at the end of a block is not written into the prompt."""
    character = Character(
        name="미아",
        slogan="꽃은 오늘\n",
        description="꽃집 주인이다.\n",
        appearance="앞치마를 둘렀다.\n\n",
        speech=Speech(level="polite"),
        world="골목 끝 꽃집.\n",
        relationship="단골.\n",
        rules=("존댓말로 말한다.\n",),
    )
    assert "\n\n" not in render_system_prompt(character)
    assert '주인이다. 좌우명은 "꽃은 오늘".\n' in render_system_prompt(character)


@pytest.mark.parametrize(
    ("name", "opening"),
    [("엑사", "너는 엑사다."), ("미연", "너는 미연이다."), ("Mia", "너는 Mia")],
)
def test_the_first_words_say_who_speaks(name, opening):
    """The copula after the name fits its last letter."""
    character = Character(name=name, description="사서다.", speech=Speech(level="polite"))
    assert render_system_prompt(character).startswith(opening)


@pytest.mark.parametrize(("level", "word"), [("banmal", "말투: 반말"), ("polite", "말투: 존댓말")])
def test_the_level_is_written_in_korean(level, word):
    """The key's English value is not shown to the model."""
    character = Character(name="미아", description="사서다.", speech=Speech(level=level))
    text = render_system_prompt(character, detail="brief")
    assert word in text
    assert level not in text


def test_the_users_name_stays_open():
    """The chat fills {유저}, not the prompt."""
    character = described("{유저}와 산다. {캐릭터}라고 불린다.")
    assert "{유저}와 산다. {캐릭터}라고 불린다." in render_system_prompt(character)


@pytest.mark.parametrize(
    "text",
    [
        "\"괜찮아\"라고 '늘' 말한다.",
        "it's <b>굵게</b> & 'quoted'",
        "역슬래시 \\n \\ 는 그대로",
        "{{ c.name }} {% if x %} {# 주석 #}",
        "줄 하나\n줄 둘",
        "🌸꽃",
    ],
)
def test_quotes_and_marks_in_a_description_survive(text):
    """A description is text: it is neither escaped nor run."""
    assert text in render_system_prompt(described(text))


@given(st.text(min_size=1).map(str.strip).filter(bool))
def test_any_description_survives(text):
    """Whatever a person writes is what the model reads."""
    assert text in render_system_prompt(described(text))


def test_an_action_style_alone_makes_the_line_of_actions():
    """Shares are for the checks, not for the model."""
    character = described("사서다.").model_copy(update={"actions": Actions(min_share=0.5)})
    assert "행동" not in render_system_prompt(character)


CUTTABLE = Character(
    name="미아",
    slogan="꽃은 오늘",
    description="꽃집 주인이다. 새벽에 문을 연다.",
    appearance="앞치마를 둘렀다",
    personality=("조용하다", "꼼꼼하다"),
    speech=Speech(level="polite", habits=("느리게 말한다", "꽃말을 섞는다"), dialect="강릉 사투리"),
    actions=Actions(style="짧게 쓴다"),
    world="골목 끝 꽃집",
    scene="비 오는 새벽",
    relationship="단골",
    relationship_growth=("손님", "친구"),
    rules=("첫째 규칙", "둘째 규칙"),
    forbidden_words=("금지어",),
    system_prompt="덧붙임. {{original}}",
    reminder="다시 일러둠",
    lorebook=Lorebook(entries=[LoreEntry(content="늘 아는 것", constant=True)]),
)
# What goes, one after the other.
CUTS = (
    *("늘 아는 것", "앞치마", "→ 친구", "손님", "꽃은 오늘", "다시 일러둠", "덧붙임", "금지어"),
    *("비 오는", "골목 끝", "꽃말을", "느리게", "둘째", "첫째", "꼼꼼", "조용", "새벽에 문을"),
)


def test_a_budget_cuts_in_the_stated_order():
    """Each smaller budget takes just the next thing."""
    left, text = list(CUTS), render_system_prompt(CUTTABLE)
    assert all(word in text for word in CUTS)
    while left:
        text = render_system_prompt(CUTTABLE, budget_tokens=len(text) - 1, count=len)
        left.pop(0)
        assert [word for word in CUTS if word in text] == left
    for word in ("미아", "꽃집 주인이다.", "존댓말", "강릉", "단골", "짧게 쓴다"):
        assert word in text


def test_a_budget_that_cannot_be_met_is_told():
    """With the tokens that are needed."""
    with pytest.raises(CharacterError, match=r"미아.*토큰.*description"):
        render_system_prompt(CUTTABLE, budget_tokens=3)


def test_a_budget_that_fits_cuts_nothing():
    """The prompt is the same text."""
    assert render_system_prompt(CUTTABLE, budget_tokens=900) == render_system_prompt(CUTTABLE)


@pytest.mark.parametrize(
    ("system_prompt", "text"),
    [
        ("앞. {{original}} 뒤.", "앞. 너는 미아다. 사서다.\n말투: 반말 뒤."),
        ("뒤.", "너는 미아다. 사서다.\n말투: 반말\n뒤."),
    ],
)
def test_a_system_prompt_of_a_card_takes_ours_in(system_prompt, text):
    """{{original}} is the place of our text; without it, ours comes first."""
    character = described("사서다.").model_copy(update={"system_prompt": system_prompt})
    assert render_system_prompt(character) == text


def test_the_estimate_of_tokens_counts_hangul_higher():
    """0.8 a syllable, 0.3 a Latin letter."""
    assert (estimate_tokens("가" * 10), estimate_tokens("a" * 10), estimate_tokens("")) == (8, 3, 0)
