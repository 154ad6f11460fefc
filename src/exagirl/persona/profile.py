"""Who the character is: the one record that every stage reads."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from exagirl.korean.check import Rules
from exagirl.persona.parts import Actions, Fact, Foreign, Line, Lorebook, Media, Speech
from exagirl.record import Record


class Character(Record):
    """A character as it stands in one YAML file. Files do not include one another."""

    # A block of YAML ends with a line break, which would leave a hole in the prompt.
    model_config = ConfigDict(str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=40, description="이름.")
    aliases: tuple[str, ...] = Field(default=(), description="알아듣는 다른 이름.")
    slogan: str = Field(default="", description="한 줄 소개나 구호.")
    description: str = Field(min_length=1, max_length=50_000, description="누구인지 두세 문장.")
    appearance: str = Field(default="", description="겉모습.")
    personality: tuple[str, ...] = Field(default=(), description="성격. 한 줄에 하나.")
    speech: Speech = Field(description="말투.")
    actions: Actions = Field(default=Actions(), description="*행동*을 쓰는 법.")
    emoji: Literal["forbid", "allow"] = Field(default="forbid", description="그림 이모지(🙂).")
    emoticons: Literal["allow", "forbid"] = Field(
        default="allow", description="글자 이모티콘(ㅋㅋ, ㅠㅠ, ^_^)."
    )
    world: str = Field(default="", description="사는 곳과 세계.")
    scene: str = Field(default="", description="대화가 시작되는 장면.")
    relationship: str = Field(default="", description="{유저}와 어떤 사이인지.")
    relationship_growth: tuple[str, ...] = Field(
        default=(), description="사이가 깊어지는 단계. 한 줄에 하나."
    )
    greetings: tuple[str, ...] = Field(default=(), description="첫인사. 여럿이면 골라 쓴다.")
    examples: tuple[tuple[Line, ...], ...] = Field(default=(), description="보기 대화.")
    facts: tuple[Fact, ...] = Field(default=(), description="캐릭터에 대한 사실.")
    rules: tuple[str, ...] = Field(default=(), description="꼭 지킬 것. 한 줄에 하나.")
    foreign_words: tuple[str, ...] = Field(default=(), description="써도 되는 외국어 낱말.")
    forbidden_words: tuple[str, ...] = Field(default=(), description="쓰지 않는 말.")
    is_ai: bool = Field(default=False, description="스스로 AI라고 말해도 되는 캐릭터인지.")
    offers_help: bool = Field(
        default=False, description="'무엇을 도와드릴까요?'라고 물어도 되는 집사나 점원인지."
    )
    lorebook: Lorebook = Field(default=Lorebook(), description="말이 나오면 떠올리는 지식.")
    media: Media = Field(default=Media(), description="초상화와 색.")
    system_prompt: str = Field(
        default="",
        description=(
            "시스템 프롬프트에 덧붙일 글. {{original}} 자리에 이 기록으로 만든 글이 들어간다."
        ),
    )
    reminder: str = Field(default="", description="시스템 프롬프트 끝에 다시 일러둘 말.")
    creator: str = Field(default="", description="만든 사람.")
    creator_notes: str = Field(default="", description="쓰는 사람에게 남기는 말. 모델은 못 본다.")
    version: str = Field(default="", description="이 캐릭터의 판.")
    tags: tuple[str, ...] = Field(default=(), description="찾기 위한 낱말.")
    inferred: tuple[str, ...] = Field(
        default=(), description="가져온 카드에 없어 짐작한 항목. 확인했으면 지운다."
    )
    foreign: Foreign = Field(
        default=Foreign(),
        description="다른 프로그램의 카드에서 온, 우리가 쓰지 않는 것. 내보낼 때 그대로 나간다.",
    )

    def check_rules(self) -> Rules:
        """What `korean.check_turn` holds this character's replies to.

        A speaker of 하오체 is held to no level: 반말 and 존댓말 do not measure it.
        """
        return Rules(
            level=None if self.speech.is_old else self.speech.level,
            foreign_words=frozenset(self.foreign_words),
            names=(self.name, *self.aliases),
            forbidden_words=self.forbidden_words,
            may_disclose_ai=self.is_ai,
            may_offer_service=self.offers_help,
            emoji=self.emoji,
            emoticons=self.emoticons,
        )
