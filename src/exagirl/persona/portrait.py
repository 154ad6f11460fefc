"""A plain portrait for a character that has none: a gradient of its colours."""

from __future__ import annotations

import struct
import zlib

from exagirl.persona.png import SIGNATURE, make_chunk

WIDTH, HEIGHT = 400, 600
PLAIN = ("#7B5CD6", "#F08FB2", "#F5B26B")


def draw_gradient(colours: tuple[str, ...] = ()) -> bytes:
    """A PNG of 400 × 600 that runs from the first colour at the top to the last at the bottom.

    Args:
        colours: ``#RRGGBB``; violet to orange if none are given.
    """
    stops = [_rgb(colour) for colour in colours or PLAIN]
    stops = stops if len(stops) > 1 else stops * 2
    rows = []
    for y in range(HEIGHT):
        place = y / (HEIGHT - 1) * (len(stops) - 1)
        left = min(int(place), len(stops) - 2)
        share = place - left
        mixed = [
            round(a + (b - a) * share) for a, b in zip(stops[left], stops[left + 1], strict=True)
        ]
        rows.append(b"\0" + bytes(mixed) * WIDTH)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return SIGNATURE + b"".join(
        (
            make_chunk(b"IHDR", header),
            make_chunk(b"IDAT", zlib.compress(b"".join(rows), 9)),
            make_chunk(b"IEND", b""),
        )
    )


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
