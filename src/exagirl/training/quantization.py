"""The base in 4 bits (QLoRA), which takes CUDA and bitsandbytes."""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

import torch
from transformers import BitsAndBytesConfig

from exagirl.errors import MissingExtraError, ModelError

Quantize = Literal["4bit"]


def four_bit_config(device: str, dtype: torch.dtype) -> Any:
    """How transformers loads a base for QLoRA: NF4, doubly quantised.

    Args:
        device: Where the base will live.
        dtype: What its products are computed in.

    Raises:
        ModelError: The device is not CUDA.
        MissingExtraError: bitsandbytes is not installed.

    Source: Dettmers et al., QLoRA, arXiv:2305.14314, section 3.
    """
    if device.split(":")[0] != "cuda":
        raise ModelError(
            f"training.lora.quantize: 4bit는 CUDA에서만 됩니다. 이 기계의 장치는 {device}입니다. "
            "이 줄을 지우거나 NVIDIA GPU가 있는 기계에서 돌리세요."
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError(
            "training.lora.quantize가 4bit이지만 bitsandbytes가 없습니다. pip install bitsandbytes"
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
