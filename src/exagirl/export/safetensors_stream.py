"""Safetensors files, read and written one tensor at a time.

Format (safetensors 0.x): 8 bytes little-endian header length, a JSON header that maps a name to
``{dtype, shape, data_offsets}``, then the tensors' bytes in that order.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from exagirl.errors import ModelError

MAX_HEADER_BYTES = 100_000_000
DTYPES = {
    "BF16": torch.bfloat16,
    "F16": torch.float16,
    "F32": torch.float32,
}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def read_header(path: Path) -> dict[str, Any]:
    """Name to ``{dtype, shape, data_offsets}``; the metadata entry is left out.

    Raises:
        ModelError: The file is cut off or is no safetensors file.
    """
    try:
        return _read_header(path)
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ModelError(
            f"{path}: 온전한 safetensors 파일이 아닙니다({error}). 이 파일을 지우고 다시 받거나 "
            "다시 만드세요."
        ) from error


def _read_header(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise ValueError("머리말 길이가 파일보다 깁니다")
        header: dict[str, Any] = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if 8 + length + end != size:
        raise ValueError(f"{8 + length + end}바이트여야 하는데 {size}바이트입니다")
    return header


def write_tensors(
    path: Path, layout: Mapping[str, tuple[torch.dtype, tuple[int, ...]]], tensors: Iterator[Tensor]
) -> None:
    """Write a file of tensors that are made one after the other.

    Args:
        path: The file.
        layout: Name to dtype and shape, in the order in which ``tensors`` yields them.
        tensors: The tensors; only one is held at a time.

    Raises:
        ModelError: A tensor is not what the layout promised.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (dtype, shape) in layout.items():
        size = torch.empty(shape, dtype=dtype, device="meta").nbytes
        header[name] = {
            "dtype": DTYPE_NAMES[dtype],
            "shape": list(shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for (name, (dtype, shape)), tensor in zip(layout.items(), tensors, strict=True):
            if tensor.dtype != dtype or tuple(tensor.shape) != shape:
                raise ModelError(
                    f"{name}: {dtype} {shape}이어야 하는데 {tensor.dtype} {tensor.shape}입니다."
                )
            flat = tensor.contiguous().cpu().reshape(-1).view(torch.uint8)
            stream.write(flat.numpy().data)
        stream.flush()
        os.fsync(stream.fileno())
