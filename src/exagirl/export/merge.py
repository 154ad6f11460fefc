"""The adapter into the base, tensor by tensor: never a whole model in memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors import safe_open
from torch import Tensor
from transformers import GenerationConfig

from exagirl.artifact import (
    Manifest,
    is_complete,
    new_artifact,
    read_manifest,
    seal,
    write_text,
)
from exagirl.errors import ModelError
from exagirl.export.safetensors_stream import DTYPES, read_header, write_tensors
from exagirl.progress import Nobody, Watcher
from exagirl.record import Record
from exagirl.training.base_model import (
    base_config,
    fetch_base,
    give_template,
    load_tokenizer,
    read_config,
    stop_token_ids,
)
from exagirl.training.checkpoint_files import weight_files
from exagirl.training.exaone import MODEL_TYPE, llama_name

LICENCE_PATTERNS = ("LICENSE*", "NOTICE*", "*TERMS*")
PREFIX = "base_model.model."
DOWN, UP, MAGNITUDE = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"
UNUSUAL = (
    "rank_pattern",
    "alpha_pattern",
    "fan_in_fan_out",
    "lora_bias",
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


class Baked(Record):
    """What a merged model carries beside its weights."""

    default_system: str = ""
    """The system prompt for conversations that bring none."""
    texts: dict[str, str] = Field(default_factory=dict)
    """Name to content of small files, such as the character."""
    dtype: str = "keep"
    """``keep``, ``bfloat16``, ``float16`` or ``float32``."""


class Adapter(Record):
    """A LoRA adapter on disk."""

    folder: Path
    scale: float
    is_dora: bool
    modules: dict[str, str]
    """Names of the linear layers that it changes, and how its tensors' names begin."""


def merge_adapter(
    base: str | Path,
    adapter: str | Path,
    out: str | Path,
    *,
    baked: Baked | None = None,
    inputs: Mapping[str, str] | None = None,
    watcher: Watcher | None = None,
) -> Path:
    """Write base plus adapter as one plain model folder.

    Each weight becomes ``W + s · B A`` in float32, rounded once, where ``s`` is ``alpha / r``, or
    ``alpha / √r`` for rsLoRA; with DoRA its rows are then scaled to the learned lengths. Tensors
    that the adapter leaves alone are copied. Adapters with EXAONE's own module names fit as well.
    The folder carries the tokenizer, the chat template with the character as default system prompt,
    and the base's licence files. Its manifest comes last.

    Args:
        base: A folder, a Hub name, or ``gemma3-270m``.
        adapter: A folder that peft wrote.
        out: Where the model goes; it takes this place only when it is whole.
        baked: What goes into the folder beside the weights.
        inputs: What the manifest says the model was made from.
        watcher: Told about every shard.

    Raises:
        ModelError: The adapter does not fit the base, or a file is damaged.
    """
    watcher, baked = watcher or Nobody(), baked or Baked()
    source, target = fetch_base(str(base), watcher), Path(out)
    lora = read_adapter(Path(adapter))
    shards = weight_files(source)
    _check_fit(lora, shards)
    watcher.start("모델 합치기", len(shards))
    with new_artifact(target) as folder:
        index: dict[str, str] = {}
        for shard in shards:
            for name in _merge_shard(shard, folder / shard.name, lora, baked.dtype):
                index[name] = shard.name
            watcher.advance(note=shard.name)
        _write_index(folder, index)
        _write_config(source, folder, baked.dtype)
        _write_tokenizer(source, folder, baked.default_system)
        for pattern in LICENCE_PATTERNS:
            for path in source.glob(pattern):
                shutil.copyfile(path, folder / path.name)
        for name, text in baked.texts.items():
            write_text(folder / name, text)
        seal(folder, "model", inputs or {})
    watcher.finish(str(target))
    return target


def merge_unless_done(
    base: str, adapter: Path, out: Path, *, inputs: Mapping[str, str], **options: Any
) -> Manifest:
    """`merge_adapter`, unless the model already stands, made from the same inputs."""
    if not is_complete(out, inputs):
        merge_adapter(base, adapter, out, inputs=inputs, **options)
    manifest = read_manifest(out)
    if manifest is None:
        raise ModelError(f"{out}: 합친 모델에 manifest가 없습니다. 같은 명령을 다시 실행하세요.")
    return manifest


def read_adapter(folder: Path) -> Adapter:
    """Read what an adapter changes, and how strongly.

    Raises:
        ModelError: It is missing, damaged, or of a kind that this cannot merge.
    """
    weights = folder / "adapter_model.safetensors"
    try:
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
        names = read_header(weights)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder}: LoRA 어댑터 폴더가 아니거나 온전하지 않습니다({error})."
        ) from error
    _check_kind(folder, config, names)
    modules = {
        llama_name(f"{n.removeprefix(PREFIX).removesuffix(DOWN)}.").removesuffix("."): (
            n.removesuffix(DOWN)
        )
        for n in names
        if n.endswith(DOWN)
    }
    return Adapter(
        folder=folder,
        scale=alpha / rank**0.5 if config.get("use_rslora") else alpha / rank,
        is_dora=bool(config.get("use_dora")),
        modules=modules,
    )


