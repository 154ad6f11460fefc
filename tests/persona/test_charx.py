"""A charx is a ZIP from a stranger."""

import io
import json
import stat
import zipfile

import pytest

from exagirl.errors import CharacterError
from exagirl.persona.card import read_card, write_card
from exagirl.persona.card_text import CardFault
from exagirl.persona.character import load_character
from exagirl.persona.charx import pack_charx, read_members

CARD = json.dumps({"spec": "chara_card_v3", "data": {"name": "미아", "first_mes": "왔어?"}})


def zipped(*members):
    """A ZIP of (name or ZipInfo, content)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def link():
    """A member that is a symbolic link."""
    info = zipfile.ZipInfo("assets/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def lying():
    """A bomb whose directory says that it is small."""
    file = bytearray(zipped(("card.json", "0" * 5_000_000)))
    at = file.rindex(b"PK\x01\x02")
    file[at + 24 : at + 28] = (100).to_bytes(4, "little")
    return bytes(file)


def test_a_charx_behind_a_picture_is_read(tmp_path):
    """RisuAI hangs the ZIP onto a JPEG."""
    path = tmp_path / "a.charx"
    path.write_bytes(b"\xff\xd8\xff picture" + zipped(("card.json", CARD)))
    assert read_card(path).name == "미아"


def test_assets_are_packed_beside_the_card(tmp_path):
    """And come out again."""
    path = write_card(load_character("exa"), tmp_path / "a.charx", assets={"assets/a.png": b"1"})
    assert read_members(path.read_bytes())["assets/a.png"] == b"1"


def test_the_same_character_gives_the_same_bytes(tmp_path):
    """No clock in the archive."""
    exa = load_character("exa")
    first = write_card(exa, tmp_path / "a.charx").read_bytes()
    assert write_card(exa, tmp_path / "b.charx").read_bytes() == first


@pytest.mark.parametrize(
    ("file", "word"),
    [
        (b"PK nonsense", "ZIP"),
        (zipped(("card.json", CARD))[:-30], "ZIP"),
        (zipped(("other.json", CARD)), "card.json"),
        (zipped(("card.json", CARD), ("../evil.txt", "x")), "../evil.txt"),
        (zipped(("card.json", CARD), ("/etc/evil", "x")), "/etc/evil"),
        (zipped(("card.json", CARD), ("a\\..\\..\\evil", "x")), "폴더 밖"),
        (zipped(("card.json", CARD), ("C:evil", "x")), "폴더 밖"),
        (zipped(("card.json", CARD), (link(), "/etc/passwd")), "링크"),
        (zipped(("card.json", CARD), ("a", "0" * 100_000_001)), "100 MB"),
        (zipped(("card.json", "0" * 20_000_001)), "20 MB"),
        (zipped(("card.json", CARD), *((f"a/{n}", "") for n in range(2000))), "2,001"),
        (lying(), "ZIP"),
    ],
    ids=range(12),
)
def test_a_bad_charx_is_refused_and_nothing_is_written(tmp_path, file, word):
    """The message names the member; the folder holds what it held."""
    path = tmp_path / "a.charx"
    path.write_bytes(file)
    with pytest.raises(CharacterError) as caught:
        read_card(path)
    assert word in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_packed_under_a_name_that_leads_outside():
    """Neither do we write such an archive."""
    with pytest.raises(CardFault, match="폴더 밖"):
        pack_charx({"../a": b""})
