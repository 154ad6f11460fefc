"""The architectures that can become GGUF, and how each one's numbers are written there.

Names and keys are those of the GGUF specification (ggml, docs/gguf.md) and of the `gguf` package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from gguf import MODEL_ARCH, GGUFWriter, RopeScalingType
from torch import Tensor

from exagirl.errors import ModelError
from exagirl.record import Record

GEMMA_PERIOD = 6
"""llama.cpp takes every sixth layer of a Gemma 3 to look at the whole context."""


class Architecture(Record):
    """One kind of model."""

    name: str
    """What a person calls it."""
    arch: MODEL_ARCH
    turns_pairs: bool = False
    """Its RoPE turns neighbouring pairs in llama.cpp, halves in transformers: q and k are re-sorted
    row by row."""
    norm_shift: float = 0.0
    """What llama.cpp expects added to every norm's weight."""


ARCHITECTURES = {
    "llama": Architecture(name="Llama, EXAONE 3.x", arch=MODEL_ARCH.LLAMA, turns_pairs=True),
    "qwen2": Architecture(name="Qwen 2", arch=MODEL_ARCH.QWEN2),
    "qwen3": Architecture(name="Qwen 3", arch=MODEL_ARCH.QWEN3),
    "gemma3_text": Architecture(name="Gemma 3", arch=MODEL_ARCH.GEMMA3, norm_shift=1.0),
}


def find_architecture(facts: Mapping[str, Any], where: str) -> Architecture:
    """How a model of this ``config.json`` is written.

    Raises:
        ModelError: It is of another kind, or of these with something that GGUF would lose.
    """
    kind = facts.get("model_type")
    found = ARCHITECTURES.get(str(kind))
    if found is None:
        known = ", ".join(f"{one.name}({key})" for key, one in ARCHITECTURES.items())
        raise ModelError(
            f"{where}: {kind} 구조는 GGUF로 바꿀 수 없습니다. 바꿀 수 있는 구조: {known}."
        )
    scaling = _scaling(facts)
    if scaling not in ("default", "linear", "llama3"):
        raise ModelError(
            f"{where}: {scaling} 방식으로 늘린 RoPE는 GGUF로 바꿀 수 없습니다. default, linear, "
            "llama3 방식만 됩니다."
        )
    if kind == "gemma3_text":
        _check_gemma(facts, where)
    return found


def _check_gemma(facts: Mapping[str, Any], where: str) -> None:
    layers = facts.get("layer_types") or []
    wanted = [
        "full_attention" if (i + 1) % GEMMA_PERIOD == 0 else "sliding_attention"
        for i in range(len(layers))
    ]
    if list(layers) != wanted:
        raise ModelError(
            f"{where}: 층의 차례(layer_types)가 llama.cpp의 Gemma 3와 다릅니다. 여섯 층마다 하나가 "
            "full_attention인 모델만 바꿀 수 있습니다."
        )
    sliding = (facts.get("rope_parameters") or {}).get("sliding_attention") or {}
    if float(sliding.get("rope_theta", 10_000.0)) != 10_000.0 or facts.get(
        "attn_logit_softcapping"
    ):
        raise ModelError(f"{where}: Gemma 3의 보통 설정이 아니라 GGUF로 바꿀 수 없습니다.")
    width = head_width(facts)
    if float(facts.get("query_pre_attn_scalar", width)) != width:
        raise ModelError(
            f"{where}: query_pre_attn_scalar가 head_dim({width})과 달라 GGUF로 바꿀 수 없습니다."
        )


def head_width(facts: Mapping[str, Any]) -> int:
    """The length of one head's queries."""
    return int(facts.get("head_dim") or facts["hidden_size"] // facts["num_attention_heads"])


def rope(facts: Mapping[str, Any]) -> dict[str, Any]:
    """RoPE's parameters of the layers that look at the whole context, ``rope_theta`` among them."""
    found = dict(facts.get("rope_parameters") or facts.get("rope_scaling") or {})
    found = dict(found.get("full_attention", found))
    found.setdefault("rope_theta", facts.get("rope_theta", 10_000.0))
    found.setdefault("rope_type", found.get("type", "default"))
    return found


def _scaling(facts: Mapping[str, Any]) -> str:
    return str(rope(facts)["rope_type"])


def write_sizes(writer: GGUFWriter, facts: Mapping[str, Any]) -> None:
    """Put a model's sizes, and how it turns positions, into the header."""
    heads, width = facts["num_attention_heads"], head_width(facts)
    writer.add_context_length(facts["max_position_embeddings"])
    writer.add_embedding_length(facts["hidden_size"])
    writer.add_block_count(facts["num_hidden_layers"])
    writer.add_feed_forward_length(facts["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(facts.get("num_key_value_heads") or heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_layer_norm_rms_eps(facts["rms_norm_eps"])
    writer.add_vocab_size(facts["vocab_size"])
    turns = rope(facts)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(float(turns["rope_theta"]))
    if turns["rope_type"] == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(turns["factor"]))
    if facts["model_type"] == "gemma3_text":
        writer.add_sliding_window(facts["sliding_window"])
        if facts.get("final_logit_softcapping"):
            writer.add_final_logit_softcapping(facts["final_logit_softcapping"])


def rope_factors(facts: Mapping[str, Any]) -> Tensor | None:
    """By what each of RoPE's frequencies is divided, shape (head / 2,), or None without scaling.

    Source: "llama3" in transformers' `modeling_rope_utils`; llama.cpp reads the divisors from the
    tensor ``rope_freqs.weight``.
    """
    turns = rope(facts)
    if turns["rope_type"] != "llama3":
        return None
    width = head_width(facts)
    steps = torch.arange(0, width, 2, dtype=torch.float64) / width
    wavelength = 2 * math.pi * float(turns["rope_theta"]) ** steps
    factor, low = float(turns["factor"]), float(turns["low_freq_factor"])
    high, known = float(turns["high_freq_factor"]), turns["original_max_position_embeddings"]
    blend = ((known / wavelength - low) / (high - low)).clamp(0, 1)
    return (1 / ((1 - blend) / factor + blend)).float()


def change_for(
    architecture: Architecture, facts: Mapping[str, Any], name: str
) -> Callable[[Tensor], Tensor] | None:
    """What must be done to a whole tensor before it is written, or None."""
    if architecture.norm_shift and name.endswith("norm.weight"):
        return lambda tensor: tensor.float() + architecture.norm_shift
    if not architecture.turns_pairs:
        return None
    heads = {
        "q_proj": facts["num_attention_heads"],
        "k_proj": facts.get("num_key_value_heads") or facts["num_attention_heads"],
    }
    for layer, count in heads.items():
        if name.endswith((f"{layer}.weight", f"{layer}.bias")):
            return partial(pair_rows, heads=count)
    return None


def pair_rows(tensor: Tensor, heads: int) -> Tensor:
    """Sort the rows of each head so that what transformers keeps half a head apart is neighbours.

    Args:
        tensor: Shape (heads × width, …).
        heads: How many heads the rows belong to.
    """
    halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return halves.transpose(1, 2).reshape(tensor.shape)
