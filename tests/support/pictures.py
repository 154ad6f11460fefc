"""Small pictures of all kinds, harmless and not."""

import io
import struct
import zlib

from PIL import Image

from exagirl.persona.png import SIGNATURE, make_chunk, read_chunks

RED = (220, 30, 30)


def red(kind="PNG", size=(40, 60)):
    """A red picture of one kind."""
    out = io.BytesIO()
    Image.new("RGB", size, RED).save(out, kind)
    return out.getvalue()


def red_png():
    """A red PNG."""
    return red("PNG")


def without_pixels(png):
    """A PNG whose chunks are whole and whose pixels are nonsense."""
    chunks = [
        make_chunk(chunk.kind, b"nonsense" if chunk.kind == b"IDAT" else chunk.data)
        for chunk in read_chunks(png)
    ]
    return SIGNATURE + b"".join(chunks)


def bomb(side):
    """A PNG of a few kilobytes that unfolds to a square of so many points a side."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compressobj(9)
    row = b"\0" * (1 + 3 * side)
    # A decoder that believes the header asks for all rows; a few are enough to be asked.
    data = b"".join(pixels.compress(row) for _ in range(8)) + pixels.flush()
    return SIGNATURE + b"".join(
        (make_chunk(b"IHDR", header), make_chunk(b"IDAT", data), make_chunk(b"IEND", b""))
    )
