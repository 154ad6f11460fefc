"""Safetensors files, read piece by piece: never a whole tensor in memory.

Format (safetensors 0.x): 8 bytes little-endian header length, a JSON header that maps a name to
``{dtype, shape, data_offsets}``, then the tensors' bytes in that order, without gaps. Files are
read with plain reads, not mapped: mapped pages would count as this process's memory.
"""

from __future__ import annotations

import json
import math
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from exagirl.errors import ModelError
from exagirl.record import Record

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""
PIECE_BYTES = 8 << 20
"""How much of a tensor is held at once, as it is stored."""
DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
"""The formats that are computed with; tensors in others are copied."""
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}
BITS = {
    **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8},
    **{"F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16},
    **{"F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64},
    "C64": 64,
}
_DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError),
    struct.error,
)
"""What arbitrary bytes in the place of a header can end in."""


class Stored(Record):
    """Where one tensor lies."""

    file: Path
    dtype: str
    """In the format's words: ``BF16``."""
    shape: tuple[int, ...]
    start: int
    """Its first byte, counted from the file's beginning."""
    size_bytes: int

    @property
    def rows(self) -> int:
        """How many slices it has along its first axis; one for a scalar."""
        return self.shape[0] if self.shape else 1

    @property
    def row_bytes(self) -> int:
        """How long one row is."""
        return self.size_bytes // self.rows if self.rows else 0

    @property
    def is_float(self) -> bool:
        """True where it can be computed with."""
        return self.dtype in DTYPES


