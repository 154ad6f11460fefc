"""The adapter: where it sits, how it is made, how it is loaded again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from exagirl.errors import ModelError
from exagirl.training.options import LoraOptions

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")


def resolve_targets(model: Any, targets: str | tuple[str, ...]) -> list[str]:
    """The module names that a recipe's targets mean in this model.

    Raises:
        ModelError: A target matches no linear layer; training it would silently do nothing.
    """
    linear = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name != "lm_head"
    }
    if targets == "all-linear":
        return sorted(linear)
    meanings = {"attention": ATTENTION, "attention+mlp": ATTENTION + MLP}
    wanted = meanings[targets] if isinstance(targets, str) else targets
    missing = [name for name in wanted if name not in linear]
    if missing:
        raise ModelError(
            f"training.lora.targets: 이 모델에는 {', '.join(missing)} 층이 없습니다. 있는 층: "
            f"{', '.join(sorted(linear))}. 그대로 두면 그 층은 학습되지 않으므로 멈춥니다."
        )
    return list(wanted)


def add_adapter(model: Any, options: LoraOptions, seed: int) -> Any:
    """Wrap a base model with a fresh adapter; only the adapter's weights will learn."""
    torch.manual_seed(seed)
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=resolve_targets(model, options.targets),
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def reload_adapter(model: Any, folder: Path) -> Any:
    """Wrap a base model with a saved adapter, ready to learn on.

    Raises:
        ModelError: The adapter does not fit this base.
    """
    try:
        return PeftModel.from_pretrained(model, folder, is_trainable=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{folder}: 어댑터가 이 기본 모델에 맞지 않습니다({str(error).splitlines()[0][:200]})."
        ) from error
