"""A character file says who speaks, or which of its keys is wrong."""

import pytest
import yaml

from exagirl.errors import CharacterError
from exagirl.korean.check import Rules
from exagirl.persona.character import builtin_names, load_character, read_character

PLAIN = {"name": "미아", "description": "꽃집 주인이다.", "speech": {"level": "polite"}}


def write(tmp_path, **values):
    """A character on disk."""
    path = tmp_path / "mia.yaml"
    path.write_text(yaml.safe_dump(PLAIN | values, allow_unicode=True), encoding="utf-8")
    return path


def told(tmp_path, **values):
    """What is said about a character with a fault."""
    with pytest.raises(CharacterError) as caught:
        read_character(write(tmp_path, **values))
    return str(caught.value)


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_character_loads(name):
    """It can greet, and has samples of its voice."""
    character = load_character(name)
    assert character.greetings
    assert character.speech.samples


def test_exa_is_the_character_of_the_founding_document():
    """Section 4: her names, her slogan, her 반말."""
    exa = load_character("exa")
    assert (exa.name, exa.slogan) == ("엑사", "Expert AI for Everyone")
    assert {"엑사걸", "EXAGIRL"} <= set(exa.aliases)
    assert exa.speech.level == "banmal"
    assert exa.is_ai


def test_a_name_a_description_and_a_level_are_enough(tmp_path):
    """Everything else has a default."""
    assert read_character(write(tmp_path)).actions.max_share == 1.0


def test_the_rules_of_the_checks_come_from_the_character():
    """Level, names, foreign and forbidden words are handed to korean.check."""
    character = load_character("exa").model_copy(update={"forbidden_words": ("비밀",)})
    assert character.check_rules() == Rules(
        level="banmal",
        names=("엑사", "엑사걸", "EXAGIRL"),
        foreign_words=frozenset({"Expert", "AI", "for", "Everyone", "EXAGIRL"}),
        forbidden_words=("비밀",),
        may_disclose_ai=True,
    )


def test_space_around_a_text_is_no_part_of_it(tmp_path):
    """A block of YAML ends with a line break."""
    character = read_character(
        write(tmp_path, description="꽃집 주인이다.\n\n", rules=[" 하나 \n"])
    )
    assert (character.description, character.rules) == ("꽃집 주인이다.", ("하나",))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"speech": {"level": "반말"}}, ("speech.level: ", "'banmal'", "'polite'")),
        ({"speech": {"level": "polite", "habit": []}}, ("speech.habit: ", "'habits'")),
        ({"actions": {"min_share": 2}}, ("actions.min_share: ", "1.0 이하")),
        ({"facts": [{"question": "뭐?", "answers": []}]}, ("facts.0.answers: ", "1개 이상")),
        (
            {"examples": [[{"role": "human", "content": "응"}]]},
            ("examples.0.0.role: ", "'user'", "'assistant'"),
        ),
        ({"personality": "밝다"}, ("personality: ", "목록")),
        ({"name": ""}, ("name: ", "비어")),
        ({"name": "가" * 41}, ("name: ", "40자")),
        ({"description": "  "}, ("description: ", "비어")),
        ({"persona": "밝다"}, ("persona: 모르는 키", "personality")),
    ],
)
def test_a_wrong_value_is_told_with_file_and_key(tmp_path, values, words):
    """The message names the file, the path of keys, and what may stand there."""
    message = told(tmp_path, **values)
    assert [word for word in ("mia.yaml", *words) if word not in message] == []


@pytest.mark.parametrize("text", ["", "- 하나\n", "미아는 꽃집 주인이다.\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    """The message says which keys a character has, and which command makes one."""
    path = tmp_path / "mia.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CharacterError, match=r"mia\.yaml.*speech:.*exagirl init"):
        read_character(path)


def test_broken_yaml_is_told_with_file_and_line(tmp_path):
    """The place of the fault is in the message."""
    path = tmp_path / "mia.yaml"
    path.write_text("name: 미아\nname: 미오\n", encoding="utf-8")
    with pytest.raises(CharacterError, match=r"mia\.yaml: 2행"):
        read_character(path)


@pytest.mark.parametrize("name", ["exxa", "", "없는 파일.yaml", "나는 책을 좋아하는 사서다. " * 20])
def test_a_character_that_is_not_there_is_told_with_the_ones_that_ship(tmp_path, name):
    """Also where a description stands in place of a name."""
    with pytest.raises(CharacterError, match=r"내장 캐릭터: .*exa.*exagirl init"):
        load_character(name, base=tmp_path)


def test_a_path_counts_from_the_folder_that_is_given(tmp_path):
    """A recipe names the character beside it."""
    write(tmp_path)
    assert load_character("mia.yaml", base=tmp_path).name == "미아"


def test_a_whole_path_stands_for_itself(tmp_path):
    """Where the recipe stands does not matter then."""
    assert load_character(str(write(tmp_path)), base=tmp_path / "other").name == "미아"


def test_a_built_in_name_wins_over_a_file(tmp_path):
    """The name exa means the character that ships, wherever a recipe stands."""
    (tmp_path / "exa").write_text("name: 가짜\n", encoding="utf-8")
    assert load_character("exa", base=tmp_path).name == "엑사"
