"""A safetensors file written from pieces, while it is hashed: three things at once.

The caller makes the next pieces, one thread hashes, one thread writes. Tensors that stay as they
are never come into this process to be written: the kernel copies them from file to file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import Any

import torch

from exagirl.artifact import FileRecord
from exagirl.errors import ModelError
from exagirl.export.safetensors_stream import PIECE_BYTES, Planned, Stored, read_bytes

Piece = Any
"""A `Tensor`: some of one, as it shall stand in the file. Or a `Stored`: copied from its file."""
WAITING = 2
"""Pieces in memory that may wait for the threads while the next one is made."""
DEPTH = WAITING + 2
"""How many pieces a `Workspace` has to tell apart: those that wait, one at work, one being made."""
_NO_KERNEL_COPY = {errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}


def write_tensors(
    path: Path, layout: Mapping[str, Planned], tensors: Iterable[Iterable[Piece]]
) -> FileRecord:
    """Write a file of tensors that are made piece by piece, and hash it on the way.

    Args:
        path: The file.
        layout: Name to what each tensor will be, in the order in which ``tensors`` yields them.
        tensors: Each tensor as consecutive pieces; a piece in memory may be overwritten when three
            more have been asked for (`DEPTH`).

    Returns:
        Size and SHA-256 of the file, which is on the disk when this returns.

    Raises:
        ModelError: A tensor is not what the layout promised, or a file that is copied from has
            become shorter.
    """
    with path.open("wb", buffering=0) as stream:
        out = _Out(stream)
        try:
            out.put(torch.frombuffer(bytearray(_header(layout)), dtype=torch.uint8))
            for (name, plan), pieces in zip(layout.items(), tensors, strict=True):
                written = sum(map(out.put, pieces))
                if written != plan.size_bytes:
                    raise ModelError(
                        f"{name}: {plan.dtype} {list(plan.shape)}은(는) {plan.size_bytes}바이트"
                        f"인데 {written}바이트가 나왔습니다."
                    )
            digest = out.finish()
        finally:
            out.stop()
        os.fsync(stream.fileno())
        return FileRecord(size=stream.tell(), sha256=digest)


class _Out:
    """Two threads that take pieces in order: one for the hash, one for the file."""

    def __init__(self, stream: FileIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._hasher, self._writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._under_way: deque[Future[Any]] = deque()
        self._buffer = torch.empty(PIECE_BYTES, dtype=torch.uint8)

    def put(self, piece: Piece) -> int:
        """Hand over a piece; waits while too many are in memory. Returns its size in bytes."""
        if isinstance(piece, Stored):
            hashed = self._hasher.submit(self._hash_file, piece)
            written = self._writer.submit(_copy, piece, self._stream)
            size = piece.size_bytes
        else:
            flat = piece.contiguous().cpu().reshape(-1).view(torch.uint8).numpy().data
            hashed = self._hasher.submit(self._digest.update, flat)
            written = self._writer.submit(_write, self._stream, flat)
            size = int(flat.nbytes)
        self._under_way += (hashed, written)
        while len(self._under_way) > 2 * WAITING:
            self._under_way.popleft().result()
        return size

    def finish(self) -> str:
        """Wait until all is written, and give the hash."""
        while self._under_way:
            self._under_way.popleft().result()
        return self._digest.hexdigest()

    def stop(self) -> None:
        """End the threads; what they have not begun is left."""
        for pool in (self._hasher, self._writer):
            pool.shutdown(cancel_futures=True)

    def _hash_file(self, stored: Stored) -> None:
        for first in range(0, stored.size_bytes, PIECE_BYTES):
            count = min(PIECE_BYTES, stored.size_bytes - first)
            self._digest.update(read_bytes(stored, first, count, self._buffer[:count]).numpy().data)


def _write(stream: FileIO, data: memoryview) -> None:
    """Write all of it: one call may write less."""
    while data:
        data = data[stream.write(data) or 0 :]


def _copy(stored: Stored, stream: FileIO) -> None:
    """Append a tensor's bytes to a file, in the kernel where it can."""
    done = _copy_in_kernel(stored, stream)
    while done < stored.size_bytes:
        count = min(PIECE_BYTES, stored.size_bytes - done)
        _write(stream, read_bytes(stored, done, count).numpy().data)
        done += count


def _copy_in_kernel(stored: Stored, stream: FileIO) -> int:
    """Returns how many bytes were copied; the rest has to be read and written."""
    done = 0
    if not hasattr(os, "copy_file_range"):  # Linux has it
        return done
    with stored.file.open("rb", buffering=0) as source:
        while done < stored.size_bytes:
            place, count = stored.start + done, stored.size_bytes - done
            try:
                copied = os.copy_file_range(source.fileno(), stream.fileno(), count, place)
            except OSError as error:
                if error.errno in _NO_KERNEL_COPY:
                    break
                raise
            if not copied:  # the end of the file, which reading tells in words
                break
            done += copied
    return done


def _header(layout: Mapping[str, Planned]) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, plan in layout.items():
        header[name] = {
            "dtype": plan.dtype,
            "shape": list(plan.shape),
            "data_offsets": [offset, offset + plan.size_bytes],
        }
        offset += plan.size_bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
