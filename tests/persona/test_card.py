"""Cards come in and go out without losing anything."""

import base64
import json
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.errors import CharacterError
from exagirl.persona.card import read_card, write_card
from exagirl.persona.card_json import card_of, character_of
from exagirl.persona.character import builtin_names, load_character
from exagirl.persona.png import make_chunk, read_chunks, read_texts, with_texts, without_texts
from exagirl.persona.portrait import draw_gradient
from support.characters import characters, foreign_cards

FORMATS = ("json", "png", "charx", "yaml")
KEYWORDS = ("ccv3", "chara")


def card(**data):
    """A foreign V2 card."""
    usual = {"name": "Mia", "description": "꽃집 주인", "first_mes": "왔어? 앉아."}
    return {"spec": "chara_card_v2", "spec_version": "2.0", "data": usual | data}


def packed(value):
    """A card as a PNG chunk holds it."""
    return base64.b64encode(json.dumps(value).encode())


def saved(folder, name, content):
    """A file on disk."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def refused(path):
    """What is said about a card that cannot be read, within a second."""
    start = time.monotonic()
    with pytest.raises(CharacterError) as caught:
        read_card(path)
    assert time.monotonic() - start < 2  # a shared machine; alone it is a tenth
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=25, deadline=None)
@given(character=characters())
def test_a_written_card_reads_back_unchanged(tmp_path_factory, kind, character):
    """read_card and write_card are inverses, in every format."""
    path = tmp_path_factory.getbasetemp() / f"card.{kind}"
    write_card(character, path)
    assert read_card(path) == character


@settings(max_examples=25, deadline=None)
@given(character=characters())
def test_a_v2_card_reads_back_unchanged(character):
    """The older specification loses nothing either."""
    assert character_of(card_of(character, "v2")) == character


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", builtin_names())
def test_a_built_in_character_survives_every_format(tmp_path, name, kind):
    """Whatever it uses of the record."""
    character = load_character(name)
    assert read_card(write_card(character, tmp_path / f"card.{kind}")) == character


@settings(max_examples=100, deadline=None)
@given(given_card=foreign_cards())
def test_nothing_of_a_foreign_card_is_lost(given_card):
    """Every key of data, the extensions and the lorebook comes out as it went in."""
    written = card_of(character_of(given_card))
    assert lost(given_card["data"], written["data"]) == []
    assert written.get("x-top") == given_card.get("x-top")
    assert character_of(written) == character_of(given_card)


def lost(before, after, where="data"):
    """Places where a value of the first is not in the second."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            place
            for key, value in before.items()
            for place in lost(value, after.get(key, ...), f"{where}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            place
            for n, (old, new) in enumerate(zip(before, after, strict=True))
            for place in lost(old, new, f"{where}[{n}]")
        ]
    return [] if before == after else [where]


def test_what_a_foreign_card_cannot_say_is_inferred_and_marked():
    """The level comes from its greetings and examples."""
    spoken = "<START>\n{{user}}: 안녕\n{{char}}: 응, 왔구나. 오늘 뭐 했어?"
    character = character_of(card(mes_example=spoken))
    assert (character.speech.level, character.inferred) == ("banmal", ("speech.level",))
    polite = character_of(card(first_mes="어서 오세요. 무엇을 찾으세요?"))
    assert polite.speech.level == "polite"
    assert [line.role for line in character.examples[0]] == ["user", "assistant"]


def test_old_macros_become_the_ones_that_are_filled():
    """<USER> and <BOT> of early programs."""
    character = character_of(card(first_mes="<USER>, 나 <BOT>야. {{char}}라고 불러."))
    assert character.greetings == ("{{user}}, 나 {{char}}야. {{char}}라고 불러.",)


def test_our_placeholders_go_out_as_everybody_knows_them():
    """{유저} is written {{user}} for other programs, and comes back as {유저}."""
    exa = load_character("exa")
    written = card_of(exa)
    assert "{{user}}" in written["data"]["first_mes"]
    assert "{유저}" in character_of(written).greetings[0]


