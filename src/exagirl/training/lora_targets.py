"""Where an adapter sits: the layers that a recipe's targets mean in a given model.

A meaning is resolved by where a layer stands, not by what it is called: every linear layer inside
an attention block is ``attention``, whether the model keeps q, k and v apart or fuses them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Literal

import torch

from exagirl.errors import ModelError
from exagirl.training.exaone_layout import MODULES

Part = Literal["attention", "mlp"]

PARTS: tuple[tuple[Part, re.Pattern[str]], ...] = (
    ("attention", re.compile(r"attn|attention")),
    ("mlp", re.compile(r"mlp|feed_forward|ffn|expert")),
)
OTHER_SENSES = r"(embed_)?(vision|visual|audio|image|multi_modal|mm_)"
NOT_LANGUAGE = rf"(.*\.)?{OTHER_SENSES}[^.]*(\..*)?"
"""Modules of a model that are not its language part; they see nothing in a dialogue."""


def resolve_targets(model: Any, targets: str | tuple[str, ...]) -> list[str]:
    """The module names that a recipe's targets mean in this model.

    Args:
        model: A causal language model.
        targets: ``attention``, ``attention+mlp``, ``all-linear``, or names of linear layers.

    Returns:
        Endings of module names, the shortest that match the layers meant and nothing else.

    Raises:
        ModelError: A target matches no linear layer; training it would silently do nothing.
    """
    linear = linear_layers(model)
    if not isinstance(targets, str):
        return _named(linear, targets)
    chosen = linear
    if targets != "all-linear":
        chosen = [name for part in _parts(targets) for name in _inside(part, linear)]
    everything = [
        name for name, _ in model.named_modules() if name and not re.fullmatch(NOT_LANGUAGE, name)
    ]
    return _endings(chosen, everything)


def linear_layers(model: Any) -> list[str]:
    """Full names of the language part's linear layers, the output layer left out."""
    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and module is not head
        and not re.fullmatch(NOT_LANGUAGE, name)
    ]


def excluded_modules(model: Any) -> str | None:
    """Peft's ``exclude_modules`` for a model that also sees or hears; None for others."""
    others = (re.fullmatch(NOT_LANGUAGE, name) for name, _ in model.named_modules())
    return NOT_LANGUAGE if any(others) else None


def _parts(meaning: str) -> list[Part]:
    return [part for part, _ in PARTS if part in meaning.split("+")]


def _inside(part: Part, linear: Collection[str]) -> list[str]:
    found = [name for name in linear if _part_of(name) == part]
    if not found:
        raise ModelError(
            f"training.lora.targets: 이 모델에서 {part}에 속한 선형 층을 찾지 못했습니다. 있는 층: "
            f"{_kinds(linear)}. 그 가운데서 이름으로 적으세요."
        )
    return found


def _part_of(name: str) -> Part | None:
    """The block that a layer stands in: the nearest one whose name says what it is."""
    for block in reversed(name.split(".")[:-1]):
        for part, pattern in PARTS:
            if pattern.search(block):
                return part
    return None


def _named(linear: Collection[str], targets: tuple[str, ...]) -> list[str]:
    missing = [target for target in targets if not any(_ends(name, target) for name in linear)]
    if missing:
        ours = {theirs: here for here, theirs in MODULES.items()}
        renamed = [
            f"{target}은(는) {ours[target]}"
            for target in missing
            if any(_ends(name, ours.get(target, "?")) for name in linear)
        ]
        hint = f" 이 모델에서 {', '.join(renamed)}입니다." if renamed else ""
        raise ModelError(
            f"training.lora.targets: 이 모델에는 {', '.join(missing)} 층이 없습니다.{hint} 있는 "
            f"층: {_kinds(linear)}. 그대로 두면 그 층은 학습되지 않으므로 멈춥니다."
        )
    return list(dict.fromkeys(targets))


def _kinds(linear: Collection[str]) -> str:
    return ", ".join(sorted({name.rpartition(".")[2] for name in linear})) or "없음"


def _ends(name: str, ending: str) -> bool:
    return name == ending or name.endswith(f".{ending}")


def _endings(chosen: Collection[str], everything: Collection[str]) -> list[str]:
    """The shortest endings that match all chosen names and no other."""
    wanted = set(chosen)
    taken = {ending for name in everything if name not in wanted for ending in _all_endings(name)}
    return sorted({next(e for e in _all_endings(name) if e not in taken) for name in wanted})


def _all_endings(name: str) -> list[str]:
    """Every ending of a dotted name, the shortest first."""
    parts = name.split(".")
    return [".".join(parts[at:]) for at in range(len(parts) - 1, -1, -1)]
