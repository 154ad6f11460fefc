"""Text chunks of a PNG, read and written without touching a pixel.

Source: the PNG specification, third edition: signature, chunk layout, tEXt, zTXt, iTXt.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT_BYTES = 30_000_000
TEXT_KINDS = (b"tEXt", b"zTXt", b"iTXt")


class PngFault(ValueError):  # noqa: N818 (a fault of a file; the reader of cards tells it)
    """The bytes are not a whole PNG; the message names the place in Korean."""


class Chunk(NamedTuple):
    """One chunk of a PNG, with its place in the file."""

    kind: bytes
    data: bytes
    start: int


def read_chunks(image: bytes) -> list[Chunk]:
    """Cut a PNG into its chunks, checksums verified, up to IEND.

    Raises:
        PngFault: No PNG, cut off, or damaged.
    """
    if not image.startswith(SIGNATURE):
        raise PngFault("PNG 그림이 아닙니다(첫 8바이트가 다릅니다)")
    found: list[Chunk] = []
    at = len(SIGNATURE)
    while not found or found[-1].kind != b"IEND":
        if at + 12 > len(image):
            raise PngFault(f"{at}번째 바이트에서 잘렸습니다(IEND가 없습니다)")
        (length,) = struct.unpack_from(">I", image, at)
        kind = image[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(image):
            raise PngFault(f"{at}번째 바이트의 {_name(kind)} 청크가 잘렸습니다")
        (checksum,) = struct.unpack_from(">I", image, end - 4)
        if checksum != zlib.crc32(image[at + 4 : end - 4]):
            raise PngFault(f"{at}번째 바이트의 {_name(kind)} 청크가 손상되었습니다(CRC)")
        found.append(Chunk(kind, image[at + 8 : end - 4], at))
        at = end
    if found[0].kind != b"IHDR" or len(found[0].data) != 13:
        raise PngFault("첫 청크가 IHDR이 아닙니다")
    return found


def read_texts(image: bytes, keywords: tuple[str, ...]) -> Iterator[tuple[str, bytes, int]]:
    """Yield keyword, text and place of every text chunk with one of these keywords.

    Raises:
        PngFault: Damaged, or a compressed text that unfolds to more than 30 MB.
    """
    for chunk in read_chunks(image):
        keyword = _keyword(chunk)
        if keyword in keywords:
            yield keyword, _text(chunk), chunk.start


def without_texts(image: bytes, keywords: tuple[str, ...]) -> bytes:
    """Leave out the text chunks with these keywords; everything else stays byte for byte."""
    return _joined(image, keywords, b"")


def with_texts(image: bytes, texts: dict[str, bytes]) -> bytes:
    """Replace the text chunks of these keywords, in front of IEND; all else stays byte for byte."""
    new = b"".join(
        make_chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text)
        for keyword, text in texts.items()
    )
    return _joined(image, tuple(texts), new)


def make_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk with its length and its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _joined(image: bytes, keywords: tuple[str, ...], new: bytes) -> bytes:
    pieces = [SIGNATURE]
    for chunk in read_chunks(image):
        end = chunk.start + 12 + len(chunk.data)
        if chunk.kind == b"IEND":
            # Whatever a program hung on behind the end stays there.
            pieces += [new, image[chunk.start :]]
        elif _keyword(chunk) not in keywords:
            pieces.append(image[chunk.start : end])
    return b"".join(pieces)


def _keyword(chunk: Chunk) -> str:
    if chunk.kind not in TEXT_KINDS:
        return ""
    return chunk.data[:80].partition(b"\0")[0].decode("latin-1")


def _text(chunk: Chunk) -> bytes:
    rest = chunk.data.partition(b"\0")[2]
    if chunk.kind == b"tEXt":
        return rest
    if chunk.kind == b"zTXt":
        return _inflated(rest[1:], chunk)
    is_compressed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.partition(b"\0")[2].partition(b"\0")[2]
    return _inflated(text, chunk) if is_compressed else text


def _inflated(data: bytes, chunk: Chunk) -> bytes:
    unfold = zlib.decompressobj()
    try:
        text = unfold.decompress(data, MAX_TEXT_BYTES)
    except zlib.error as error:
        raise PngFault(
            f"{chunk.start}번째 바이트의 {_name(chunk.kind)} 청크를 풀 수 없습니다"
        ) from error
    if unfold.unconsumed_tail:
        raise PngFault(
            f"{chunk.start}번째 바이트의 {_name(chunk.kind)} 청크가 "
            f"{MAX_TEXT_BYTES / 1e6:.0f} MB보다 크게 풀립니다"
        )
    return text


def _name(kind: bytes) -> str:
    return kind.decode("latin-1") if kind.isalpha() else repr(kind)
