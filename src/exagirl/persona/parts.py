"""The parts of a character: speech, actions, example lines, facts, lorebook, media."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from exagirl.record import Record

_NOT_HANGUL = re.compile("[^가-힣]+")
# Endings of 하오체 and 하게체: neither 반말 nor 존댓말, so the two-way level does not measure them.
_OLD_ENDING = re.compile(
    "(?:(?<!십시)(?<!주)오|(?<!이)소|구려|구료|하게|는가|리다|더이다|나이다|도다)$"
)


class Speech(Record):
    """How the character talks."""

    level: Literal["banmal", "polite"] = Field(description="반말(banmal) 또는 존댓말(polite).")
    habits: tuple[str, ...] = Field(default=(), description="말버릇. 한 줄에 하나.")
    endings: tuple[str, ...] = Field(default=(), description="즐겨 쓰는 끝말. 예: -하오, -구려.")
    forbidden_endings: tuple[str, ...] = Field(default=(), description="쓰지 않는 끝말.")
    samples: tuple[str, ...] = Field(default=(), description="이 목소리로 한 말의 보기.")
    address: str = Field(default="", description="{유저}를 부르는 말. 예: 주인님, {유저} 씨.")
    dialect: str = Field(default="", description="사투리나 옛말. 예: 부산 사투리.")
    intimate: bool = Field(
        default=False, description="{유저}를 허물없이 부른다: 지은이가, 지은이는 (지은아는 그대로)."
    )

    @property
    def is_old(self) -> bool:
        """True for 하오체 and the like, which are neither 반말 nor 존댓말."""
        return any(_OLD_ENDING.search(syllables(ending)) for ending in self.endings)

    def ends_as_declared(self, sentence: str) -> bool:
        """True where a sentence ends in one of ``endings``."""
        return _ends_in(sentence, self.endings)

    def ends_as_forbidden(self, sentence: str) -> bool:
        """True where a sentence ends in one of ``forbidden_endings``."""
        return _ends_in(sentence, self.forbidden_endings)


def syllables(text: str) -> str:
    """The Hangul syllables of a text, and nothing else."""
    return _NOT_HANGUL.sub("", text)


def _ends_in(sentence: str, endings: tuple[str, ...]) -> bool:
    said = syllables(sentence)
    forms = [form for ending in endings for form in _forms(ending)]
    return any(form and said.endswith(form) for form in forms)


def _forms(ending: str) -> tuple[str, str]:
    """``-(으)시오`` with and without what stands in brackets."""
    return syllables(ending), syllables(re.sub(r"\([^)]*\)", "", ending))


class Actions(Record):
    """How the character acts in ``*…*``."""

    style: str = Field(default="", description="행동을 어떻게 쓰는지 한 문장.")
    min_share: float = Field(default=0.0, ge=0, le=1, description="행동이 든 답의 비율, 적어도.")
    max_share: float = Field(default=1.0, ge=0, le=1, description="행동이 든 답의 비율, 많아도.")

    @model_validator(mode="after")
    def _range_is_a_range(self) -> Actions:
        if self.min_share > self.max_share:
            raise ValueError(
                f"min_share({self.min_share})가 max_share({self.max_share})보다 큽니다. "
                "둘을 바꾸세요."
            )
        return self


class Line(Record):
    """One line of an example dialogue."""

    role: Literal["user", "assistant"] = Field(description="user(사람) 또는 assistant(캐릭터).")
    content: str = Field(min_length=1, description="한 말. {유저}와 {캐릭터}를 쓸 수 있다.")


class Fact(Record):
    """Something that is true of the character, and how to ask for it."""

    question: str = Field(min_length=1, description="캐릭터에게 묻는 말.")
    answers: tuple[str, ...] = Field(min_length=1, description="답에 들어 있으면 맞는 말.")
    contradictions: tuple[str, ...] = Field(default=(), description="답에 들어 있으면 틀린 말.")


class LoreEntry(Record):
    """Something that the character knows when the talk comes to it."""

    keys: tuple[str, ...] = Field(
        default=(), description="대화에 이 말이 들어 있으면 내용을 떠올린다. 조사가 붙어도 된다."
    )
    secondary_keys: tuple[str, ...] = Field(
        default=(), description="적으면 이 가운데 하나도 함께 나와야 한다."
    )
    content: str = Field(description="캐릭터가 떠올리는 내용.")
    constant: bool = Field(default=False, description="true면 키가 없어도 늘 떠올린다.")
    order: int = Field(default=100, description="작을수록 앞에 놓인다.")
    depth: int | None = Field(
        default=None, ge=0, description="대화 끝에서 몇 마디 앞에 놓을지. 비우면 시스템 프롬프트."
    )
    enabled: bool = Field(default=True, description="false면 쓰지 않는다.")
    use_regex: bool = Field(
        default=False,
        description="다른 프로그램의 정규식 키. 실행하지 않고, 낱말로 된 것만 낱말로 찾는다.",
    )
    extra: dict[str, Any] = Field(
        default_factory=dict, description="다른 프로그램의 값. 내보낼 때 그대로 나간다."
    )

    @property
    def text(self) -> str:
        """The content without the decorators of Character Card V3 (lines that open with @@)."""
        lines = self.content.lstrip().split("\n")
        while len(lines) > 1 and lines[0].startswith("@@"):
            del lines[0]
        return "\n".join(lines).strip()


class Lorebook(Record):
    """What the character knows of the world, called up by words of the talk."""

    budget_tokens: int = Field(default=512, ge=0, description="한 번에 떠올릴 양(토큰).")
    scan_depth: int = Field(default=4, ge=0, description="키를 찾아볼 마지막 말의 수.")
    entries: tuple[LoreEntry, ...] = Field(default=(), description="항목.")
    extra: dict[str, Any] = Field(
        default_factory=dict, description="다른 프로그램의 값. 내보낼 때 그대로 나간다."
    )


class Media(Record):
    """How the character looks on the screen."""

    portrait: str = Field(default="", description="초상화 PNG. 이 파일의 폴더 안 경로.")
    colours: tuple[str, ...] = Field(default=(), description="색 이름표. 예: '#7B5CD6'.")

    @field_validator("portrait")
    @classmethod
    def _stays_inside(cls, portrait: str) -> str:
        path = PurePosixPath(portrait.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in portrait or "\0" in portrait:
            raise ValueError(
                f"'{portrait}'은(는) 이 파일의 폴더 밖입니다. 파일을 옆에 두고 이름만 적으세요."
            )
        return portrait

    @field_validator("colours")
    @classmethod
    def _are_colours(cls, colours: tuple[str, ...]) -> tuple[str, ...]:
        for colour in colours:
            if not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour):
                raise ValueError(f"'{colour}'은(는) 색이 아닙니다. '#7B5CD6'처럼 적으세요.")
        return colours


class Foreign(Record):
    """What a card of another program holds beyond this record; written back as it came."""

    top: dict[str, Any] = Field(default_factory=dict, description="카드의 바깥쪽 키.")
    data: dict[str, Any] = Field(default_factory=dict, description="data 안의 키.")
    repeated: tuple[str, ...] = Field(
        default=(), description="바깥쪽에 한 번 더 적혀 있던 data의 키."
    )
