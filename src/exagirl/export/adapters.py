"""LoRA adapters on disk: what each changes, whether it fits a base, and what a weight becomes.

Several adapters add up as ``W + Σ wᵢ (Wᵢ - W)``, where ``Wᵢ`` is the weight with adapter i alone.
For plain LoRA that is ``W + Σ wᵢ sᵢ Bᵢ Aᵢ``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from exagirl.errors import ModelError
from exagirl.export.safetensors_stream import Stored, read_header, read_rows
from exagirl.record import Record
from exagirl.training.exaone import HEAD, llama_name

PREFIX = "base_model.model."
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
DOWN, UP, MAGNITUDE = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"
UNUSUAL = (
    "rank_pattern",
    "alpha_pattern",
    "fan_in_fan_out",
    "lora_bias",
    "target_parameters",
    "use_qalora",
    "use_bdlora",
    "kasa_config",
    "arrow_config",
    "alora_invocation_tokens",
    "layer_replication",
)
"""Settings of peft under which an adapter is more than one scaled product for each layer."""
TAKES_FROM_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations after which the adapter no longer belongs to the published base."""


class WeightedAdapter(Record):
    """An adapter, and how much of it goes into the model."""

    folder: Path = Field(description="peft로 저장한 어댑터 폴더.")
    weight: float = Field(
        default=1.0, allow_inf_nan=False, description="얼마나 섞을지. 1은 그대로, 0.5는 절반."
    )


AdapterSource = str | Path | WeightedAdapter
Adapters = AdapterSource | Sequence[AdapterSource]


class Adapter(Record):
    """A LoRA adapter on disk."""

    folder: Path
    scale: float
    is_dora: bool
    weight: float = 1.0
    modules: dict[str, str]
    """Names of the linear layers that it changes, and how its tensors' names begin."""
    tensors: dict[str, Stored]


class Share:
    """What one adapter does to one linear layer, in float32."""

    def __init__(self, lora: Adapter, module: str) -> None:
        stem = lora.modules[module]
        self.weight, self.scale = lora.weight, lora.scale
        self.down = read_rows(lora.tensors[stem + DOWN]).float()
        self._up = lora.tensors[stem + UP]
        self._lengths = lora.tensors[stem + MAGNITUDE] if lora.is_dora else None

    @property
    def is_dora(self) -> bool:
        """True where the rows get lengths that were learned."""
        return self._lengths is not None

    def up(self, first: int, last: int) -> Tensor:
        """Rows of B, shape (rows, rank)."""
        return read_rows(self._up, first, last).float()

    def lengths(self, first: int, last: int) -> Tensor:
        """The learned lengths of rows, shape (rows, 1); only for DoRA."""
        assert self._lengths is not None
        return read_rows(self._lengths).float().reshape(-1, 1)[first:last]

    def alone(self, rows: Tensor, first: int, last: int) -> Tensor:
        """Rows of the layer's weight with this adapter alone at weight 1, in ``rows`` itself."""
        changed = rows.addmm_(self.up(first, last), self.down, alpha=self.scale)
        if not self.is_dora:
            return changed
        # DoRA, Liu et al., arXiv:2402.09353, equation 5: each row gets the length that was learned.
        norms = torch.linalg.vector_norm(changed, dim=1, keepdim=True)
        return changed.mul_(self.lengths(first, last) / norms)


def shares_of(adapters: Sequence[Adapter], module: str) -> list[Share]:
    """What the adapters do to a layer; empty where all leave it alone."""
    return [Share(lora, module) for lora in adapters if module in lora.modules]


def merged_rows(rows: Tensor, shares: Sequence[Share], first: int, last: int) -> Tensor:
    """Rows first to last of a weight with every share in it, float32.

    Args:
        rows: Those rows of the base's weight, float32, shape (last - first, in); overwritten.
        shares: At least one.
        first: Number of the first row.
        last: One beyond the last row.
    """
    if len(shares) == 1 and shares[0].weight == 1.0:
        return shares[0].alone(rows, first, last)
    total = rows.clone()
    for share in shares:
        if share.is_dora:
            total += share.weight * (share.alone(rows.clone(), first, last) - rows)
        else:
            total.addmm_(share.up(first, last), share.down, alpha=share.weight * share.scale)
    return total


def read_adapters(adapters: Adapters) -> list[Adapter]:
    """Read one adapter or several, each with its weight.

    Raises:
        ModelError: There is none, or one is missing, damaged, or of a kind that cannot be merged.
    """
    asked = [adapters] if isinstance(adapters, str | Path | WeightedAdapter) else list(adapters)
    if not asked:
        raise ModelError("합칠 어댑터가 없습니다. 어댑터 폴더를 하나 이상 적으세요.")
    found = []
    for one in asked:
        weighted = one if isinstance(one, WeightedAdapter) else WeightedAdapter(folder=Path(one))
        adapter = read_adapter(weighted.folder)
        found.append(adapter.model_copy(update={"weight": weighted.weight}))
    return found