class Planned(Record):
    """What a tensor will be in a new file."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """How long it is on disk."""
        return math.prod(self.shape) * BITS[self.dtype] // 8


def read_header(path: Path) -> dict[str, Stored]:
    """The tensors of a file in the order of their bytes, each checked against the format.

    Raises:
        ModelError: The file is cut off or is no safetensors file: the header does not parse, a name
            stands twice, or places and sizes contradict each other or the file.
    """
    try:
        return _read_header(path)
    except _DAMAGE as error:
        raise ModelError(
            f"{path}: 온전한 safetensors 파일이 아닙니다({error}). 이 파일을 지우고 다시 받거나 "
            "다시 만드세요."
        ) from error


def _read_header(path: Path) -> dict[str, Stored]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise ValueError("머리말 길이가 파일보다 깁니다")
        header = json.loads(stream.read(length), object_pairs_hook=_without_doubles)
    header.pop("__metadata__", None)
    found: dict[str, Stored] = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        found[name] = _stored(path, name, entry, 8 + length, end)
        end += found[name].size_bytes
    if 8 + length + end != size:
        raise ValueError(f"{8 + length + end}바이트여야 하는데 {size}바이트입니다")
    return found


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{double}' 이름이 두 번 나옵니다")
    return found


def _stored(path: Path, name: str, entry: Mapping[str, Any], data: int, expected: int) -> Stored:
    dtype, shape, (first, last) = entry["dtype"], entry["shape"], entry["data_offsets"]
    numbers = [*shape, first, last]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError(f"{name}: 크기나 위치가 자연수가 아닙니다({numbers})")
    if dtype not in BITS:
        raise ValueError(f"{name}: 모르는 형식 {dtype}")
    size, remainder = divmod(math.prod(shape) * BITS[dtype], 8)
    if remainder or last - first != size:
        raise ValueError(f"{name}: {dtype} {shape}인데 {last - first}바이트가 적혀 있습니다")
    if first != expected:
        what = "앞 텐서와 겹칩니다" if first < expected else "앞에 빈 자리가 있습니다"
        raise ValueError(f"{name}: {what}({first}, 앞은 {expected}에서 끝남)")
    return Stored(file=path, dtype=dtype, shape=tuple(shape), start=data + first, size_bytes=size)


def read_checkpoint(files: Iterable[Path]) -> dict[str, Stored]:
    """The tensors of all files of a checkpoint.

    Raises:
        ModelError: A file is damaged, or two of them hold a tensor of the same name.
    """
    found: dict[str, Stored] = {}
    for file in files:
        header = read_header(file)
        double = sorted(header.keys() & found.keys())
        if double:
            raise ModelError(
                f"{file}: 텐서 {double[0]}이(가) {found[double[0]].file.name}에도 있습니다"
                f"(겹치는 이름 {len(double)}개). 한 모델의 파일이 맞는지 보고 다시 받으세요."
            )
        found |= header
    return found


def read_bytes(stored: Stored, first: int, count: int, into: Tensor | None = None) -> Tensor:
    """Some of a tensor's bytes, uint8 of shape (count,), in memory of its own or in ``into``.

    Raises:
        ModelError: The file has become shorter.
    """
    buffer = torch.empty(count, dtype=torch.uint8) if into is None else into
    view = memoryview(buffer.numpy())
    with stored.file.open("rb", buffering=0) as stream:
        stream.seek(stored.start + first)
        done = 0
        while done < count:
            got = stream.readinto(view[done:])
            if not got:
                raise ModelError(
                    f"{stored.file}: 읽는 동안 파일이 짧아졌습니다. 다시 받은 뒤 실행하세요."
                )
            done += got
    return buffer


class Workspace:
    """Memory that serves one piece after the other.

    What it gives is valid for ``depth - 1`` further calls, so that pieces can be written while the
    next are made. Fresh memory for every piece would cost more than reading and computing: its
    pages come at some 0.5 GB/s on a virtual machine (measured), a copy in memory runs at 5 GB/s.

    Args:
        depth: How many pieces live at once.
    """

    def __init__(self, depth: int = 2) -> None:
        self._raws = deque(torch.empty(0, dtype=torch.uint8) for _ in range(depth))
        self._wides = deque(torch.empty(0, dtype=torch.float32) for _ in range(depth))

    def bytes_of(self, stored: Stored, first: int, count: int) -> Tensor:
        """Some of a tensor's bytes, uint8."""
        self._raws.rotate(1)
        self._wides.rotate(1)
        return read_bytes(stored, first, count, self._raw(count))

    def _raw(self, count: int) -> Tensor:
        if len(self._raws[0]) < count:
            self._raws[0] = torch.empty(count, dtype=torch.uint8)
        return self._raws[0][:count]

    def rows_of(self, stored: Stored, first: int, last: int) -> Tensor:
        """Rows of a tensor as float32, shape (last - first, …).

        Raises:
            ModelError: It is not of a dtype that is computed with.
        """
        dtype, row = _dtype_of(stored), stored.row_bytes
        flat = self.bytes_of(stored, first * row, (last - first) * row).view(dtype)
        if len(self._wides[0]) < len(flat):
            self._wides[0] = torch.empty(len(flat), dtype=torch.float32)
        wide = self._wides[0][: len(flat)].copy_(flat)
        return wide.reshape(last - first, *stored.shape[1:]) if stored.shape else wide.reshape(())

    def narrowed(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        """Float32 rows in another dtype; the bytes that they came from are overwritten."""
        if dtype == torch.float32:
            return rows
        raw = self._raw(rows.numel() * dtype.itemsize)
        return raw.view(dtype).copy_(rows.reshape(-1))


def _dtype_of(stored: Stored) -> torch.dtype:
    if not stored.is_float:
        raise ModelError(f"{stored.file}: 형식 {stored.dtype}의 텐서로는 계산할 수 없습니다.")
    return DTYPES[stored.dtype]


def read_rows(stored: Stored, first: int = 0, last: int | None = None) -> Tensor:
    """Rows of a tensor in its stored dtype, shape (last - first, …).

    Raises:
        ModelError: It is not of a dtype that is computed with, or the file has become shorter.
    """
    dtype, row = _dtype_of(stored), stored.row_bytes
    last = stored.rows if last is None else last
    flat = read_bytes(stored, first * row, (last - first) * row).view(dtype)
    return flat.reshape(last - first, *stored.shape[1:]) if stored.shape else flat.reshape(())


def row_pieces(stored: Stored, piece_bytes: int = PIECE_BYTES) -> Iterator[tuple[int, int]]:
    """Ranges of rows that are small enough to be held at once."""
    step = max(1, piece_bytes // max(1, stored.row_bytes))
    for first in range(0, stored.rows, step):
        yield first, min(first + step, stored.rows)


def byte_pieces(stored: Stored, piece_bytes: int = PIECE_BYTES) -> Iterator[Tensor]:
    """A tensor's bytes as they are, each piece in memory of its own."""
    for first in range(0, stored.size_bytes, piece_bytes):
        yield read_bytes(stored, first, min(piece_bytes, stored.size_bytes - first))
