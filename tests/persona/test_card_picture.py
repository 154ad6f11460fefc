"""The picture that comes with a character, from wherever it stands."""

import base64

import pytest

from exagirl.errors import CharacterError
from exagirl.persona.card import read_card, write_card
from exagirl.persona.card_json import card_of
from exagirl.persona.card_picture import picture_of
from exagirl.persona.card_text import write_json
from exagirl.persona.character import Media
from exagirl.persona.charx import CARD, pack_charx
from exagirl.persona.portrait import draw_gradient
from support.talkers import plain_character

# Another picture than the one that we draw: what is in it does not matter here.
PICTURE = draw_gradient(("#112233", "#445566"))


def with_icons(*icons):
    """A card's JSON with assets."""
    card = card_of(plain_character())
    card["data"]["assets"] = list(icons)
    return write_json(card)


def icon(uri, name="main"):
    """One asset."""
    return {"type": "icon", "uri": uri, "name": name, "ext": "png"}


def found_in(path):
    """What is found beside or in a file."""
    return picture_of(path, read_card(path))


def test_a_png_is_its_own_picture(tmp_path):
    """Without the card in it, byte for byte."""
    assert found_in(write_card(plain_character(), tmp_path / "a.png", portrait=PICTURE)) == PICTURE


def test_the_gradient_of_a_card_without_a_picture_is_none(tmp_path):
    """We drew it ourselves."""
    assert found_in(write_card(plain_character(), tmp_path / "a.png")) is None


@pytest.mark.parametrize("scheme", ["embeded://", "embedded://"])
def test_a_charx_brings_its_main_icon(tmp_path, scheme):
    """Whichever way the word is spelt, and wherever it stands in the list."""
    path = tmp_path / "a.charx"
    card = with_icons(icon(f"{scheme}b.png", "sad"), icon(f"{scheme}icons/a.png"))
    path.write_bytes(pack_charx({CARD: card, "icons/a.png": PICTURE, "b.png": b"other"}))
    assert found_in(path) == PICTURE


def test_a_json_card_may_hold_its_picture(tmp_path):
    """As a data address."""
    path = tmp_path / "a.json"
    path.write_bytes(
        with_icons(icon("data:image/png;base64," + base64.b64encode(PICTURE).decode()))
    )
    assert found_in(path) == PICTURE


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.org/a.png",
        "file:///etc/passwd",
        "data:text/html;base64,PGI+",
        "data:image/png;base64,%%%",
        "ccdefault:",
        "embeded://missing.png",
    ],
)
def test_no_other_address_is_followed(tmp_path, uri):
    """Nothing is fetched, from the network or from the disk."""
    path = tmp_path / "a.charx"
    path.write_bytes(pack_charx({CARD: with_icons(icon(uri))}))
    assert found_in(path) is None


def test_a_yaml_file_has_its_picture_beside_it(tmp_path):
    """media.portrait counts from its folder; a missing one is none."""
    character = plain_character(media=Media(portrait="face.png"))
    path = write_card(character, tmp_path / "character.yaml")
    assert found_in(path) is None
    (tmp_path / "face.png").write_bytes(PICTURE)
    assert found_in(path) == PICTURE


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    """A folder from anybody shows no file of this machine."""
    (tmp_path / "secret.png").write_bytes(PICTURE)
    folder = tmp_path / "character"
    folder.mkdir()
    path = write_card(plain_character(media=Media(portrait="face.png")), folder / "character.yaml")
    (folder / "face.png").symlink_to(tmp_path / "secret.png")
    assert found_in(path) is None


def test_assets_of_any_shape_do_no_harm(tmp_path):
    """A list of nonsense is no list of icons."""
    path = tmp_path / "a.json"
    for assets in ({"type": "icon"}, ["x", 3, None], [{"type": "icon", "uri": 5}]):
        card = card_of(plain_character())
        card["data"]["assets"] = assets
        path.write_bytes(write_json(card))
        assert found_in(path) is None


def test_a_damaged_file_is_named(tmp_path):
    """The error says which one."""
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture")
    with pytest.raises(CharacterError, match=r"a\.png"):
        picture_of(path, plain_character())
