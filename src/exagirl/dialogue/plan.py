"""What is owed: slots = subset × topic × index, seeded."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from functools import cache
from importlib import resources
from typing import Literal

from exagirl.dialogue.corpus import read_subset
from exagirl.dialogue.options import GenerationOptions, SubsetOptions
from exagirl.dialogue.personas import couple_personas, situations
from exagirl.dialogue.records import Slot
from exagirl.dialogue.scenes import (
    couple_parts,
    couple_scene,
    draw_distinct,
    friend_parts,
    friend_scene,
    ways,
)
from exagirl.errors import RecipeError
from exagirl.record import Record, shipped_yaml


class Topic(Record):
    """What dialogues are about, with a quota."""

    id: str
    kind: Literal["intellectual", "emotional"]
    quota: int
    name: str
    phrase: str


@cache
def exa_topics() -> tuple[Topic, ...]:
    """The nineteen topics of the plan ``exa``; their quotas add up to 890."""
    source = resources.files("exagirl.dialogue") / "plans" / "exa.yaml"
    raw = shipped_yaml(source.read_text("utf-8"))
    return tuple(Topic.model_validate(entry) for entry in raw["topics"])


def scale_quotas(quotas: dict[str, int], total: int) -> dict[str, int]:
    """Shrink or grow quotas to a total, each in proportion.

    The largest-remainder method: the sum is exactly ``total``; ties go to the earlier topic.
    """
    whole = sum(quotas.values())
    exact = {topic: total * quota / whole for topic, quota in quotas.items()}
    scaled = {topic: int(share) for topic, share in exact.items()}
    by_remainder = sorted(exact, key=lambda topic: scaled[topic] - exact[topic])
    for topic in by_remainder[: total - sum(scaled.values())]:
        scaled[topic] += 1
    return scaled


def plan_slots(options: GenerationOptions, seed: int) -> list[Slot]:
    """Every slot of a recipe, in the order in which dialogues are written out.

    Raises:
        RecipeError: More dialogues are ordered than the plan can tell apart.
    """
    slots: list[Slot] = []
    for subset, wanted in options.subsets.items():
        dice = random.Random(f"{seed}/{subset}")
        planner = _PLANNERS[wanted.plan]
        slots.extend(planner(subset, wanted, options, dice))
    return slots


def _plan_exa(
    subset: str, wanted: SubsetOptions, order: GenerationOptions, dice: random.Random
) -> list[Slot]:
    quotas = {topic.id: topic.quota for topic in exa_topics()}
    if wanted.dialogues is not None:
        quotas = scale_quotas(quotas, wanted.dialogues)
    return [
        Slot(
            subset=subset,
            topic=topic.id,
            index=index,
            phrase=topic.phrase,
            seed_line=scene,
            turns=_draw_turns(order, dice),
        )
        for topic in exa_topics()
        for index, scene in enumerate(_scenes(subset, topic.id, quotas[topic.id], dice))
    ]


def _scenes(subset: str, topic: str, count: int, dice: random.Random) -> list[str]:
    """Scenes for one topic, no two alike."""
    parts = friend_parts()
    if count > ways(parts):
        raise RecipeError(
            f"generation.subsets.{subset}: '{topic}' 주제에 {count}편을 주문했습니다. 서로 다른 "
            f"장면은 {ways(parts)}가지까지입니다. dialogues를 줄이세요."
        )
    return [friend_scene(chosen) for chosen in draw_distinct(dice, parts, count)]


def _draw_turns(order: GenerationOptions, dice: random.Random) -> int:
    is_long = order.long_share > 0 and dice.random() < order.long_share
    return dice.randint(*(order.long_turns if is_long else order.turns))


def _plan_gf(
    subset: str, wanted: SubsetOptions, order: GenerationOptions, dice: random.Random
) -> list[Slot]:
    """Couples × situations, evenly, each pair in scenes of its own.

    Pairs run along the diagonals of the table personas × situations, both shuffled; a step that
    has no divisor in common with the situations meets every pair once and spreads them evenly.
    """
    count = wanted.dialogues if wanted.dialogues is not None else 600
    personas, all_situations = list(couple_personas()), list(situations().values())
    dice.shuffle(personas)
    dice.shuffle(all_situations)
    width = len(all_situations)
    step = next(n for n in itertools.count(len(personas) % width or 1) if math.gcd(n, width) == 1)
    pairs = [
        (personas[at], all_situations[(at + step * shift) % width])
        for shift in range(width)
        for at in range(len(personas))
    ]
    most = sum(ways(couple_parts(situation)) for _, situation in pairs)
    if count > most:
        raise RecipeError(
            f"generation.subsets.{subset}.dialogues가 {count}입니다. gf-persona 계획은 서로 다른 "
            f"{most}편까지 만들 수 있습니다."
        )
    slots: list[Slot] = []
    indices: Counter[str] = Counter()
    for number, (persona, situation) in enumerate(pairs):
        times = (count - number + len(pairs) - 1) // len(pairs)
        for chosen in draw_distinct(dice, couple_parts(situation), max(0, times)):
            slots.append(
                Slot(
                    subset=subset,
                    topic=situation.id,
                    index=indices[situation.id],
                    phrase=situation.phrase,
                    seed_line=couple_scene(situation, chosen),
                    persona=persona,
                    turns=_draw_turns(order, dice),
                )
            )
            indices[situation.id] += 1
    return sorted(slots, key=lambda slot: (slot.topic, slot.index))


def _plan_corpus(
    subset: str, wanted: SubsetOptions, _order: GenerationOptions, _dice: random.Random
) -> list[Slot]:
    topics = read_subset(subset)
    quotas = {topic: len(dialogues) for topic, dialogues in topics.items()}
    if wanted.dialogues is not None:
        if wanted.dialogues > sum(quotas.values()):
            raise RecipeError(
                f"generation.subsets.{subset}.dialogues가 {wanted.dialogues}입니다. 함께 든 대화는 "
                f"{sum(quotas.values())}편입니다."
            )
        quotas = scale_quotas(quotas, wanted.dialogues)
    return [
        Slot(
            subset=subset,
            topic=topic,
            index=index,
            phrase=str(dialogue.meta.get("mood", topic)),
            persona=dialogue.character if dialogue.character in couple_personas() else "",
            turns=len(dialogue.turns) // 2,
        )
        for topic, dialogues in topics.items()
        for index, dialogue in enumerate(dialogues[: quotas[topic]])
    ]


_PLANNERS = {"exa": _plan_exa, "gf-persona": _plan_gf, "corpus": _plan_corpus}
