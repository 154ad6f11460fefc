"""A character without a picture has a face of its own."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chat.web.portrait import draw_portrait, luminance, palette_of
from exagirl.persona.character import Media, builtin_names, load_character
from support.talkers import plain_character


@pytest.mark.parametrize("name", builtin_names())
def test_every_shipped_character_has_a_portrait_that_is_whole(name):
    """The SVG is well formed."""
    assert ET.fromstring(draw_portrait(load_character(name))).tag.endswith("svg")


def test_the_colours_are_the_cards_own():
    """The first colours of the card are the page's."""
    media = Media(colours=("#112233", "#445566", "#778899"))
    palette = palette_of(plain_character(media=media))
    assert palette[:3] == ("#112233", "#445566", "#778899")


def test_colours_that_the_words_name_are_taken_in_their_order():
    """Violet, pink and orange hair is violet, pink and orange."""
    palette = palette_of(load_character("exa").model_copy(update={"media": Media()}))
    assert palette[:3] == ("#7b5cd6", "#f08fb2", "#f5a15b")


@given(st.text(max_size=60), st.text(min_size=1, max_size=10).filter(str.strip))
def test_no_word_of_the_card_is_in_the_picture(appearance, name):
    """A card cannot bring markup into the portrait."""
    character = plain_character().model_copy(update={"appearance": appearance, "name": name})
    svg = draw_portrait(character)
    assert ET.fromstring(svg) is not None
    assert "script" not in svg


COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def contrast(one, other):
    """Source: WCAG 2.2, 'contrast ratio'."""
    light, dark = sorted(map(luminance, (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def blend(colour, paper, share):
    """CSS's color-mix of sRGB."""
    pairs = [(int(colour[at : at + 2], 16), int(paper[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


@given(COLOURS)
def test_writing_can_be_read_in_the_colours_of_any_card(colour):
    """On the main colour, and in it on one's own bubble and the character's, by day and night."""
    palette = palette_of(plain_character(media=Media(colours=(colour,))))
    assert contrast(palette.on_first, colour) >= 4.5
    for ink, papers in (
        (palette.ink_by_day, ("#ffffff", blend(colour, "#ffffff", 0.13))),
        (palette.ink_by_night, ("#25212b", blend(colour, "#25212b", 0.22))),
    ):
        assert min(contrast(ink, paper) for paper in papers) >= 4.5
