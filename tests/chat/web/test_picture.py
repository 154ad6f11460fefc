"""A picture from anybody is made small and safe, or refused."""

import io
import tracemalloc

import pytest

pytest.importorskip("gradio", reason="the extra 'demo' is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from exagirl.chat.faults import ChatError
from exagirl.chat.web.picture import MAX_BYTES, SIDE, as_portrait
from support.pictures import RED, bomb, red, red_png, without_pixels

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_becomes_a_square_of_our_own(kind):
    """Whatever came in, a WebP goes out."""
    portrait = Image.open(io.BytesIO(as_portrait(red(kind))))
    assert (portrait.format, portrait.size) == ("WEBP", (SIDE, SIDE))
    seen = portrait.convert("RGB").getpixel((SIDE // 2, SIDE // 2))
    assert max(abs(a - b) for a, b in zip(seen, RED, strict=True)) < 12


def test_nothing_that_hung_on_the_picture_goes_along():
    """A text, or a page appended behind the end, stays where it was."""
    out = io.BytesIO()
    Image.new("RGB", (30, 30), RED).save(out, "JPEG", comment=b"<script>geheim</script>")
    portrait = as_portrait(out.getvalue() + b"<script>geheim</script>")
    assert b"geheim" not in portrait


def test_a_face_at_the_top_of_a_tall_picture_is_kept():
    """A square is cut from the upper part."""
    tall = Image.new("RGB", (100, 400), (0, 0, 255))
    tall.paste(RED, (0, 0, 100, 90))
    out = io.BytesIO()
    tall.save(out, "PNG")
    portrait = Image.open(io.BytesIO(as_portrait(out.getvalue()))).convert("RGB")
    assert portrait.getpixel((SIDE // 2, SIDE // 3))[0] > 150


@pytest.mark.parametrize(
    "picture",
    [SVG, b"GIF89a" + b"\0" * 40, b"", b"\x89PNG\r\n\x1a\n", without_pixels(red_png())],
    ids=["svg", "gif", "empty", "cut", "no pixels"],
)
def test_what_is_no_whole_picture_of_a_known_kind_is_refused(picture):
    """Neither markup nor a format with a history."""
    with pytest.raises(ChatError, match="읽을 수 없는 그림"):
        as_portrait(picture)


@pytest.mark.parametrize("side", [6_000, 12_000, 60_000])
def test_a_bomb_is_refused_before_it_unfolds(side):
    """The header is believed, and nothing is made of its size."""
    picture = bomb(side)
    assert len(picture) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(ChatError, match="점"):
            as_portrait(picture)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_file_that_is_too_large_is_not_looked_at():
    """The limit is told."""
    with pytest.raises(ChatError, match="20 MB"):
        as_portrait(b"\x89PNG" + bytes(MAX_BYTES))


@given(st.binary(max_size=300), st.integers(0, 120))
@settings(max_examples=60, deadline=None)
def test_any_damage_is_a_refusal_or_a_picture(noise, at):
    """No other error comes out of a decoder that is fed with nonsense."""
    whole = red_png()
    try:
        portrait = as_portrait(whole[:at] + noise + whole[at + len(noise) :])
    except ChatError:
        return
    assert portrait[8:12] == b"WEBP"
