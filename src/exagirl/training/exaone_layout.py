"""Adapters under EXAONE 3.x's own module names, and back.

Here EXAONE is the Llama architecture, so its adapters name Llama's modules. The published
checkpoint's own code has other names; an adapter that is to sit on it must use those. Only names
change: every tensor keeps its numbers and its shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from exagirl.artifact import new_artifact, seal, write_text
from exagirl.errors import ModelError
from exagirl.training.exaone import llama_name

PREFIX = "base_model.model."
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

MODULES = {
    "o_proj": "out_proj",
    "gate_proj": "c_fc_0",
    "up_proj": "c_fc_1",
    "down_proj": "c_proj",
}
"""Llama's and EXAONE's names for a layer; q_proj, k_proj and v_proj are called alike."""

ORIGINAL = {
    r"^model\.embed_tokens(?=\.|$)": "transformer.wte",
    r"^model\.norm(?=\.|$)": "transformer.ln_f",
    r"^model\.layers\.(\d+)\.input_layernorm(?=\.|$)": r"transformer.h.\1.ln_1",
    r"^model\.layers\.(\d+)\.post_attention_layernorm(?=\.|$)": r"transformer.h.\1.ln_2",
    r"^model\.layers\.(\d+)\.self_attn\.o_proj(?=\.|$)": (
        r"transformer.h.\1.attn.attention.out_proj"
    ),
    r"^model\.layers\.(\d+)\.self_attn(?=\.|$)": r"transformer.h.\1.attn.attention",
    r"^model\.layers\.(\d+)\.mlp\.gate_proj(?=\.|$)": r"transformer.h.\1.mlp.c_fc_0",
    r"^model\.layers\.(\d+)\.mlp\.up_proj(?=\.|$)": r"transformer.h.\1.mlp.c_fc_1",
    r"^model\.layers\.(\d+)\.mlp\.down_proj(?=\.|$)": r"transformer.h.\1.mlp.c_proj",
}
"""Patterns of Llama's names, and EXAONE's names for the same; the inverse of ``RENAMED``."""


def exaone_name(name: str) -> str:
    """EXAONE's name for a Llama module or tensor; other names stay."""
    for pattern, replacement in ORIGINAL.items():
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name


def save_adapter_as_exaone(adapter_dir: Path, out_dir: Path) -> Path:
    """Write an adapter that peft attaches to the modules of the published checkpoint's own code.

    It is for that code and for engines with its names. transformers 5.24 and later load the same
    checkpoint as Llama by themselves: there the adapter as this project saves it attaches, while
    one with EXAONE's names would lose its output projections with no more than a warning.

    Args:
        adapter_dir: An adapter of an EXAONE 3.x base, as this project saves it.
        out_dir: Takes its place when it is whole.

    Returns:
        ``out_dir``.

    Raises:
        ModelError: It is no adapter, is damaged, or sits on layers that EXAONE does not have.
    """
    return _save_renamed(adapter_dir, out_dir, exaone_name, MODULES, "transformer.")


def save_adapter_as_llama(adapter_dir: Path, out_dir: Path) -> Path:
    """Undo `save_adapter_as_exaone`, or take over an adapter that was trained on the original.

    Raises:
        ModelError: It is no adapter, is damaged, or has other names than EXAONE's.
    """
    back = {theirs: ours for ours, theirs in MODULES.items()}
    return _save_renamed(adapter_dir, out_dir, llama_name, back, "model.")


def _save_renamed(
    source: Path,
    target: Path,
    rename: Callable[[str], str],
    modules: dict[str, str],
    start: str,
) -> Path:
    config, tensors = _read(source)
    renamed = {
        PREFIX + rename(name.removeprefix(PREFIX)): tensor for name, tensor in tensors.items()
    }
    strange = [name for name in renamed if not name.startswith(PREFIX + start)]
    if strange or not renamed:
        raise ModelError(
            f"{source}: EXAONE 3.x의 층이 아닌 것이 있어 이름을 바꿀 수 없습니다"
            f"({', '.join(sorted(strange)[:3]) or '텐서 없음'}). EXAONE 3.x에서 학습한 어댑터의 "
            "폴더를 적으세요."
        )
    config["target_modules"] = [modules.get(n, rename(n)) for n in _targets(source, config)]
    with new_artifact(target) as folder:
        save_file(renamed, folder / WEIGHTS, metadata={"format": "pt"})
        write_text(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
        seal(folder, "adapter", {"layout": start.rstrip(".")})
    return target


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        return dict(config), load_file(folder / WEIGHTS)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise ModelError(
            f"{folder}: LoRA 어댑터 폴더가 아니거나 온전하지 않습니다({error})."
        ) from error


def _targets(folder: Path, config: dict[str, Any]) -> list[str]:
    found = config.get("target_modules")
    if not isinstance(found, list):
        raise ModelError(
            f"{folder / CONFIG}: target_modules가 이름 목록이 아니라({found}) 바꿀 수 없습니다. "
            "모듈 이름의 목록으로 적힌 어댑터를 쓰세요."
        )
    return [str(name) for name in found]
