"""A merged model's folder as one GGUF file, some rows at a time."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from gguf import GGMLQuantizationType, GGUFWriter, get_tensor_name_map
from torch import Tensor

from exagirl.artifact import file_faults
from exagirl.errors import ArtifactError, ModelError
from exagirl.export.gguf_architectures import (
    Architecture,
    change_for,
    find_architecture,
    rope_factors,
    write_sizes,
)
from exagirl.export.gguf_quantise import Quantiser, row_bytes
from exagirl.export.gguf_tokenizer import write_tokenizer
from exagirl.export.gguf_types import Place, Quant, type_of
from exagirl.export.safetensors_stream import Stored, read_checkpoint, read_rows, row_pieces
from exagirl.progress import Nobody, Watcher
from exagirl.training.base_model import base_config, load_tokenizer, read_config
from exagirl.training.checkpoint_files import weight_files
from exagirl.training.exaone import MODEL_TYPE, llama_name

PIECE_BYTES = 16 << 20
"""How much of a tensor is in memory at once, as it is stored, where it can be taken in pieces."""
ROPE_FREQS = "rope_freqs.weight"
SPARE_BYTES = 64_000_000
"""Room for the header, which holds the vocabulary."""


class Planned(NamedTuple):
    """One tensor to be written."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    rows: Callable[[], Iterator[Tensor]]
    """Yields pieces of it, shape (rows, length)."""

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return row_bytes(self.kind, self.shape[-1]) * (self.shape[0] if len(self.shape) > 1 else 1)


def write_gguf(
    model: Path, path: Path, quant: Quant, *, name: str, watcher: Watcher | None = None
) -> Path:
    """Write a model folder as one GGUF file.

    Args:
        model: A folder as `merge_adapter` leaves it.
        path: The file; it takes this name when it is whole.
        quant: The number format of its matrices; vectors stay float32.
        name: What the model is called.
        watcher: Told about every tensor.

    Returns:
        ``path``.

    Raises:
        ModelError: The architecture or the tokenizer has no counterpart, or a file is damaged.
        MissingExtraError: The format needs xllamacpp.
        ArtifactError: The disk has no room.
    """
    watcher, facts = watcher or Nobody(), _facts(model)
    where = str(model / "config.json")
    architecture = find_architecture(facts, where)
    quantiser = Quantiser()
    try:
        plans = _plan(model, architecture, facts, quant)
        quantiser.need({plan.kind for plan in plans})
        aside = path.with_name(f".{path.name}.partial")
        writer = GGUFWriter(aside, architecture.arch.name.lower())
        writer.add_name(name)
        writer.add_file_type(int(quant.file_type))
        writer.add_quantization_version(2)
        write_sizes(writer, facts)
    except KeyError as error:
        raise ModelError(
            f"{where}: {error} 항목이 없습니다. 온전한 모델 폴더인지 보세요."
        ) from error
    write_tokenizer(writer, model, load_tokenizer(model), int(facts["vocab_size"]))
    _need_room(path, sum(plan.size for plan in plans))
    watcher.start(f"GGUF로 바꾸기({quant.name})", len(plans))
    with file_faults(path):
        _write(aside, writer, plans, quantiser, watcher)
        aside.replace(path)
    watcher.finish(f"{path.name} {path.stat().st_size / 1e6:,.0f} MB")
    return path


def _facts(model: Path) -> dict[str, Any]:
    """The model's configuration; one in EXAONE's own words is put into Llama's."""
    facts = read_config(model)
    if facts.get("model_type") == MODEL_TYPE:
        facts = dict(base_config(model).to_dict())
    return facts


def _need_room(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < size + SPARE_BYTES:
        raise ArtifactError(
            f"{path}: 디스크에 자리가 모자랍니다. {(size + SPARE_BYTES) / 1e6:,.0f} MB가 필요한데 "
            f"{free / 1e6:,.0f} MB 남았습니다. 자리를 비우거나 더 작은 --quant를 고르세요."
        )


def _plan(
    model: Path, architecture: Architecture, facts: dict[str, Any], quant: Quant
) -> list[Planned]:
    layers = int(facts["num_hidden_layers"])
    names = get_tensor_name_map(architecture.arch, layers)
    is_tied = bool(facts.get("tie_word_embeddings"))
    plans = []
    factors = rope_factors(facts)
    if factors is not None:
        plans.append(
            Planned(
                ROPE_FREQS,
                tuple(factors.shape),
                GGMLQuantizationType.F32,
                lambda: iter([factors.reshape(1, -1)]),
            )
        )
    for stored_name, stored in read_checkpoint(weight_files(model)).items():
        name = llama_name(stored_name)
        if is_tied and name == "lm_head.weight":
            continue
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None or not stored.is_float:
            raise ModelError(
                f"{stored.file}: {name}({stored.dtype})은(는) GGUF에 자리가 없습니다. exagirl "
                "merge로 만든 모델 폴더인지 보세요."
            )
        kind = _kind(found, stored.shape, layers, is_tied, quant)
        change = change_for(architecture, facts, name)
        plans.append(Planned(found, stored.shape, kind, _reader(stored, change)))
    return plans


def _kind(
    name: str, shape: tuple[int, ...], layers: int, is_tied: bool, quant: Quant
) -> GGMLQuantizationType:
    if len(shape) < 2:
        return GGMLQuantizationType.F32
    block = re.match(r"blk\.(\d+)\.", name)
    place = Place(
        name=name,
        layer=int(block[1]) if block else None,
        layers=layers,
        is_output=name == "output.weight" or (is_tied and name == "token_embd.weight"),
        row_length=shape[-1],
    )
    return type_of(quant, place)


def _reader(
    stored: Stored, change: Callable[[Tensor], Tensor] | None
) -> Callable[[], Iterator[Tensor]]:
    def pieces() -> Iterator[Tensor]:
        if change is not None or len(stored.shape) == 1:
            whole = read_rows(stored)
            whole = whole if change is None else change(whole)
            yield whole.reshape(-1, stored.shape[-1])
            return
        for first, last in row_pieces(stored, PIECE_BYTES):
            yield read_rows(stored, first, last)

    return pieces


def _write(
    aside: Path,
    writer: GGUFWriter,
    plans: list[Planned],
    quantiser: Quantiser,
    watcher: Watcher,
) -> None:
    for plan in plans:
        # The writer turns a shape in bytes back into one in numbers, so it is given in numbers.
        writer.add_tensor_info(plan.name, plan.shape, _FLOAT, plan.size, raw_dtype=plan.kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        stream = writer.fout[0] if writer.fout else None
        if stream is None:
            raise ModelError(f"{aside}: 파일을 열지 못했습니다.")
        for plan in plans:
            writer.write_padding(stream, stream.tell())
            for piece in plan.rows():
                rows = piece.to(torch.float32).contiguous().numpy()
                stream.write(quantiser.rows(rows, plan.kind).data)
            writer.write_padding(stream, plan.size)
            watcher.advance(note=plan.name)
        stream.flush()
        os.fsync(stream.fileno())
    finally:
        writer.close()


_FLOAT: Any = torch.empty(0).numpy().dtype
