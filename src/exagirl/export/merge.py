"""The adapter into the base, a few rows at a time: never a whole model in memory."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from exagirl.artifact import (
    FileRecord,
    Manifest,
    is_complete,
    make_folder,
    new_artifact,
    read_manifest,
    seal,
    write_text,
)
from exagirl.errors import ArtifactError, ModelError
from exagirl.export.adapters import (
    Adapter,
    Adapters,
    WeightedAdapter,
    check_fit,
    merged_rows,
    read_adapters,
    shares_of,
)
from exagirl.export.base_weights import BaseWeights, read_base
from exagirl.export.model_files import (
    Baked,
    check_layout,
    copy_licences,
    write_config,
    write_tokenizer,
)
from exagirl.export.papers import CHARACTER, LICENCE
from exagirl.export.safetensors_stream import (
    DTYPE_NAMES,
    DTYPES,
    Planned,
    Workspace,
    row_pieces,
)
from exagirl.export.tensor_writer import DEPTH, Piece, write_tensors
from exagirl.export.verify import verify_merged
from exagirl.progress import Nobody, Watcher
from exagirl.training.base_model import fetch_base
from exagirl.training.checkpoint_files import INDEX, SINGLE
from exagirl.training.exaone import llama_name
from exagirl.training.exaone_layout import exaone_name

__all__ = ["Baked", "WeightedAdapter", "merge_adapter", "merge_unless_done"]
KIND = "model"
SMALL_FILES_BYTES = 64 << 20
"""Room for tokenizer and configuration beside the weights."""
OUR_FILES = re.compile(
    r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?|character\.yaml|chat_template\.jinja|"
    r"(config|generation_config|tokenizer|tokenizer_config|special_tokens_map)\.json"
)
Shard = dict[str, Planned]


def merge_adapter(  # noqa: PLR0913 (what goes in, where it goes, and how)
    base: str | Path,
    adapter: Adapters,
    out: str | Path,
    *,
    baked: Baked | None = None,
    inputs: Mapping[str, str] | None = None,
    watcher: Watcher | None = None,
    verify: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write base plus adapter as one plain model folder.

    Each weight becomes ``W + s · B A`` in float32, rounded once, where ``s`` is ``alpha / r``, or
    ``alpha / √r`` for rsLoRA; with DoRA its rows are then scaled to the learned lengths. Several
    adapters add up, each with its weight. Tensors that no adapter changes are copied byte by byte.
    Adapters with EXAONE's own module names fit as well. An output layer that is the embedding table
    is stored once. The folder carries the tokenizer, the chat template with the character as
    default system prompt, and the base's licence files. Its manifest comes last.

    Memory: some hundred megabytes beyond what torch itself takes, whatever the model's size.

    Args:
        base: A folder, a Hub name, or ``gemma3-270m``.
        adapter: A folder that peft wrote, a `WeightedAdapter`, or several of them.
        out: Where the model goes; it takes this place only when it is whole.
        baked: How the model is written, and what goes into the folder beside the weights.
        inputs: What the manifest says the model was made from.
        watcher: Told about every tensor, and about the verification.
        verify: Compare the written model with base plus adapter (see `verify_merged`) before it
            takes its place; False where the tokenizer fits no known chat template.
        overwrite: Also replace a folder that is not an earlier merged model of ours.

    Returns:
        ``out``.

    Raises:
        ModelError: The adapter does not fit the base, a file is damaged, ``out`` holds something
            else, or the written model is not base plus adapter.
        ArtifactError: The disk is full, or ``out`` cannot be written.
    """
    watcher, baked = watcher or Nobody(), baked or Baked()
    source, target = fetch_base(str(base), watcher), Path(out)
    adapters = read_adapters(adapter)
    _check_place(target, [source, *(one.folder for one in adapters)], overwrite=overwrite)
    check_layout(source, baked)
    weights = read_base(source)
    for one in adapters:
        check_fit(one, weights.shapes, is_tied=weights.is_tied)
    shards = _plan_shards(weights, baked)
    _check_space(target, shards)
    with new_artifact(target) as folder:
        hashes = _write_shards(folder, shards, (weights, adapters), watcher)
        _write_beside(source, folder, baked, shards)
        notes: dict[str, Any] = {}
        if verify:
            found = verify_merged(source, adapters, folder, baked, watcher=watcher)
            notes["verified"] = found.model_dump(exclude={"seconds"})
        seal(folder, KIND, inputs or {}, notes=notes, known=hashes)
    watcher.say(f"합친 모델: {target}")
    return target


def merge_unless_done(
    base: str, adapter: Adapters, out: Path, *, inputs: Mapping[str, str], **options: Any
) -> Manifest:
    """`merge_adapter`, unless the model already stands, made from the same inputs."""
    if not is_complete(out, inputs):
        merge_adapter(base, adapter, out, inputs=inputs, **options)
    manifest = read_manifest(out)
    if manifest is None:
        raise ModelError(f"{out}: 합친 모델에 manifest가 없습니다. 같은 명령을 다시 실행하세요.")
    return manifest


def _check_place(target: Path, read: Sequence[Path], *, overwrite: bool) -> None:
    """Make sure that nothing is lost when the model takes its place."""
    place = target.resolve()
    for folder in read:
        if folder.resolve().is_relative_to(place):
            raise ModelError(
                f"{target}: 합친 모델을 둘 자리에 읽어야 할 {folder}이(가) 있습니다. 다른 폴더를 "
                "적으세요."
            )
    if target.exists() and not target.is_dir():
        raise ModelError(f"{target}: 폴더가 아니라 파일이 있습니다. 다른 이름을 적으세요.")
    if overwrite or not target.is_dir() or not any(target.iterdir()):
        return
    if not _is_ours(target):
        raise ModelError(
            f"{target}: 비어 있지 않고, exagirl이 합친 모델도 아닙니다. 다른 폴더를 적거나, 안의 "
            "것을 지워도 되면 --overwrite(overwrite=True)를 주세요."
        )


