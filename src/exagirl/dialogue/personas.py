"""The couple personas and situations of the plan ``gf-persona``."""

from __future__ import annotations

from functools import cache
from importlib import resources

from exagirl.persona.character import Actions, Character, Speech
from exagirl.record import Record, shipped_yaml

PLANS = resources.files("exagirl.dialogue") / "plans"
ACTION_STYLE = "*손을 꼭 잡으며*처럼 별표 사이에 짧게 쓴다."


class CouplePersona(Record):
    """One half of a couple, as it stands in ``plans/gf-personas.yaml``."""

    id: str
    name: str
    age: int
    job: str
    home: str
    description: str
    personality: tuple[str, ...]
    speech: Speech
    relationship: str

    def as_character(self) -> Character:
        """The persona as a character, so that one renderer and one set of checks serve both."""
        return Character(
            name=self.name,
            description=f"{self.home} 출신 {self.age}세 {self.job}. {self.description}",
            personality=self.personality,
            speech=self.speech,
            actions=Actions(style=ACTION_STYLE),
            relationship=self.relationship,
        )


class Situation(Record):
    """One situation of ``plans/gf-situations.yaml``."""

    id: str
    phrase: str
    seed: str
    places: tuple[str, ...]
    seasons: tuple[str, ...] = ()
    """Empty where every season will do."""


@cache
def couple_personas() -> dict[str, CouplePersona]:
    """Id to persona, in the order of the file."""
    raw = shipped_yaml((PLANS / "gf-personas.yaml").read_text("utf-8"))
    personas = [CouplePersona.model_validate(entry) for entry in raw]
    return {persona.id: persona for persona in personas}


@cache
def situations() -> dict[str, Situation]:
    """Id to situation, in the order of the file."""
    raw = shipped_yaml((PLANS / "gf-situations.yaml").read_text("utf-8"))
    found = [Situation.model_validate(entry) for entry in raw]
    return {situation.id: situation for situation in found}
