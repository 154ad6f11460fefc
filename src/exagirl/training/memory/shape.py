"""The shape of a decoder, and how many parameters it has: by formula, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from exagirl.errors import ModelError
from exagirl.record import Record
from exagirl.training.options import LoraOptions

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")
MEANINGS = {"attention": ATTENTION, "attention+mlp": ATTENTION + MLP, "all-linear": ATTENTION + MLP}

_NORMS = {
    "exaone": 2,
    "llama": 2,
    "mistral": 2,
    "qwen2": 2,
    "qwen3": 2,
    "exaone4": 2,
    "gemma3_text": 4,
}
"""Norms over the hidden width a layer, by ``model_type``; other kinds are not weighed."""
_QK_NORM = {"qwen3", "exaone4", "gemma3_text"}
_QKV_BIAS = {"qwen2"}
_TIED_UNLESS_SAID = {"gemma3_text"}


class ModelShape(Record):
    """What decides how large a dense decoder with a gated feed-forward is."""

    vocabulary: int = Field(gt=0)
    hidden: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    feed_forward: int = Field(gt=0)
    is_tied: bool
    """True where the output layer is the embedding table."""
    norms: int = 2
    """Norms over the hidden width a layer."""
    has_qk_norm: bool = False
    has_qkv_bias: bool = False

    @property
    def query(self) -> int:
        """Width of all queries of a token."""
        return self.heads * self.head_dim

    @property
    def key_value(self) -> int:
        """Width of all keys (or all values) of a token."""
        return self.kv_heads * self.head_dim

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """The linear layers of one decoder layer, in Llama's names: inputs and outputs."""
        return {
            "q_proj": (self.hidden, self.query),
            "k_proj": (self.hidden, self.key_value),
            "v_proj": (self.hidden, self.key_value),
            "o_proj": (self.query, self.hidden),
            "gate_proj": (self.hidden, self.feed_forward),
            "up_proj": (self.hidden, self.feed_forward),
            "down_proj": (self.feed_forward, self.hidden),
        }

    @property
    def body(self) -> int:
        """Parameters of all linear layers of the decoder, without embeddings and output layer."""
        return self.layers * sum(ins * outs for ins, outs in self.linears.values())

    @property
    def head(self) -> int:
        """Parameters of the output layer (and, as many, of the embeddings)."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All parameters of the model; a tied output layer counts once."""
        small = self.norms * self.hidden
        if self.has_qk_norm:
            small += 2 * self.head_dim
        if self.has_qkv_bias:
            small += self.query + 2 * self.key_value
        tables = self.head if self.is_tied else 2 * self.head
        return tables + self.body + self.layers * small + self.hidden

    def targets(self, lora: LoraOptions) -> tuple[str, ...]:
        """The linear layers that a recipe's targets mean.

        Raises:
            ModelError: A target is none of this shape's layers.
        """
        wanted = MEANINGS[lora.targets] if isinstance(lora.targets, str) else lora.targets
        missing = [name for name in wanted if name not in self.linears]
        if missing:
            raise ModelError(
                f"training.lora.targets: 이 모델에는 {', '.join(missing)} 층이 없습니다. 있는 층: "
                f"{', '.join(self.linears)}."
            )
        return tuple(wanted)

    def adapter(self, lora: LoraOptions) -> int:
        """Trainable parameters of an adapter: rank × (inputs + outputs) a layer.

        Source: LoRA, arXiv:2106.09685, section 4.1: B and A of shapes (outputs, rank) and (rank,
        inputs); DoRA, arXiv:2402.09353, section 4.1: one magnitude an output besides.

        Raises:
            ModelError: A target is none of this shape's layers.
        """
        sizes = [self.linears[name] for name in self.targets(lora)]
        magnitudes = sum(outs for _, outs in sizes) if lora.dora else 0
        return self.layers * (lora.rank * sum(ins + outs for ins, outs in sizes) + magnitudes)


def shape_of(config: Mapping[str, Any]) -> ModelShape | None:
    """The shape that a checkpoint's ``config.json`` describes; None where its kind is unknown."""
    facts = config.get("text_config") or config
    kind = facts.get("model_type", "")
    if kind not in _NORMS:
        return None
    try:
        hidden, heads = int(facts["hidden_size"]), int(facts["num_attention_heads"])
        return ModelShape(
            vocabulary=facts["vocab_size"],
            hidden=hidden,
            layers=facts.get("num_hidden_layers") or facts["num_layers"],
            heads=heads,
            kv_heads=facts.get("num_key_value_heads") or heads,
            head_dim=facts.get("head_dim") or hidden // heads,
            feed_forward=facts["intermediate_size"],
            is_tied=bool(facts.get("tie_word_embeddings", kind in _TIED_UNLESS_SAID)),
            norms=_NORMS[kind],
            has_qk_norm=kind in _QK_NORM,
            has_qkv_bias=kind in _QKV_BIAS or bool(facts.get("attention_bias")),
        )
    except (KeyError, TypeError, ValueError):
        return None