def test_an_edit_made_by_another_program_wins_over_our_copy():
    """Only what was edited; the rest of the record stays."""
    exa = load_character("exa")
    written = card_of(exa)
    written["data"]["first_mes"] = "새 인사야."
    character = character_of(written)
    assert [g.replace("{{user}}", "{유저}") for g in character.greetings] == [
        "새 인사야.",
        *exa.greetings[1:],
    ]
    assert (character.facts, character.speech) == (exa.facts, exa.speech)


def test_an_edit_of_an_imported_card_goes_out():
    """A kept foreign value does not hide what the user wrote since."""
    character = character_of(card(first_mes="  <USER>야.  ", creator="누구"))
    changed = character.model_copy(update={"greetings": ("바꾼 인사",)})
    assert card_of(character)["data"]["first_mes"] == "  <USER>야.  "
    assert card_of(changed)["data"]["first_mes"] == "바꾼 인사"
    assert card_of(changed)["data"]["creator"] == "누구"


def test_a_nickname_is_what_the_character_is_called():
    """The long name stays an alias, and both go out again."""
    character = character_of(card(name="Amelia Rose", nickname="미아"))
    assert (character.name, character.aliases) == ("미아", ("Amelia Rose",))
    data = card_of(character)["data"]
    assert (data["name"], data["nickname"]) == ("Amelia Rose", "미아")


def test_a_v1_card_is_read():
    """Its keys stand at the top."""
    character = character_of({"name": "Mia", "description": "꽃집", "first_mes": "응.", "x": 1})
    assert (character.name, card_of(character)["data"]["x"]) == ("Mia", 1)


def test_decorators_of_a_lorebook_are_kept_and_not_said():
    """@@ lines stay in the content; the text is what the model reads."""
    row = {"keys": ["용"], "content": "@@depth 4\n@@unknown\n용은 산에 산다."}
    character = character_of(card(character_book={"entries": [row]}))
    entry = character.lorebook.entries[0]
    assert entry.text == "용은 산에 산다."
    assert card_of(character)["data"]["character_book"]["entries"][0]["content"] == row["content"]


def test_a_png_keeps_its_pixels_and_loses_stale_cards(tmp_path):
    """All other chunks stay byte for byte, also what hangs behind the end."""
    picture = with_texts(draw_gradient(), {"chara": b"b2xk", "Software": b"paint"}) + b"tail"
    path = saved(tmp_path, "a.png", picture)
    write_card(load_character("exa"), path)
    after = path.read_bytes()
    assert without_texts(after, KEYWORDS) == without_texts(picture, KEYWORDS)
    assert [keyword for keyword, _, _ in read_texts(after, KEYWORDS)] == ["ccv3", "chara"]
    assert read_card(path).name == "엑사"


def test_ccv3_is_preferred_over_chara(tmp_path):
    """Wherever the two stand."""
    texts = {"chara": packed(card(name="old")), "ccv3": packed(card(name="new"))}
    assert read_card(saved(tmp_path, "a.png", with_texts(draw_gradient(), texts))).name == "new"


def test_a_portrait_of_our_own_is_a_png_of_the_characters_colours():
    """It opens, and its first row has the first colour."""
    chunks = {chunk.kind: chunk.data for chunk in read_chunks(draw_gradient(("#010203",)))}
    assert zlib.decompress(chunks[b"IDAT"])[:4] == b"\0\1\2\3"


def zipped(text):
    """A compressed text chunk."""
    return make_chunk(b"zTXt", b"chara\0\0" + zlib.compress(text, 9))


def png_with(*chunks):
    """A picture with chunks of one's own."""
    picture = draw_gradient()
    return picture[:-12] + b"".join(chunks) + picture[-12:]


