"""A picture from anybody, made small and safe: only what we encoded ourselves is shown."""

from __future__ import annotations

import base64
import io

from PIL import Image, ImageOps

from exagirl.chat.faults import ChatError

FORMATS = ("PNG", "JPEG", "WEBP")
"""Never SVG: it may hold scripts and addresses."""
MAX_BYTES = 20_000_000
MAX_PIXELS = 25_000_000
"""Unfolded, a picture of this size takes about 100 MB for a moment."""
SIDE = 256
_UPWARD = (0.5, 0.1)
"""A square is cut from the upper part, where the face is."""


def as_portrait(picture: bytes) -> bytes:
    """A square WebP of 256 × 256, without any of the picture's metadata.

    Args:
        picture: A PNG, JPEG or WebP; of an animation the first frame is taken.

    Raises:
        ChatError: It is none of these, damaged, or too large to be unfolded.
    """
    if len(picture) > MAX_BYTES:
        raise ChatError(f"그림이 {len(picture) / 1e6:.0f} MB입니다. {MAX_BYTES / 1e6:.0f} MB까지.")
    try:
        with Image.open(io.BytesIO(picture), formats=FORMATS) as image:
            upright = _unfolded(image)
    except ChatError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ChatError("그림의 점이 너무 많아 펼치지 않았습니다.") from error
    except Exception as error:
        # A decoder fed with anybody's bytes may raise nearly anything.
        raise ChatError("읽을 수 없는 그림입니다. PNG, JPEG, WebP를 씁니다.") from error
    small = ImageOps.fit(upright, (SIDE, SIDE), centering=_UPWARD)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=85)
    return out.getvalue()


def _unfolded(image: Image.Image) -> Image.Image:
    # The header says the size; nothing is unfolded before this.
    if image.width * image.height > MAX_PIXELS:
        raise ChatError(
            f"그림이 {image.width:,}×{image.height:,}점입니다. "
            f"{MAX_PIXELS / 1e6:.0f}백만 점까지 펼칩니다."
        )
    # Of a large JPEG only what is needed is unfolded.
    image.draft("RGB", (4 * SIDE, 4 * SIDE))
    return ImageOps.exif_transpose(image).convert("RGBA")


def portrait_uri(portrait: bytes) -> str:
    """A portrait of `as_portrait` as an address that an ``<img>`` shows."""
    return "data:image/webp;base64," + base64.b64encode(portrait).decode()
