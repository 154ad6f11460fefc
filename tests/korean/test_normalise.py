"""One spelling for every text."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.korean.normalise import is_normal, normalise, normalise_with_map

_ANY = st.text(alphabet=st.characters(), max_size=60)
_NASTY = st.text(
    alphabet=st.sampled_from(
        "가각ᄀ\u1161\u11a8\u0301a\u200b\u200d\u200e\ufeff\ud800😀\ufe0f\r\n \u3000é\ufffd"
    ),
    max_size=30,
)


@settings(deadline=None)
@given(_ANY | _NASTY)
def test_normalising_twice_changes_nothing(text):
    """The result is composed, visible and whole."""
    once = normalise(text)
    assert normalise(once) == once
    assert is_normal(once)
    assert unicodedata.is_normalized("NFC", once)
    once.encode("utf-8")


@settings(deadline=None)
@given(_ANY | _NASTY)
def test_every_character_knows_where_it_came_from(text):
    """Places rise and stay within the given text."""
    normal = normalise_with_map(text)
    if normal.origins is not None:
        assert len(normal.origins) == len(normal.text) + 1
        assert normal.origins == sorted(normal.origins)
        assert all(0 <= place <= len(text) for place in normal.origins)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (unicodedata.normalize("NFD", "한국어 각하"), "한국어 각하"),
        ("안\u200b녕\ufeff", "안녕"),
        ("\u200f안녕\u202e", "안녕"),
        ("안녕\ud83d", "안녕"),
        ("안녕\r\n그래\r", "안녕\n그래\n"),
        ("안\u00a0녕\u3000", "안 녕 "),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("안\u200d녕", "안녕"),
        ("평범한 말", "평범한 말"),
    ],
)
def test_odd_characters_are_put_right(text, expected):
    """Joiners stay inside emoji only."""
    assert normalise(text) == expected


def test_places_lead_back_to_the_given_text():
    """A syllable of three jamo is one character with a place of three."""
    given_text = unicodedata.normalize("NFD", "각하")
    normal = normalise_with_map(given_text)
    assert normal.span(1, 2, len(given_text)) == (3, 5)
