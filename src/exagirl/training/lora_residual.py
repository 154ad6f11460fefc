"""Adapters that start from a part of the base's own weights (PiSSA, OLoRA).

The start ``s · B0 A0`` is taken out of the base, so base plus fresh adapter is the base. What was
learned is therefore ``s · (B A - B0 A0)``, which is itself a LoRA of twice the rank on the base as
it is published. That is how such an adapter is saved: everything that reads LoRA reads it, and
nothing has to repeat the decomposition. ``residual.json`` beside it says how to take it apart again
so that a later stage goes on learning at the rank of before.

Source: PiSSA, Meng et al., arXiv:2404.02948, appendix C (conversion to an equivalent LoRA); OLoRA,
Büyükakyüz, arXiv:2406.01775.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModelForCausalLM, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor

from exagirl.errors import ModelError
from exagirl.record import Record

RESIDUAL = "residual.json"
PREFIX = "base_model.model."
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
DOWN, UP = ".lora_A.weight", ".lora_B.weight"


class Start(Record):
    """What ``residual.json`` holds: the adapter as it learns, not as it is saved."""

    rank: int
    alpha: float
    init: str


def changes_base(init: str) -> bool:
    """True for initialisations that take the start out of the base's weights."""
    return init.startswith(("pissa", "olora"))


class ResidualLora(PeftModelForCausalLM):  # type: ignore[misc]
    """A model whose base gave a part of its weights to the adapter; it is saved as a plain LoRA."""

    def __init__(self, model: Any, config: LoraConfig) -> None:
        self._init = str(config.init_lora_weights)
        super().__init__(model, config)
        self._initial = _factors(self)

    def save_pretrained(
        self, save_directory: str | Path, *args: Any, is_main_process: bool = True, **options: Any
    ) -> None:
        """Save what was learned as a LoRA of twice the rank on the published base."""
        super().save_pretrained(
            str(save_directory), *args, is_main_process=is_main_process, **options
        )
        if is_main_process:
            _double(Path(save_directory), self._initial, self._init)

    @classmethod
    def resume(cls, model: Any, folder: Path) -> ResidualLora:
        """Wrap a published base with an adapter that `save_pretrained` wrote, ready to learn on.

        Raises:
            ModelError: The files beside the adapter do not belong to it.
        """
        start, config = _read_start(folder), LoraConfig.from_pretrained(folder)
        learned, initial = _halve(load_file(folder / WEIGHTS), start.rank)
        config.r, config.lora_alpha, config.init_lora_weights = start.rank, start.alpha, True
        config.inference_mode = False
        scale = start.alpha / (start.rank**0.5 if config.use_rslora else start.rank)
        with torch.no_grad():
            for module, (down, up) in _pairs(initial).items():
                weight = model.get_submodule(module).weight
                part = scale * (up.to(weight.device) @ down.to(weight.device))
                weight.copy_(weight.float() - part)
        adapted = cls(model, config)
        set_peft_model_state_dict(adapted, learned)
        adapted._init, adapted._initial = start.init, initial
        return adapted


def _factors(model: Any) -> dict[str, Tensor]:
    """The adapter's matrices as they are now, under the names that they are saved under."""
    found: dict[str, Tensor] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, LoraLayer):
            found[name + DOWN] = layer.lora_A["default"].weight.detach().float().cpu().clone()
            found[name + UP] = layer.lora_B["default"].weight.detach().float().cpu().clone()
    return found


def _pairs(tensors: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Module name to its two matrices, (rank, in) and (out, rank)."""
    return {
        name.removeprefix(PREFIX).removesuffix(DOWN): (down, tensors[name.removesuffix(DOWN) + UP])
        for name, down in tensors.items()
        if name.endswith(DOWN)
    }


def _double(folder: Path, initial: Mapping[str, Tensor], init: str) -> None:
    tensors = load_file(folder / WEIGHTS)
    for name, start in initial.items():
        learned = tensors[name].float()
        # [B, -B0] · [A; A0] = B A - B0 A0
        tensors[name] = (
            torch.cat([learned, start])
            if name.endswith(DOWN)
            else torch.cat([learned, -start], dim=1)
        )
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    note = Start(rank=config["r"], alpha=config["lora_alpha"], init=init)
    config["r"] = 2 * note.rank
    config["lora_alpha"] = note.alpha * (2**0.5 if config.get("use_rslora") else 2)
    config["init_lora_weights"] = True
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / WEIGHTS, {"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    (folder / RESIDUAL).write_text(note.model_dump_json() + "\n", "utf-8")


def _read_start(folder: Path) -> Start:
    try:
        return Start.model_validate_json((folder / RESIDUAL).read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder / RESIDUAL}: 읽을 수 없습니다({error}). 이 어댑터를 다시 학습하거나 백업에서 "
            "되돌리세요."
        ) from error


def _halve(tensors: Mapping[str, Tensor], rank: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Take a doubled adapter apart: what was learned, and where it started."""
    learned, initial = dict(tensors), {}
    for name, tensor in tensors.items():
        if name.endswith(DOWN):
            learned[name], initial[name] = tensor[:rank].clone(), tensor[rank:].clone()
        elif name.endswith(UP):
            learned[name], initial[name] = tensor[:, :rank].clone(), -tensor[:, rank:]
    return learned, initial
