"""A Character Card (V1, V2, V3) as JSON values and our record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import ValidationError

from exagirl.korean.speech import speech_level
from exagirl.persona.card_data import GROUPS, MODELLED, Data, Group
from exagirl.persona.card_text import CardFault
from exagirl.persona.parts import Foreign
from exagirl.persona.profile import Character
from exagirl.record import explain

Spec = Literal["v2", "v3"]
SPECS: dict[Spec, dict[str, str]] = {
    "v2": {"spec": "chara_card_v2", "spec_version": "2.0"},
    "v3": {"spec": "chara_card_v3", "spec_version": "3.0"},
}
OURS = "exagirl"
FORMAT = 1
V1_KEYS = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
JUDGED_LINES, JUDGED_CHARS = 12, 1000


def character_of(card: Data) -> Character:
    """Make the record of a card.

    Raises:
        CardFault: It is no card, or a value of it has the wrong type or is out of bounds.
    """
    data = _data_of(card)
    stored = _stored(data)
    fields = dict(stored) if stored is not None else _new_fields(data)
    if stored is not None:
        base = _record(stored)
        for group in GROUPS:
            if _given(group, data) and not _says(group, data, base):
                fields |= group.parse(data)
    character = _record(fields)
    return character.model_copy(update={"foreign": _foreign(card, data, character)})


def card_of(character: Character, spec: Spec = "v3") -> Data:
    """Write the record as a card's JSON values."""
    rendered = {key: value for group in GROUPS for key, value in group.render(character).items()}
    foreign = character.foreign.data
    data = dict(rendered)
    for group in GROUPS:
        kept = _given(group, foreign)
        others = {key: value for key, value in rendered.items() if key not in group.keys}
        if kept and _means(group, {**others, **foreign}, character):
            data = {key: value for key, value in data.items() if key not in group.keys} | kept
    data |= {key: value for key, value in foreign.items() if key not in MODELLED}
    theirs = foreign.get("extensions")
    data["extensions"] = {**(theirs if isinstance(theirs, dict) else {}), OURS: _ours(character)}
    data.setdefault("group_only_greetings", [])
    repeated = {key: data[key] for key in character.foreign.repeated if key in data}
    return {**SPECS[spec], "data": data, **character.foreign.top, **repeated}


def infer_level(lines: Iterable[str]) -> Literal["banmal", "polite"]:
    """The speech level that most lines have; polite where nothing tells."""
    found = [speech_level(line[:JUDGED_CHARS]) for line in list(lines)[:JUDGED_LINES]]
    return "banmal" if found.count("banmal") > found.count("polite") else "polite"


def _data_of(card: Data) -> Data:
    data = card.get("data")
    if "spec" not in card and data is None:
        if not ({"first_mes", "mes_example", "personality", "description"} & card.keys()):
            raise CardFault("캐릭터 카드가 아닙니다. 'data'도, V1의 'first_mes'도 없습니다")
        return card
    if not isinstance(data, dict):
        raise CardFault("data: 캐릭터 카드 V2/V3이면 { }로 된 'data'가 있어야 합니다")
    return data


def _stored(data: Data) -> Data | None:
    """The record that we once put into the card, as plain values."""
    extensions = data.get("extensions")
    ours = extensions.get(OURS) if isinstance(extensions, dict) else None
    if ours is None:
        return None
    stored = ours.get("character") if isinstance(ours, dict) else None
    if not isinstance(stored, dict):
        raise CardFault(f"data.extensions.{OURS}.character: {{ }}로 된 묶음이어야 합니다")
    return stored


def _ours(character: Character) -> Data:
    facts = character.model_dump(mode="json", exclude_defaults=True, exclude={"foreign"})
    return {"format": FORMAT, "character": facts}


def _new_fields(data: Data) -> Data:
    fields: Data = {}
    for group in GROUPS:
        fields |= group.parse(data)
    replies = [
        line["content"]
        for dialogue in fields["examples"]
        for line in dialogue
        if line["role"] == "assistant"
    ]
    level = infer_level([*replies, *fields["greetings"]])
    return {**fields, "speech": {"level": level}, "inferred": ["speech.level"]}


def _record(fields: Data) -> Character:
    try:
        return Character.model_validate(fields)
    except ValidationError as error:
        raise CardFault(explain(Character, error, "data")) from error


def _given(group: Group, data: Data) -> Data:
    return {key: data[key] for key in group.keys if key in data}


def _says(group: Group, data: Data, character: Character) -> bool:
    """True where a group stands as we write it, or means what the record says."""
    return _is_written(group, data, character) or _means(group, data, character)


def _is_written(group: Group, data: Data, character: Character) -> bool:
    rendered = group.render(character)
    return all(rendered.get(key, ...) == value for key, value in _given(group, data).items())


def _means(group: Group, data: Data, character: Character) -> bool:
    try:
        parsed = group.parse(data)
    except CardFault:
        return False
    return all(_same(getattr(character, field), value) for field, value in parsed.items())


def _same(held: Any, parsed: Any) -> bool:
    if hasattr(held, "model_dump"):
        held = held.model_dump()
        return bool(held == parsed)
    if isinstance(held, tuple):
        return list(_plain(held)) == list(parsed)
    return bool(held == parsed)


def _plain(values: tuple[Any, ...]) -> list[Any]:
    """Example dialogues as plain values, other tuples as they are."""
    return [
        [line.model_dump() for line in value] if isinstance(value, tuple) else value
        for value in values
    ]


def _foreign(card: Data, data: Data, character: Character) -> Foreign:
    """What writing the record anew would lose."""
    kept: Data = {key: value for key, value in data.items() if key not in MODELLED}
    extensions = kept.get("extensions")
    if isinstance(extensions, dict):
        others = {key: value for key, value in extensions.items() if key != OURS}
        kept = {key: value for key, value in kept.items() if key != "extensions"}
        kept |= {"extensions": others} if others else {}
    if kept.get("group_only_greetings") == []:
        del kept["group_only_greetings"]
    for group in GROUPS:
        if not _is_written(group, data, character):
            kept |= _given(group, data)
    if data is card:
        return Foreign(data=kept)
    known = {"spec", "spec_version", "data"}
    top = {key: value for key, value in card.items() if key not in known}
    # V2 cards often repeat V1's keys outside; a repetition that has gone stale would mislead.
    repeated = tuple(key for key in V1_KEYS if top.get(key) and top[key] == data.get(key))
    top = {key: value for key, value in top.items() if key not in repeated}
    return Foreign(top=top, data=kept, repeated=repeated)
