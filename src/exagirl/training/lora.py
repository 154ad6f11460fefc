"""The adapter: how it is made, and how it is loaded again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import check_target_module_exists
from safetensors import SafetensorError, safe_open

from exagirl.errors import ModelError
from exagirl.training.lora_residual import RESIDUAL, ResidualLora, changes_base
from exagirl.training.lora_targets import excluded_modules, linear_layers, resolve_targets
from exagirl.training.options import LoraOptions
from exagirl.training.quantization import four_bit_config

PREFIX = "base_model.model."
FULL_RANK = ("pissa", "olora", "mica")
"""Initialisations that take their directions from a layer's weight, which has only so many."""


def add_adapter(model: Any, options: LoraOptions, seed: int) -> Any:
    """Wrap a base model with a fresh adapter; only the adapter's weights will learn.

    With every ``init`` the wrapped model computes what the base computes.

    Raises:
        ModelError: A target matches nothing, the rank is too high for ``init``, or ``quantize``
            asks for a base in 4 bits and this one is not.
        MissingExtraError: ``quantize`` needs a library that is not installed.
    """
    _check_quantized(model, options)
    torch.manual_seed(seed)
    targets = resolve_targets(model, options.targets)
    _check_rank(model, options, targets)
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=targets,
        exclude_modules=excluded_modules(model),
        use_rslora=options.rslora,
        use_dora=options.dora,
        init_lora_weights=True if options.init == "default" else options.init,
        bias="none",
        task_type="CAUSAL_LM",
    )
    if changes_base(options.init):
        config.base_model_name_or_path = getattr(model, "name_or_path", None) or None
        return ResidualLora(model, config)
    return get_peft_model(model, config)


def reload_adapter(model: Any, folder: Path) -> Any:
    """Wrap a base model with a saved adapter, ready to learn on.

    Raises:
        ModelError: The adapter is damaged or does not fit this base.
    """
    try:
        _check_fit(model, folder)
        if (folder / RESIDUAL).is_file():
            return ResidualLora.resume(model, folder)
        return PeftModel.from_pretrained(model, folder, is_trainable=True)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(
            f"{folder}: 어댑터를 읽을 수 없거나 이 기본 모델에 맞지 않습니다({reason[:200]})."
        ) from error


def _check_quantized(model: Any, options: LoraOptions) -> None:
    if options.quantize and not getattr(model, "is_loaded_in_4bit", False):
        four_bit_config(model.device.type, model.dtype)
        raise ModelError(
            "training.lora.quantize가 4bit이지만 기본 모델이 4bit로 읽히지 않았습니다. "
            "load_base(…, quantize='4bit')로 읽은 모델을 주세요."
        )


def _check_rank(model: Any, options: LoraOptions, targets: list[str]) -> None:
    if not options.init.startswith(FULL_RANK):
        return
    chosen = LoraConfig(target_modules=targets)
    for name in linear_layers(model):
        most = min(model.get_submodule(name).weight.shape)
        if check_target_module_exists(chosen, name) and most < options.rank:
            raise ModelError(
                f"training.lora.rank: init: {options.init}에서는 rank가 {most} 이하여야 합니다"
                f"({name} 층의 작은 쪽이 {most}). rank를 줄이거나 init을 default로 하세요."
            )


def _check_fit(model: Any, folder: Path) -> None:
    """Compare an adapter's tensors with the layers of a base, before peft passes over them.

    peft leaves layers untrained, or tensors unused, with a notice at most.
    """
    config = LoraConfig.from_pretrained(folder)
    shapes = _shapes(folder / "adapter_model.safetensors")
    found = {
        name.removeprefix(PREFIX).removesuffix(".lora_A.weight"): name.removesuffix("A.weight")
        for name in shapes
        if name.endswith(".lora_A.weight")
    }
    linear = set(linear_layers(model))
    expected = {name for name in linear if check_target_module_exists(config, name)}
    for what, names in (
        ("이 모델에 없는 층의 것", found.keys() - linear),
        ("어댑터에 없는 층", expected - found.keys()),
    ):
        if names:
            raise ValueError(f"{what} {len(names)}개: {', '.join(sorted(names)[:3])}")
    for module, stem in found.items():
        weight = _full_shape(model.get_submodule(module))
        adapts = (shapes[f"{stem}B.weight"][0], shapes[f"{stem}A.weight"][1])
        if adapts != weight:
            raise ValueError(f"{module} 층의 크기가 다름: 기본 모델 {weight}, 어댑터 {adapts}")


def _full_shape(layer: Any) -> tuple[int, int]:
    """Shape of a linear layer's weight; one in 4 bits is stored flat."""
    return layer.out_features, layer.in_features


def _shapes(file: Path) -> dict[str, list[int]]:
    with safe_open(file, framework="pt") as tensors:
        return {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
