"""What a character asks of a turn; ``persona`` fills it in and hands it down."""

from typing import Literal

from pydantic import Field

from exagirl.record import Record

Level = Literal["banmal", "polite"]


class Rules(Record):
    """The measure that ``check_turn`` holds a turn against."""

    level: Level | None = None
    """How the character speaks; None accepts both."""
    user_level: Level | None = None
    """How the user speaks; None accepts both."""
    names: tuple[str, ...] = ()
    """What the character is called: a line that opens with ``NAME:`` is a leaked label."""
    user_names: tuple[str, ...] = ()
    """What the user is called: the character must not speak under such a label."""
    foreign_words: frozenset[str] = frozenset()
    """Words in other scripts that this character may write, beyond everyday ones such as AI."""
    emoji: Literal["forbid", "allow"] = "forbid"
    """Pictured emoji. Text emoticons are governed by ``emoticons``."""
    emoticons: Literal["allow", "forbid"] = "allow"
    """ㅋㅋ, ㅠㅠ, ^_^ and the like."""
    actions: Literal["allow", "require", "forbid"] = "allow"
    """Whether a turn may or must hold an ``*action*``."""
    max_action_share: float = Field(default=1.0, ge=0.0, le=1.0)
    """The most of a turn's characters that may stand in actions."""
    forbidden_words: tuple[str, ...] = ()
    """Words that the character never says."""
    may_disclose_ai: bool = False
    """An AI friend may say "응, 나 AI 친구야!"; a butler may not."""
    may_offer_service: bool = False
    """A butler or a clerk may ask "무엇을 도와드릴까요?"."""
    max_length_chars: int | None = Field(default=None, ge=1)
    """The longest turn; None sets no limit."""