def _is_ours(target: Path) -> bool:
    """True for a merged model, also for one that lost its manifest but holds nothing foreign."""
    manifest = read_manifest(target)
    if manifest is not None:
        return manifest.kind == KIND
    return (target / CHARACTER).is_file() and all(
        OUR_FILES.fullmatch(path.name) or LICENCE.search(path.name) for path in target.iterdir()
    )


def _check_space(target: Path, shards: Sequence[Shard]) -> None:
    parent = make_folder(target.parent)
    shutil.rmtree(target.with_name(f".{target.name}.partial"), ignore_errors=True)
    needed = sum(plan.size_bytes for shard in shards for plan in shard.values())
    free = shutil.disk_usage(parent).free
    if needed + SMALL_FILES_BYTES > free:
        raise ArtifactError(
            f"{target}: 디스크에 자리가 없습니다. 합친 모델에 {needed / 1e9:.1f} GB가 필요한데 "
            f"{free / 1e9:.1f} GB 남았습니다. 자리를 비우거나 다른 디스크의 폴더를 적으세요."
        )


def _plan_shards(weights: BaseWeights, baked: Baked) -> list[Shard]:
    """The new files' tensors, filled up in the base's order; at least one tensor a file."""
    shards: list[Shard] = [{}]
    room = limit = int(baked.shard_gb * 1e9)
    for name, tensor in weights.tensors.items():
        dtype = tensor.dtype
        if baked.dtype != "keep" and tensor.is_float:
            dtype = DTYPE_NAMES[getattr(torch, baked.dtype)]
        plan = Planned(dtype=dtype, shape=tensor.shape)
        if plan.size_bytes > room and shards[-1]:
            shards.append({})
            room = limit
        written = exaone_name(name) if baked.layout == "exaone" else name
        shards[-1][written] = plan
        room -= plan.size_bytes
    return shards


def _shard_names(count: int) -> list[str]:
    if count == 1:
        return [SINGLE]
    return [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]


def _write_shards(
    folder: Path,
    shards: Sequence[Shard],
    parts: tuple[BaseWeights, Sequence[Adapter]],
    watcher: Watcher,
) -> dict[str, FileRecord]:
    weights, adapters = parts
    watcher.start("모델 합치기", sum(map(len, shards)))

    work = Workspace(DEPTH)

    def tensors(file: str, shard: Shard) -> Iterator[Iterator[Piece]]:
        for name, plan in shard.items():
            yield _pieces(weights, name, plan, adapters, work)
            watcher.advance(note=file)

    hashes: dict[str, FileRecord] = {}
    for file, shard in zip(_shard_names(len(shards)), shards, strict=True):
        hashes[file] = write_tensors(folder / file, shard, tensors(file, shard))
    watcher.finish(f"{sum(one.size for one in hashes.values()) / 1e9:.2f} GB")
    return hashes


def _pieces(
    weights: BaseWeights, name: str, plan: Planned, adapters: Sequence[Adapter], work: Workspace
) -> Iterator[Piece]:
    """A tensor of the merged model, some rows at a time; as it stands where nothing changes it."""
    tensor = weights.tensors[llama_name(name)]
    module, _, kind = weights.places[llama_name(name)].rpartition(".")
    shares = shares_of(adapters, module) if kind == "weight" else []
    if not shares and plan.dtype == tensor.dtype:
        yield tensor
        return
    for first, last in row_pieces(tensor):
        rows = work.rows_of(tensor, first, last)
        merged = merged_rows(rows, shares, first, last) if shares else rows
        if not _fits(merged, DTYPES[plan.dtype]):
            raise ModelError(
                f"{name}: 합친 값이 {plan.dtype}로 나타낼 수 있는 수가 아닙니다. 기본 모델과 "
                "어댑터가 온전한지 보고, float16이었다면 bfloat16을 쓰세요."
            )
        yield work.narrowed(merged, DTYPES[plan.dtype])


def _fits(rows: Tensor, dtype: torch.dtype) -> bool:
    """True where float32 rows are numbers that a dtype can hold."""
    if dtype != torch.float16 or not rows.numel():
        # bfloat16 reaches as far as float32; what is no number makes the sum none: one quick pass.
        return bool(torch.isfinite(rows.sum()))
    least, most = torch.aminmax(rows)
    limit = torch.finfo(dtype).max
    return bool(least >= -limit and most <= limit)


def _write_beside(source: Path, folder: Path, baked: Baked, shards: Sequence[Shard]) -> None:
    """Everything but the weights."""
    if len(shards) > 1:
        files = _shard_names(len(shards))
        places = {n: file for file, shard in zip(files, shards, strict=True) for n in shard}
        size = sum(plan.size_bytes for shard in shards for plan in shard.values())
        index = {"metadata": {"total_size": size}, "weight_map": places}
        write_text(folder / INDEX, json.dumps(index, indent=2) + "\n")
    write_config(source, folder, baked, _main_dtype(shards))
    write_tokenizer(source, folder, baked.default_system)
    copy_licences(source, folder)
    for name, text in baked.texts.items():
        write_text(folder / name, text)


def _main_dtype(shards: Sequence[Shard]) -> str:
    """What most of the weights are, as torch calls it."""
    sizes = dict.fromkeys(DTYPES, 0)
    for shard in shards:
        for plan in shard.values():
            if plan.dtype in sizes:
                sizes[plan.dtype] += plan.size_bytes
    return str(DTYPES[max(sizes, key=lambda dtype: sizes[dtype])]).removeprefix("torch.")
