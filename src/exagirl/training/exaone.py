"""EXAONE 3.x as the Llama architecture: the same numbers under other names.

Source of the mapping: the layout of the published checkpoints (``model_type: exaone``); only keys
and module names differ, so the renaming is exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from transformers import LlamaConfig

MODEL_TYPE = "exaone"
HEAD = "lm_head.weight"
"""The output layer, in both layouts."""

RENAMED = {
    r"^transformer\.wte\.": "model.embed_tokens.",
    r"^transformer\.ln_f\.": "model.norm.",
    r"^transformer\.h\.(\d+)\.ln_1\.": r"model.layers.\1.input_layernorm.",
    r"^transformer\.h\.(\d+)\.ln_2\.": r"model.layers.\1.post_attention_layernorm.",
    r"^transformer\.h\.(\d+)\.attn\.attention\.out_proj\.": r"model.layers.\1.self_attn.o_proj.",
    r"^transformer\.h\.(\d+)\.attn\.attention\.": r"model.layers.\1.self_attn.",
    r"^transformer\.h\.(\d+)\.mlp\.c_fc_0\.": r"model.layers.\1.mlp.gate_proj.",
    r"^transformer\.h\.(\d+)\.mlp\.c_fc_1\.": r"model.layers.\1.mlp.up_proj.",
    r"^transformer\.h\.(\d+)\.mlp\.c_proj\.": r"model.layers.\1.mlp.down_proj.",
}
"""Patterns of EXAONE's tensor names, and Llama's names for the same tensors; the first one counts.

transformers reads the same table as ``key_mapping``, which knows one group a pattern.
"""


def llama_name(name: str) -> str:
    """Llama's name for an EXAONE tensor; other names stay."""
    for pattern, replacement in RENAMED.items():
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name


def llama_config(facts: Mapping[str, Any], *, has_head: bool = False) -> LlamaConfig:
    """The Llama configuration that computes what an EXAONE 3.x configuration describes.

    Args:
        facts: The checkpoint's ``config.json``, in EXAONE's own words or in those that transformers
            5.24 writes for it (``num_hidden_layers``, ``rms_norm_eps``, ``rope_parameters``).
        has_head: Whether the weights hold an output layer; decides only where the configuration
            does not say if it is tied to the embeddings.

    Raises:
        KeyError: A size that cannot be guessed is not there.
    """
    return LlamaConfig(
        vocab_size=facts["vocab_size"],
        hidden_size=facts["hidden_size"],
        intermediate_size=facts["intermediate_size"],
        num_hidden_layers=_either(facts, "num_layers", "num_hidden_layers"),
        num_attention_heads=facts["num_attention_heads"],
        num_key_value_heads=facts.get("num_key_value_heads") or facts["num_attention_heads"],
        head_dim=facts.get("head_dim"),
        hidden_act=_either(facts, "activation_function", "hidden_act", "silu"),
        max_position_embeddings=facts.get("max_position_embeddings", 2048),
        rms_norm_eps=_either(facts, "layer_norm_epsilon", "rms_norm_eps", 1e-5),
        tie_word_embeddings=bool(facts.get("tie_word_embeddings", not has_head)),
        bos_token_id=facts.get("bos_token_id"),
        eos_token_id=facts.get("eos_token_id"),
        pad_token_id=facts.get("pad_token_id"),
        rope_parameters=_rope(facts),
        attention_bias=False,
        mlp_bias=False,
    )


def _either(facts: Mapping[str, Any], own: str, llamas: str, default: Any = None) -> Any:
    for name in (own, llamas):
        if facts.get(name) is not None:
            return facts[name]
    if default is None:
        raise KeyError(own)
    return default


def _rope(facts: Mapping[str, Any]) -> dict[str, Any]:
    """RoPE in transformers 5's words: ``rope_theta`` and ``rope_type`` beside the scaling."""
    rope = dict(facts.get("rope_parameters") or facts.get("rope_scaling") or {})
    rope.setdefault("rope_type", rope.pop("type", "default"))
    rope.setdefault("rope_theta", float(facts.get("rope_theta", 10_000.0)))
    return rope
