"""Who the character is: one record that every stage reads."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from exagirl.errors import CharacterError
from exagirl.korean.check import Rules
from exagirl.record import Record, explain, is_file, read_yaml

BUILTIN = resources.files("exagirl.persona") / "builtin"


class Speech(Record):
    """How the character talks."""

    level: Literal["banmal", "polite"] = Field(description="반말(banmal) 또는 존댓말(polite).")
    habits: tuple[str, ...] = Field(default=(), description="말버릇. 한 줄에 하나.")
    samples: tuple[str, ...] = Field(default=(), description="이 목소리로 한 말의 보기.")


class Actions(Record):
    """How the character acts in ``*…*``."""

    style: str = Field(default="", description="행동을 어떻게 쓰는지 한 문장.")
    min_share: float = Field(default=0.0, ge=0, le=1, description="행동이 든 답의 비율, 적어도.")
    max_share: float = Field(default=1.0, ge=0, le=1, description="행동이 든 답의 비율, 많아도.")


class Line(Record):
    """One line of an example dialogue."""

    role: Literal["user", "assistant"] = Field(description="user(사람) 또는 assistant(캐릭터).")
    content: str = Field(min_length=1, description="한 말. {유저}와 {캐릭터}를 쓸 수 있다.")


class Fact(Record):
    """Something that is true of the character, and how to ask for it."""

    question: str = Field(min_length=1, description="캐릭터에게 묻는 말.")
    answers: tuple[str, ...] = Field(min_length=1, description="답에 들어 있으면 맞는 말.")
    contradictions: tuple[str, ...] = Field(default=(), description="답에 들어 있으면 틀린 말.")


class Character(Record):
    """A character as it stands in one YAML file."""

    # A block of YAML ends with a line break, which would leave a hole in the prompt.
    model_config = ConfigDict(str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=40, description="이름.")
    aliases: tuple[str, ...] = Field(default=(), description="알아듣는 다른 이름.")
    slogan: str = Field(default="", description="한 줄 소개나 구호.")
    description: str = Field(min_length=1, max_length=4000, description="누구인지 두세 문장.")
    appearance: str = Field(default="", description="겉모습.")
    personality: tuple[str, ...] = Field(default=(), description="성격. 한 줄에 하나.")
    speech: Speech = Field(description="말투.")
    actions: Actions = Field(default=Actions(), description="*행동*을 쓰는 법.")
    world: str = Field(default="", description="사는 곳과 장면.")
    relationship: str = Field(default="", description="{유저}와 어떤 사이인지.")
    greetings: tuple[str, ...] = Field(default=(), description="첫인사. 여럿이면 골라 쓴다.")
    examples: tuple[tuple[Line, ...], ...] = Field(default=(), description="보기 대화.")
    facts: tuple[Fact, ...] = Field(default=(), description="캐릭터에 대한 사실.")
    rules: tuple[str, ...] = Field(default=(), description="꼭 지킬 것. 한 줄에 하나.")
    foreign_words: tuple[str, ...] = Field(default=(), description="써도 되는 외국어 낱말.")
    forbidden_words: tuple[str, ...] = Field(default=(), description="쓰지 않는 말.")
    is_ai: bool = Field(default=False, description="스스로 AI라고 말해도 되는 캐릭터인지.")

    def check_rules(self) -> Rules:
        """What `korean.check_turn` holds this character's replies to."""
        return Rules(
            level=self.speech.level,
            foreign_words=frozenset(self.foreign_words),
            names=(self.name, *self.aliases),
            forbidden_words=self.forbidden_words,
            may_disclose_ai=self.is_ai,
        )


def load_character(name_or_path: str, *, base: Path | None = None) -> Character:
    """Read a built-in character by name, or a YAML file by path.

    Args:
        name_or_path: ``exa``, or a path; a relative path counts from ``base``.
        base: The folder of the recipe that names the character.

    Raises:
        CharacterError: No such character, or the file does not hold one.
    """
    built_in = BUILTIN / f"{name_or_path}.yaml"
    if name_or_path in builtin_names():
        with resources.as_file(built_in) as path:
            return read_character(path)
    path = Path(name_or_path).expanduser()
    if not path.is_absolute() and base is not None:
        path = base / path
    if not is_file(path):
        raise CharacterError(
            f"{name_or_path}: 그런 캐릭터가 없습니다({path}). 내장 캐릭터: "
            f"{', '.join(builtin_names())}. "
            "새로 만들려면 'exagirl init'을 실행하세요."
        )
    return read_character(path)


def builtin_names() -> list[str]:
    """Names of the characters that ship."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in BUILTIN.iterdir()
        if entry.name.endswith(".yaml")
    )


def read_character(path: Path) -> Character:
    """Read one character from a YAML file.

    Raises:
        CharacterError: The file cannot be read, or a key or value of it is wrong.
    """
    try:
        raw: Any = read_yaml(path)
    except ValueError as error:
        raise CharacterError(f"{path}: {error}") from error
    if not isinstance(raw, dict):
        raise CharacterError(
            f"{path}: 캐릭터가 아닙니다. 'name:', 'description:', 'speech:'가 있는 YAML이어야 "
            "합니다. "
            "'exagirl init'이 만들어 주는 character.yaml을 고쳐 쓰세요."
        )
    try:
        return Character.model_validate(raw)
    except ValidationError as error:
        raise CharacterError(explain(Character, error, str(path))) from error