def read_adapter(folder: Path) -> Adapter:
    """Read what an adapter changes, and how strongly.

    Raises:
        ModelError: It is missing, damaged, or of a kind that cannot be merged.
    """
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder}: LoRA 어댑터 폴더가 아니거나 온전하지 않습니다({error})."
        ) from error
    if rank < 1 or not math.isfinite(alpha):
        raise ModelError(f"{folder / CONFIG}: r {rank}, lora_alpha {alpha}로는 합칠 수 없습니다.")
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"{folder}: LoRA 어댑터 폴더가 아니거나 온전하지 않습니다({WEIGHTS}이(가) 없음). "
            "pickle(adapter_model.bin)은 읽지 않으니 safetensors로 다시 저장하세요."
        )
    tensors = read_header(folder / WEIGHTS)
    _check_kind(folder, config, tensors)
    stems = [name.removesuffix(DOWN) for name in tensors if name.endswith(DOWN)]
    modules = {_module_of(stem): stem for stem in stems}
    if len(modules) < len(stems):
        raise ModelError(f"{folder}: 같은 층의 텐서가 두 이름으로 들어 있습니다. 다시 저장하세요.")
    lora = Adapter(
        folder=folder,
        scale=alpha / rank**0.5 if config.get("use_rslora") else alpha / rank,
        is_dora=bool(config.get("use_dora")),
        modules=modules,
        tensors=tensors,
    )
    _check_whole(lora, rank)
    return lora


def _module_of(stem: str) -> str:
    return llama_name(f"{stem.removeprefix(PREFIX)}.").removesuffix(".")


def _check_kind(folder: Path, config: Mapping[str, Any], names: Collection[str]) -> None:
    if config.get("peft_type", "LORA") != "LORA":
        raise ModelError(
            f"{folder}: {config['peft_type']} 어댑터는 합칠 수 없습니다. LoRA 어댑터를 쓰세요."
        )
    unusual = [key for key in UNUSUAL if config.get(key)]
    if unusual:
        raise ModelError(
            f"{folder}: {', '.join(unusual)}을(를) 쓴 어댑터는 합칠 수 없습니다. 이 설정 없이 다시 "
            "학습하거나 peft의 merge_and_unload로 합치세요."
        )
    init = str(config.get("init_lora_weights"))
    if init.startswith(TAKES_FROM_BASE):
        raise ModelError(
            f"{folder}: {init}로 시작한 어댑터는 기본 모델의 일부를 떼어 간 것이라 그대로 합치면 "
            "틀립니다. exagirl로 학습해 저장한 것이나, peft의 save_pretrained에 "
            "path_initial_model_for_weight_conversion을 주어 저장한 것을 쓰세요."
        )
    known = (DOWN, UP, MAGNITUDE) if config.get("use_dora") else (DOWN, UP)
    strange = sorted(name for name in names if not name.endswith(known))
    if strange:
        raise ModelError(
            f"{folder}: LoRA가 아닌 텐서 {len(strange)}개가 있어 합칠 수 없습니다"
            f"({', '.join(strange[:3])}). modules_to_save 없이 학습한 어댑터를 쓰세요."
        )


def _check_whole(lora: Adapter, rank: int) -> None:
    """Every layer has all its tensors, of the rank that the configuration scales by."""
    parts = (DOWN, UP, MAGNITUDE) if lora.is_dora else (DOWN, UP)
    wanted = {stem + part for stem in lora.modules.values() for part in parts}
    lacking = sorted(wanted - lora.tensors.keys())
    orphans = sorted(lora.tensors.keys() - wanted)
    if lacking or orphans or not lora.modules:
        names = ", ".join((lacking or orphans)[:3]) or "LoRA 텐서 전부"
        raise ModelError(
            f"{lora.folder}: 어댑터에 텐서가 없거나 짝이 맞지 않습니다({names}). 이 어댑터를 다시 "
            "저장하거나 받으세요."
        )
    for module, stem in sorted(lora.modules.items()):
        down, up = lora.tensors[stem + DOWN].shape, lora.tensors[stem + UP].shape
        if len(down) != 2 or len(up) != 2 or not rank == down[0] == up[1]:
            raise ModelError(
                f"{lora.folder}: {module} 층의 어댑터가 {down}과 {up}인데 {CONFIG}의 r은 {rank}"
                "입니다. 설정과 가중치가 같은 어댑터의 것인지 보세요."
            )


def check_fit(lora: Adapter, shapes: Mapping[str, tuple[int, ...]], *, is_tied: bool) -> None:
    """Make sure that an adapter belongs on a base.

    Args:
        lora: The adapter.
        shapes: The base's tensors under Llama's names.
        is_tied: True where the output layer is the embedding table.

    Raises:
        ModelError: A layer is not in the base or has another size there.
    """
    for module, stem in sorted(lora.modules.items()):
        if is_tied and f"{module}.weight" == HEAD:
            raise ModelError(
                f"{lora.folder}: 출력 층(lm_head)을 학습한 어댑터입니다. 이 기본 모델의 출력 층은 "
                "임베딩과 한 텐서라, 합치면 임베딩까지 바뀝니다. lm_head 없이 학습한 어댑터를 "
                "쓰세요."
            )
        base_shape = shapes.get(f"{module}.weight")
        if base_shape is None:
            raise ModelError(
                f"{lora.folder}: 어댑터의 {module} 층이 기본 모델에 없습니다. 다른 모델의 "
                "어댑터입니다."
            )
        found = lora.tensors[stem + UP].shape[0], lora.tensors[stem + DOWN].shape[1]
        if found != base_shape:
            raise ModelError(
                f"{lora.folder}: {module} 층의 크기가 다릅니다. 기본 모델 {base_shape}, 어댑터 "
                f"{found}. 다른 모델의 어댑터입니다."
            )
        if lora.is_dora and math.prod(lora.tensors[stem + MAGNITUDE].shape) != base_shape[0]:
            raise ModelError(
                f"{lora.folder}: {module} 층의 lora_magnitude_vector 길이가 {base_shape[0]}이 "
                "아닙니다. 다른 모델의 어댑터입니다."
            )
