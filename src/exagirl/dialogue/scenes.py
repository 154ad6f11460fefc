"""Scenes that make every slot another: who, mood, time, place and how the talk begins."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import Any

from exagirl.dialogue.personas import PLANS, Situation
from exagirl.record import shipped_yaml


def draw_distinct(
    dice: random.Random, parts: Sequence[Sequence[str]], count: int
) -> list[list[str]]:
    """Draw combinations of one item a part, no two alike.

    Raises:
        ValueError: There are fewer combinations than ``count``.
    """
    return [_combination(parts, number) for number in dice.sample(range(ways(parts)), count)]


def ways(parts: Sequence[Sequence[str]]) -> int:
    """How many combinations there are."""
    total = 1
    for part in parts:
        total *= len(part)
    return total


def _combination(parts: Sequence[Sequence[str]], number: int) -> list[str]:
    """The combination of a number: one digit a part, in the part's own base."""
    chosen: list[str] = []
    for part in parts:
        number, digit = divmod(number, len(part))
        chosen.append(part[digit])
    return chosen


@cache
def _variety(name: str) -> Any:
    return shipped_yaml((PLANS / name).read_text("utf-8"))


def friend_parts() -> list[list[str]]:
    """What a scene of the plan ``exa`` is put together from."""
    variety = _variety("variety.yaml")
    return [variety[name] for name in ("who", "mood", "time", "place", "opening")]


def friend_scene(parts: Sequence[str]) -> str:
    """A scene of the plan ``exa`` in words."""
    who, mood, time, place, opening = parts
    return f"사람은 {who}. 지금 {mood}. {time}, {place}. 대화는 {opening} 시작한다."


def couple_parts(situation: Situation) -> list[list[str]]:
    """What a scene of a couple in a situation is put together from."""
    variety = _variety("gf-variety.yaml")
    return [
        variety["moods"],
        variety["stages"],
        list(situation.seasons or variety["seasons"]),
        list(situation.places),
        variety["openings"],
    ]


def couple_scene(situation: Situation, parts: Sequence[str]) -> str:
    """A scene of a couple in words."""
    mood, stage, season, place, opening = parts
    return (
        f"{situation.seed} {season}, {place}. 두 사람은 {stage}. 지금은 {mood}. "
        f"대화는 {opening} 시작한다."
    )