def text_chunk(value, keyword=b"chara"):
    """A tEXt chunk."""
    return make_chunk(b"tEXt", keyword + b"\0" + value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"GIF89a", ("PNG 그림이 아닙니다",)),
        (draw_gradient()[:500], ("잘렸습니다", "IDAT")),
        (draw_gradient()[:-12], ("잘렸습니다", "IEND")),
        (draw_gradient(), ("ccv3", "chara")),
        (png_with(text_chunk(packed(card())), text_chunk(packed(card(name="B")))), ("2개", "다른")),
        (png_with(text_chunk(b"%%%")), ("base64", "chara")),
        (png_with(text_chunk(base64.b64encode(b"\xff\xfe{"))), ("UTF-8",)),
        (png_with(text_chunk(base64.b64encode(b"{"))), ("1행", "JSON")),
        (png_with(zipped(b"a" * 40_000_000)), ("30 MB",)),
        (png_with(make_chunk(b"zTXt", b"chara\0\0xx")), ("zTXt", "풀 수 없습니다")),
        (draw_gradient().replace(b"IDAT", b"IDAx"), ("CRC",)),
    ],
    ids=range(11),
)
def test_a_bad_png_is_refused_with_the_place(tmp_path, content, words):
    """No traceback, no hanging."""
    message = refused(saved(tmp_path, "a.png", content))
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 100_000, ("겹",)),
        (b'{"data": ' + b"[" * 70 + b"]" * 70 + b"}", ("60겹",)),
        (b'{"data": {"name": NaN}}', ("NaN",)),
        (b'{"data": {"name": ' + b"1" * 5000 + b"}}", ("JSON",)),
        (b"[]", ("{ }",)),
        (b'{"a": 1}', ("카드가 아닙니다",)),
        (b'{"spec": "chara_card_v2", "data": 3}', ("data",)),
        (card(name=" "), ("data.name", "비어")),
        (card(first_mes=3), ("data.first_mes", "int")),
        (card(alternate_greetings=[1]), ("data.alternate_greetings[0]",)),
        (card(character_book={"entries": [{"keys": [1]}]}), ("entries[0].keys",)),
        (card(character_book={"entries": 1}), ("character_book.entries",)),
        (card(extensions={"exagirl": {}}), ("data.extensions.exagirl",)),
        (card(description="가" * 50_001), ("description", "50000자")),
        (b'{"data": "' + b"a" * 20_000_001, ("20 MB",)),
        (json.dumps({"data": [0] * 400_001}).encode(), ("400,000",)),
    ],
    ids=range(16),
)
def test_bad_json_is_refused_with_the_place(tmp_path, content, words):
    """The key path or the line stands in the message."""
    message = refused(saved(tmp_path, "a.json", content))
    assert [word for word in words if word not in message] == []


def test_a_catastrophic_regex_is_kept_and_never_run(tmp_path):
    """Keys are words; a regular expression of another program is carried along."""
    row = {"keys": ["(a+)+$"], "content": "x", "use_regex": True}
    path = saved(tmp_path, "a.json", card(character_book={"entries": [row]}))
    entry = read_card(path).lorebook.entries[0]
    assert (entry.keys, entry.use_regex) == (("(a+)+$",), True)


def test_an_unknown_ending_is_told_with_the_known_ones(tmp_path):
    """Both ways."""
    with pytest.raises(CharacterError, match=r"\.charx"):
        read_card(tmp_path / "a.webp")
    with pytest.raises(CharacterError, match=r"\.charx"):
        write_card(load_character("exa"), tmp_path / "a.txt")


def test_a_file_that_is_not_there_is_one_message(tmp_path):
    """With its path."""
    assert "읽을 수 없습니다" in refused(tmp_path / "a.json")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_card_or_refused(tmp_path_factory, content):
    """Nothing but CharacterError comes out."""
    for kind in ("png", "json", "charx"):
        path = tmp_path_factory.getbasetemp() / f"any.{kind}"
        path.write_bytes(content)
        with pytest.raises(CharacterError):
            read_card(path)
