"""A text in pieces is filled as the whole would be, and what is sure is given at once."""

import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exagirl.chat.filling import NameStream, fill_stream, from_first_letter
from exagirl.errors import ModelError
from exagirl.korean.normalise import normalise
from exagirl.korean.particle_pairs import written_forms
from exagirl.korean.particles import fill_placeholders
from exagirl.korean.words import words

PARTS = [
    *("{유저}", "{{user}}", "{캐릭터}", "{{ CHAR }}", "{ 유저 }", "{유저", "{{user}", "{", "}"),
    *("는", "은(는)", "(이)라고", "야", "야아아", "아", "이었어요", "였", "이라던데요", "으로부터"),
    *("나는 ", "안녕, ", "가방", "가 ", "도", "이", "'", '"', "“", "”", "]", "라고", "/", "(", ")"),
    *(" ", "\n", "\r", "\r\n", "*", "...", "<", "=", "e", "é", "か", "漢"),
    *("ᄒ", "ᅡ", "ᆫ", "하", "각", "\u0301", "\u0323", "\u3099", "\u0338"),
    *(
        "\u200b",
        "\u200d",
        "\x00",
        "\x07",
        "\ufffd",
        "\ufeff",
        "\u00a0",
        "\u3000",
        "\u2028",
        "\ud800",
    ),
    *("😀", "👩\u200d👩", "\ufe0f", "\u2764", "🇰", "क", "\u093c"),
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=14).map("".join) | st.text(max_size=20)
CUTS = st.lists(st.integers(0, 60), max_size=12) | st.just(list(range(61)))


def fill(text):
    """With a name that takes the other form of most particles, as of a friend."""
    return fill_placeholders(text, "지은", "엑사", intimate=True)


def in_pieces(text, cuts):
    """A text cut at some places."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    return [text[a:b] for a, b in pairwise(places)]


@settings(max_examples=600)
@given(text=TEXTS, cuts=CUTS)
@example(text="{유저}{유저}야", cuts=list(range(20)))
@example(text="안녕, '{유저}'라고", cuts=list(range(20)))
@example(text="나는 {캐릭터}야아아아아아아아아아아아아아아아아아아아아 ", cuts=list(range(60)))
@example(text="각" * 3 + "\u200d👩", cuts=list(range(20)))
def test_a_text_in_pieces_is_filled_as_the_whole(text, cuts):
    """Names, particles, composed letters, what is invisible: however it is cut."""
    assert "".join(fill_stream(in_pieces(text, cuts), fill)) == fill(text)


@settings(max_examples=300)
@given(before=TEXTS, text=TEXTS, cuts=CUTS)
@example(before="{유저}", text="야 왔어", cuts=[1])
@example(before="안녕, {유저}" + "가" * 70, text="{유저}는", cuts=[1, 2])
def test_a_text_goes_on_behind_what_was_shown(before, text, cuts):
    """What comes is what the whole has more than was shown."""
    before, text = normalise(before), normalise(text)
    if normalise(before + text) != before + text or not fill(before + text).startswith(
        fill(before)
    ):
        return  # the joint itself changes what was shown, which nobody can take back
    said = "".join(fill_stream(in_pieces(text, cuts), fill, before=before))
    assert fill(before) + said == fill(before + text)


@pytest.mark.parametrize(
    ("piece", "given_at_once"),
    [
        ("응, 그래.", "응, 그래."),
        ("하나", "하"),
        ("안녕 {유", "안녕 "),
        ("안녕 {유저}", "안녕 "),
        ("안녕 {유저}는", "안녕 "),
        ("안녕 {유저}는 ", "안녕 지은이는 "),
        ("집합 {1, 2", "집합 {1, 2"),
        ("*{유저}가방을", "*"),
    ],
)
def test_what_nothing_can_change_is_given_at_once(piece, given_at_once):
    """Only a letter that may be joined, and a name with its particle, wait."""
    assert NameStream(fill).feed(piece) == given_at_once


def test_every_particle_is_made_of_the_letters_that_are_waited_for():
    """Hangul, brackets and a stroke, twelve at most."""
    forms = {*written_forms(), *words("invariant")}
    assert [form for form in forms if not re.fullmatch(r"[가-힣()/]{1,12}", form)] == []


def test_letters_that_end_a_piece_at_once_are_joined_to_nothing():
    """Not one of them begins a composed letter of Unicode."""
    joined = {
        unicodedata.normalize("NFC", chr(code))[:1]
        for code in range(0x110000)
        if len(unicodedata.normalize("NFD", chr(code))) > 1
    }
    firsts = {unicodedata.normalize("NFD", letter)[0] for letter in joined}
    pairs = {unicodedata.normalize("NFD", letter)[:1] for letter in joined} | firsts
    early = [letter for letter in map(chr, range(32, 0x3000)) if NameStream(fill).feed(letter)]
    assert sorted(pairs & set(early)) == []
    assert " " in early


def test_a_fault_does_not_swallow_what_was_kept_back():
    """The letters that came are shown before it is told."""

    def broken():
        yield "안녕, {유저"
        raise ModelError("끊김")

    pieces = fill_stream(broken(), fill)
    assert next(pieces) + next(pieces) == "안녕, {유저"
    with pytest.raises(ModelError):
        next(pieces)


@given(pieces=st.lists(st.text(alphabet="가 \n.", max_size=4)), front=st.sampled_from(["", " "]))
def test_a_text_begins_with_its_first_letter(pieces, front):
    """Blanks before it go, those within stay; a text of blanks is nothing at all."""
    text = "".join(pieces).lstrip()
    assert "".join(from_first_letter(pieces, front=front)) == (front + text if text else "")
