"""The one renderer of a character's system prompt."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import Literal

from jinja2 import Environment, StrictUndefined, Template

from exagirl.errors import CharacterError
from exagirl.korean.particles import attach
from exagirl.persona.macros import ORIGINAL, fill_original
from exagirl.persona.profile import Character

Detail = Literal["brief", "normal", "full"]
LEVELS: dict[Detail, int] = {"brief": 0, "normal": 1, "full": 2}
CUT_ORDER = (
    *("lorebook", "appearance", "relationship_growth", "slogan", "reminder", "system_prompt"),
    *("forbidden_words", "scene", "world", "speech.habits", "rules", "personality", "description"),
)
"""What a budget cuts, first to last; of a list, the last item first. Of the description, its first
sentence stays. Name, level, dialect, endings, address, action style and relationship always stay.
"""
_WIDE = re.compile("[^\x00-\u02ff]")
_SENTENCE_END = re.compile(r"(?<=[.!?。…])\s+|\n+")
WIDE_TOKENS = 0.8
NARROW_TOKENS = 0.3


def estimate_tokens(text: str) -> int:
    """Guess a text's tokens: 0.8 for a Hangul syllable or other wide letter, 0.3 for a Latin one.

    It means to be high rather than low; where it matters, count with the model's own tokenizer.
    """
    wide = len(_WIDE.findall(text))
    return math.ceil(wide * WIDE_TOKENS + (len(text) - wide) * NARROW_TOKENS)


def render_system_prompt(
    character: Character,
    *,
    detail: Detail = "full",
    budget_tokens: int | None = None,
    count: Callable[[str], int] = estimate_tokens,
) -> str:
    """Write a character as the system message that every stage uses.

    Args:
        character: Who speaks.
        detail: ``full`` says everything; ``normal`` leaves out looks, rules and what the lorebook
            always holds; ``brief`` also slogan, habits and scene, for small models on small
            machines.
        budget_tokens: The most tokens that the text may have; ``CUT_ORDER`` says what goes first.
        count: Counts the tokens of a text.

    Returns:
        Text without a trailing newline; ``{유저}`` stays for the chat to fill.

    Raises:
        CharacterError: What may not be cut is more than the budget.
    """
    text = _render(character, detail)
    if budget_tokens is None or count(text) <= budget_tokens:
        return text
    for smaller in _ever_smaller(character):
        text = _render(smaller, detail)
        if count(text) <= budget_tokens:
            return text
    raise CharacterError(
        f"'{character.name}': 시스템 프롬프트를 줄여도 {count(text)}토큰이라 "
        f"{budget_tokens}토큰에 들어가지 않습니다. 한도를 늘리거나 description을 줄이세요."
    )


def _ever_smaller(character: Character) -> Iterator[Character]:
    """Yield the character with one thing less each time, in ``CUT_ORDER``."""
    for path in CUT_ORDER:
        while (smaller := _less(character, path)) is not None:
            character = smaller
            yield character


def _less(character: Character, path: str) -> Character | None:
    """The character with a little less at a path; None where nothing is left to cut."""
    if path == "speech.habits":
        habits = character.speech.habits
        fewer = {"speech": character.speech.model_copy(update={"habits": habits[:-1]})}
        return character.model_copy(update=fewer) if habits else None
    if path == "lorebook":
        entries = character.lorebook.entries
        book = character.lorebook.model_copy(update={"entries": entries[:-1]})
        return character.model_copy(update={"lorebook": book}) if entries else None
    value = getattr(character, path)
    if path == "description":
        sentences = [part for part in _SENTENCE_END.split(value) if part]
        shorter = " ".join(sentences[:-1])
        return character.model_copy(update={path: shorter}) if shorter else None
    if not value:
        return None
    return character.model_copy(update={path: value[:-1] if isinstance(value, tuple) else ""})


def _render(character: Character, detail: Detail) -> str:
    # Of the lorebook, what is always known and has no place of its own in the talk.
    entries = sorted(character.lorebook.entries, key=lambda entry: entry.order)
    known = [e.text for e in entries if e.constant and e.enabled and e.depth is None and e.text]
    shown = character.model_copy(update={"reminder": ORIGINAL.sub("", character.reminder).strip()})
    text = _template().render(c=shown, level=LEVELS[detail], known=known).strip()
    if LEVELS[detail] == LEVELS["full"] and character.system_prompt:
        return fill_original(character.system_prompt, text).strip()
    return text


@cache
def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    environment.filters["josa"] = lambda word, pair: attach(word, pair).removeprefix(word)
    source = (resources.files("exagirl.persona") / "system_prompt.jinja").read_text("utf-8")
    return environment.from_string(source)