def _check_kind(folder: Path, config: Mapping[str, Any], names: Collection[str]) -> None:
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


def _check_fit(lora: Adapter, shards: list[Path]) -> None:
    shapes = {
        llama_name(name): tuple(entry["shape"])
        for shard in shards
        for name, entry in read_header(shard).items()
    }
    with _open_adapter(lora) as weights:
        names = set(weights.keys())
        for module, stem in sorted(lora.modules.items()):
            base_shape = shapes.get(f"{module}.weight")
            if base_shape is None:
                raise ModelError(
                    f"{lora.folder}: 어댑터의 {module} 층이 기본 모델에 없습니다. 다른 모델의 "
                    "어댑터입니다."
                )
            lacking = {stem + UP, *([stem + MAGNITUDE] if lora.is_dora else [])} - names
            if lacking:
                raise ModelError(
                    f"{lora.folder}: 어댑터에 텐서가 없습니다({', '.join(sorted(lacking))}). 이 "
                    "어댑터를 다시 저장하거나 받으세요."
                )
            a, b = (weights.get_slice(stem + part).get_shape() for part in (DOWN, UP))
            if (b[0], a[1]) != base_shape:
                raise ModelError(
                    f"{lora.folder}: {module} 층의 크기가 다릅니다. 기본 모델 {base_shape}, 어댑터 "
                    f"({b[0]}, {a[1]}). 다른 모델의 어댑터입니다."
                )


def _open_adapter(lora: Adapter) -> Any:
    return safe_open(lora.folder / "adapter_model.safetensors", framework="pt")


def _merge_shard(shard: Path, target: Path, lora: Adapter, dtype: str) -> list[str]:
    """Merge one shard into a file of the same name; returns the names that it holds."""
    header = read_header(shard)
    layout: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
    for name, entry in header.items():
        if entry["dtype"] not in DTYPES:
            raise ModelError(f"{shard}: {name}의 형식 {entry['dtype']}은(는) 합칠 수 없습니다.")
        kept = DTYPES[entry["dtype"]] if dtype == "keep" else getattr(torch, dtype)
        layout[llama_name(name)] = (kept, tuple(entry["shape"]))

    def tensors() -> Iterator[Tensor]:
        with safe_open(shard, framework="pt") as base, _open_adapter(lora) as weights:
            for name in header:
                merged = _merged(base.get_tensor(name), llama_name(name), lora, weights)
                yield merged.to(layout[llama_name(name)][0])

    write_tensors(target, layout, tensors())
    return list(layout)


def _merged(tensor: Tensor, name: str, lora: Adapter, weights: Any) -> Tensor:
    stem = lora.modules.get(name.removesuffix(".weight"))
    if stem is None or not name.endswith(".weight"):
        return tensor
    down = weights.get_tensor(stem + DOWN).float()
    up = weights.get_tensor(stem + UP).float()
    merged = torch.addmm(tensor.float(), up, down, alpha=lora.scale)
    if not lora.is_dora:
        return merged
    # DoRA, Liu et al., arXiv:2402.09353, equation 5: each row gets the length that was learned.
    lengths = weights.get_tensor(stem + MAGNITUDE).float().reshape(-1, 1)
    return merged * (lengths / torch.linalg.vector_norm(merged, dim=1, keepdim=True))


def _write_index(folder: Path, index: dict[str, str]) -> None:
    if len(set(index.values())) < 2:
        return
    size = sum((folder / name).stat().st_size for name in set(index.values()))
    text = json.dumps({"metadata": {"total_size": size}, "weight_map": index}, indent=2)
    (folder / "model.safetensors.index.json").write_text(text + "\n", encoding="utf-8")


def _write_config(source: Path, folder: Path, dtype: str) -> None:
    facts = read_config(source)
    if facts.get("model_type") == MODEL_TYPE:
        stored = facts.get("dtype") or facts.get("torch_dtype") or "bfloat16"
        facts = base_config(source).to_dict()
        facts["architectures"] = ["LlamaForCausalLM"]
        facts["dtype"] = stored
        # transformers 4 reads rope_theta and rope_scaling, transformers 5 rope_parameters.
        scaling = dict(facts["rope_parameters"])
        facts["rope_theta"] = scaling.pop("rope_theta")
        facts["rope_scaling"] = None if scaling["rope_type"] == "default" else scaling
    if dtype != "keep":
        facts["dtype"] = dtype
    facts.pop("auto_map", None)
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")


def _write_tokenizer(source: Path, folder: Path, default_system: str) -> None:
    tokenizer = load_tokenizer(source)
    stops = stop_token_ids(tokenizer)
    give_template(tokenizer, default_system).save_pretrained(folder)
    GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=stops,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        temperature=0.7,
        top_p=0.9,
        repetition_penalty=1.1,
    ).save_pretrained(folder)
