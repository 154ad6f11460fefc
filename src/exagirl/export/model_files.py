"""What stands beside a merged model's weights: config, tokenizer, template, licences.

The folder must mean the same to transformers 4 and 5, which read different keys:

    | what | transformers 4 reads | transformers 5 reads |
    |---|---|---|
    | RoPE base and scaling | rope_theta, rope_scaling | rope_parameters |
    | RoPE of Gemma 3's local layers | rope_local_base_freq | rope_parameters.sliding_attention |
    | share of a head that RoPE turns | partial_rotary_factor | rope_parameters |
    | dtype | dtype, torch_dtype | dtype |
    | tokenizer without a class of its own | PreTrainedTokenizerFast | that, or TokenizersBackend |
    | further special tokens | additional_special_tokens | extra_special_tokens, or the other |

A key that one of them lacks falls back to a default without a word, so all are written.

Source: the configuration classes of transformers 4.57.6 and 5.24.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from transformers import GenerationConfig

from exagirl.artifact import write_text
from exagirl.errors import ModelError
from exagirl.export.papers import licence_files
from exagirl.record import Record
from exagirl.training.base_model import (
    base_config,
    give_template,
    load_tokenizer,
    read_config,
    stop_token_ids,
)
from exagirl.training.exaone import MODEL_TYPE

FULL, LOCAL = "full_attention", "sliding_attention"
OLD_NAMES = {"gpt_neox": {"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"}}
"""Architectures for which transformers 4 reads a part of RoPE under a name of their own."""


class Baked(Record):
    """How a merged model is written, and what it carries beside its weights."""

    default_system: str = Field(
        default="", description="대화에 시스템 메시지가 없을 때 쓰는 시스템 프롬프트."
    )
    texts: dict[str, str] = Field(
        default_factory=dict, description="함께 담을 작은 파일. 이름과 내용(캐릭터 YAML 등)."
    )
    dtype: Literal["bfloat16", "float16", "float32", "keep"] = Field(
        default="keep", description="저장할 가중치 형식. keep은 기본 모델 그대로."
    )
    shard_gb: float = Field(
        default=5.0, gt=0, description="가중치 파일 하나의 크기 상한(GB, 10^9바이트)."
    )
    layout: Literal["transformers", "exaone"] = Field(
        default="transformers",
        description="exaone은 EXAONE 3.x의 원래 텐서 이름과 설정. 그 밖에는 transformers의 이름.",
    )


def check_layout(source: Path, baked: Baked) -> None:
    """Make sure that the layout asked for exists for this base.

    Raises:
        ModelError: EXAONE's layout is asked for and the base is of another kind; or the base is
            quantized, so that its tensors are no plain weights.
    """
    facts = read_config(source)
    kind = facts.get("model_type")
    if facts.get("quantization_config"):
        raise ModelError(
            f"{source}: 양자화된 모델이라 어댑터를 합칠 수 없습니다. 양자화하지 않은 원본에 "
            "합친 뒤 내보낼 때 양자화하세요."
        )
    if baked.layout == "exaone" and kind != MODEL_TYPE:
        raise ModelError(
            f"{source}: model_type이 {kind}인 모델은 EXAONE의 이름으로 쓸 수 없습니다. EXAONE 3.x "
            "기본 모델을 쓰거나 layout을 transformers로 두세요."
        )


def write_config(source: Path, folder: Path, baked: Baked, dtype: str) -> None:
    """Write ``config.json`` so that transformers 4 and 5 read the same model from it.

    Args:
        source: The base's folder.
        folder: Where the file goes.
        baked: Layout of the model.
        dtype: What most weights are: ``bfloat16``.
    """
    facts = read_config(source)
    if facts.get("model_type") == MODEL_TYPE and baked.layout == "transformers":
        facts = base_config(source).to_dict()
        facts["architectures"] = ["LlamaForCausalLM"]
    elif facts.get("model_type") == MODEL_TYPE:
        facts |= _exaone_words(base_config(source))
    effective = base_config(source)
    for part, config in _parts(facts, effective):
        part.pop("auto_map", None)
        part["dtype"] = part["torch_dtype"] = dtype
        part["tie_word_embeddings"] = bool(effective.get_text_config().tie_word_embeddings)
        rope = getattr(config, "rope_parameters", None)
        if rope:
            part.update(rope_keys(rope, str(part.get("model_type"))))
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    write_text(folder / "config.json", text + "\n")


def _exaone_words(config: Any) -> dict[str, Any]:
    """What EXAONE's own code and the engines with its names read."""
    return {
        "architectures": ["ExaoneForCausalLM"],
        "num_layers": config.num_hidden_layers,
        "layer_norm_epsilon": config.rms_norm_eps,
        "activation_function": config.hidden_act,
    }


def _parts(facts: dict[str, Any], effective: Any) -> list[tuple[dict[str, Any], Any]]:
    """The configuration, and that of its language part where it stands apart."""
    inner = facts.get("text_config")
    outer = (facts, effective)
    return [outer, (inner, effective.get_text_config())] if isinstance(inner, dict) else [outer]


def rope_keys(parameters: Mapping[str, Any], model_type: str = "") -> dict[str, Any]:
    """RoPE in the words of transformers 4 and of transformers 5.

    Args:
        parameters: What transformers 5 calls ``rope_parameters``: one set, or one for each kind of
            layer.
        model_type: Names the architecture; some have words of their own.
    """
    shared = dict(parameters.get(FULL, parameters))
    keys = {"rope_theta": shared.pop("rope_theta", 10_000.0)}
    if "partial_rotary_factor" in shared:
        keys["partial_rotary_factor"] = shared.pop("partial_rotary_factor")
    for name, old in OLD_NAMES.get(model_type, {}).items():
        if name in keys:
            keys[old] = keys[name]
    keys["rope_scaling"] = None if shared.get("rope_type", "default") == "default" else shared
    if LOCAL in parameters:
        keys["rope_local_base_freq"] = parameters[LOCAL].get("rope_theta", 10_000.0)
    return keys | {"rope_parameters": _plain(parameters)}


def _plain(value: Any) -> Any:
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def write_tokenizer(source: Path, folder: Path, default_system: str) -> None:
    """Write tokenizer, chat template with the character, and how replies are drawn and end."""
    tokenizer = load_tokenizer(source)
    stops = stop_token_ids(tokenizer)
    give_template(tokenizer, default_system).save_pretrained(folder)
    _for_both(folder / "tokenizer_config.json")
    GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=stops,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        temperature=0.7,
        top_p=0.9,
        repetition_penalty=1.1,
    ).save_pretrained(folder)


def _for_both(path: Path) -> None:
    """Say in words that transformers 4 knows too what transformers 5 wrote about a tokenizer."""
    facts = json.loads(path.read_text("utf-8"))
    facts.pop("auto_map", None)
    if facts.get("tokenizer_class") == "TokenizersBackend":
        facts["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(facts.get("extra_special_tokens"), list):
        facts["additional_special_tokens"] = facts.pop("extra_special_tokens")
    write_text(path, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def copy_licences(source: Path, folder: Path) -> list[str]:
    """Copy the licence, notice and terms files of a base; returns their names."""
    paths = licence_files(source)
    for path in paths:
        shutil.copyfile(path, folder / path.name)
    return [path.name for path in paths]
