"""A card's ``data`` and our record, group by group.

What other programs know stands in the specification's own keys; the whole record travels beside it
in ``data.extensions.exagirl``. A key that another program has changed since wins over our copy. A
foreign value that we would write differently is kept in ``foreign`` and written back while the
record still says what it said.

Source: SPEC_V1, SPEC_V2 and SPEC_V3 of Character Card.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from exagirl.persona.card_book import parse_book, render_book
from exagirl.persona.card_examples import parse_examples, render_examples
from exagirl.persona.card_text import CardFault
from exagirl.persona.macros import modern, portable
from exagirl.persona.profile import Character

Data = dict[str, Any]


class Group(NamedTuple):
    """Keys of a card that say one thing together."""

    keys: tuple[str, ...]
    parse: Callable[[Data], Data]
    """A card's data to fields of the record."""
    render: Callable[[Character], Data]
    """The record to a card's keys."""


def text_of(data: Data, key: str) -> str:
    """One text of a card, old macros rewritten; null is an empty text.

    Raises:
        CardFault: It is no text.
    """
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CardFault(f"data.{key}: 글이어야 합니다({type(value).__name__}이(가) 있습니다)")
    return modern(value).strip()


def texts_of(data: Data, key: str) -> list[str]:
    """A list of texts of a card, without empty ones."""
    value = data.get(key)
    value = [] if value is None else value
    if not isinstance(value, list):
        raise CardFault(f"data.{key}: 글의 목록이어야 합니다")
    rows = [text_of({f"{key}[{n}]": row}, f"{key}[{n}]") for n, row in enumerate(value)]
    return [row for row in rows if row]


def _parse_name(data: Data) -> Data:
    name, nickname = text_of(data, "name"), text_of(data, "nickname")
    if not name and not nickname:
        raise CardFault("data.name: 비어 있습니다. 캐릭터의 이름을 적어 주세요")
    called = (nickname or name)[:40].strip()
    return {"name": called, **({"aliases": [name]} if name not in ("", called) else {})}


def _parse_description(data: Data) -> Data:
    others = ("description", "personality", "scenario", "creator_notes", "name", "nickname")
    said = next((text for key in others if (text := text_of(data, key))), "")
    return {"description": said, "appearance": ""}


def _render_description(character: Character) -> Data:
    looks = f"\n겉모습: {character.appearance}" if character.appearance else ""
    return {"description": portable(character.description + looks)}


def _parse_personality(data: Data) -> Data:
    rows = text_of(data, "personality").split("\n")
    return {"personality": [row.strip() for row in rows if row.strip()]}


def _parse_scenario(data: Data) -> Data:
    return {"world": "", "scene": text_of(data, "scenario"), "relationship": ""}


def _render_scenario(character: Character) -> Data:
    parts = (character.world, character.scene, character.relationship)
    return {"scenario": portable("\n".join(part for part in parts if part))}


def _parse_greetings(data: Data) -> Data:
    first = text_of(data, "first_mes")
    return {"greetings": [*([first] if first else []), *texts_of(data, "alternate_greetings")]}


def _render_greetings(character: Character) -> Data:
    greetings = [portable(greeting) for greeting in character.greetings]
    return {"first_mes": greetings[0] if greetings else "", "alternate_greetings": greetings[1:]}


def _parse_examples(data: Data) -> Data:
    return {"examples": parse_examples(text_of(data, "mes_example"), text_of(data, "name"))}


def _parse_book(data: Data) -> Data:
    return {"lorebook": parse_book(data.get("character_book")).model_dump()}


def _render_book(character: Character) -> Data:
    book = render_book(character.lorebook)
    return {} if book is None else {"character_book": book}


def _render_instructions(character: Character) -> Data:
    if character.system_prompt:
        return {"system_prompt": portable(character.system_prompt)}
    is_told = "speech.level" not in character.inferred
    level = "하오체" if character.speech.is_old else LEVELS[character.speech.level]
    speech = ", ".join([*([level] if is_told else []), *character.speech.habits])
    lines = [
        *([f"말투: {speech}"] if speech else []),
        *([f"행동: {character.actions.style}"] if character.actions.style else []),
        *(["지킬 것:"] if character.rules else []),
        *(f"- {rule}" for rule in character.rules),
    ]
    return {"system_prompt": portable("\n".join(["{{original}}", *lines])) if lines else ""}


LEVELS = {"banmal": "반말", "polite": "존댓말"}


def _plain(key: str, field: str) -> Group:
    return Group(
        (key,),
        lambda data: {field: text_of(data, key)},
        lambda character: {key: portable(getattr(character, field))},
    )


GROUPS = (
    Group(("name", "nickname"), _parse_name, lambda character: {"name": character.name}),
    Group(("description",), _parse_description, _render_description),
    Group(
        ("personality",),
        _parse_personality,
        lambda character: {"personality": portable("\n".join(character.personality))},
    ),
    Group(("scenario",), _parse_scenario, _render_scenario),
    Group(("first_mes", "alternate_greetings"), _parse_greetings, _render_greetings),
    Group(
        ("mes_example",),
        _parse_examples,
        lambda character: {"mes_example": render_examples(character.examples)},
    ),
    Group(
        ("system_prompt",),
        lambda data: {"system_prompt": text_of(data, "system_prompt")},
        _render_instructions,
    ),
    _plain("post_history_instructions", "reminder"),
    _plain("creator", "creator"),
    _plain("creator_notes", "creator_notes"),
    _plain("character_version", "version"),
    Group(
        ("tags",),
        lambda data: {"tags": texts_of(data, "tags")},
        lambda character: {"tags": list(character.tags)},
    ),
    Group(("character_book",), _parse_book, _render_book),
)
MODELLED = frozenset(key for group in GROUPS for key in group.keys)
