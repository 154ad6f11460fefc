"""What of a file people and programs can read, in pieces of bounded size."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from exagirl.errors import MissingExtraError
from exagirl.publish.faults import PublishError

BLOCK_BYTES = 1 << 20
OVERLAP_BYTES = 4096
"""Nothing that is looked for is longer; a block begins this much before the last one's end."""
CONTEXT_BYTES = 64
"""So much is seen before the first place of a block where something may begin."""
MOST_HEADER_BYTES = 100_000_000
"""A safetensors header may not be longer, says its format."""
ROWS_AT_ONCE = 256
_GGUF_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_GGUF_TEXT, _GGUF_ARRAY = 8, 9


class Block(NamedTuple):
    """A piece of a file; a find counts where it begins from ``first`` up to before ``end``."""

    content: bytes
    first: int
    end: int
    line: int
    """The line of the piece's first byte, or the row of a table, from 1; 0 where there is none."""


def blocks(path: Path) -> Iterator[Block]:
    """The readable part of a file: all of it, but the heads alone of weights, the rows of tables.

    Raises:
        PublishError: A file with weights is damaged.
        MissingExtraError: A table, and pyarrow is not installed.
    """
    kind = path.suffix.lower()
    if kind == ".parquet":
        yield from _rows(path)
    elif kind == ".safetensors":
        with path.open("rb") as stream:
            yield from _cut(stream, 8, _safetensors_end(path, stream), has_lines=False)
    elif kind == ".gguf":
        end = _gguf_end(path)
        with path.open("rb") as stream:
            yield from _cut(stream, 0, end, has_lines=False)
    else:
        with path.open("rb") as stream:
            yield from _cut(stream, 0, path.stat().st_size, has_lines=True)


def _cut(stream: Any, start: int, stop: int, *, has_lines: bool) -> Iterator[Block]:
    stream.seek(start)
    left = stop - start
    content, first, line = b"", 0, int(has_lines)
    while left > 0:
        fresh = stream.read(min(BLOCK_BYTES, left))
        if not fresh:
            break
        left -= len(fresh)
        content += fresh
        end = len(content) if left <= 0 else max(first, len(content) - OVERLAP_BYTES)
        yield Block(content, first, end, line)
        keep = max(0, end - CONTEXT_BYTES)
        line += content.count(b"\n", 0, keep) if has_lines else 0
        content, first = content[keep:], end - keep


def _safetensors_end(path: Path, stream: Any) -> int:
    head = stream.read(8)
    length = int.from_bytes(head, "little")
    if len(head) < 8 or length > min(MOST_HEADER_BYTES, path.stat().st_size - 8):
        raise _damaged(path)
    return 8 + length


def _damaged(path: Path) -> PublishError:
    return PublishError(
        f"{path}: 가중치 파일이 깨졌습니다. 'exagirl merge'나 'exagirl export'로 다시 만드세요."
    )


def _gguf_end(path: Path) -> int:
    """Where the metadata of a GGUF file ends and its tensors' names begin.

    Source: the GGUF format, versions 2 and 3. The reader of the package ``gguf`` builds an object
    for every token; this only walks over them.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as m:
            magic, version, _, pairs = struct.unpack_from("<4sIQQ", m, 0)
            if magic != b"GGUF" or version not in (2, 3):
                raise _damaged(path)
            at = 24
            for _ in range(pairs):
                at = _after_text(m, at)
                (kind,) = struct.unpack_from("<I", m, at)
                at = _after_value(m, at + 4, kind)
            if at > len(m):
                raise _damaged(path)
            return at
    except (struct.error, KeyError, ValueError) as error:
        raise _damaged(path) from error


def _after_text(m: mmap.mmap, at: int) -> int:
    (length,) = struct.unpack_from("<Q", m, at)
    return at + 8 + int(length)


def _after_value(m: mmap.mmap, at: int, kind: int) -> int:
    if kind == _GGUF_TEXT:
        return _after_text(m, at)
    if kind != _GGUF_ARRAY:
        return at + _GGUF_SIZES[kind]
    inner, count = struct.unpack_from("<IQ", m, at)
    at += 12
    if inner == _GGUF_TEXT:
        for _ in range(count):
            at = _after_text(m, at)
        return at
    return at + int(count) * _GGUF_SIZES[inner]


def _rows(path: Path) -> Iterator[Block]:
    """Every row's text, in any depth, and what the table says of itself before them."""
    try:
        from pyarrow import parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError(
            "데이터셋을 살펴보려면 pyarrow가 필요합니다. pip install 'exagirl[train]'"
        ) from error
    with parquet.ParquetFile(path) as table:
        told = table.schema_arrow.metadata or {}
        head = b"\n".join([part for pair in told.items() for part in pair])
        yield Block(head, 0, len(head), 0)
        row = 0
        for batch in table.iter_batches(batch_size=ROWS_AT_ONCE):
            for values in batch.to_pylist():
                row += 1
                # The same conversation stands in two columns: one find is enough.
                texts = dict.fromkeys(_texts(values))
                content = "\n".join(texts).encode("utf-8", "replace")
                yield Block(content, 0, len(content), row)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
