"""Names with the right particle."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.korean.particle_pairs import written_forms
from exagirl.korean.particles import attach, fill_placeholders
from exagirl.korean.reading import reading_final
from exagirl.korean.syllables import FIRST_SYLLABLE, LAST_SYLLABLE, final_of

_TABLE = [
    line.split("\t")
    for line in (Path(__file__).parent / "data" / "particles.tsv")
    .read_text(encoding="utf-8")
    .splitlines()[1:]
]
_SYLLABLES = [chr(code) for code in range(FIRST_SYLLABLE, LAST_SYLLABLE + 1)]
_PAIRS = [
    ("을", "를"),
    ("이", "가"),
    ("은", "는"),
    ("과", "와"),
    ("아", "야"),
    ("이랑", "랑"),
    ("이나", "나"),
]
_NAMES = st.text(alphabet=st.sampled_from(_SYLLABLES), min_size=1, max_size=4)


def test_the_table_of_forms_is_filled_right():
    """Every form of the table; 99 % of at least 200 is the bar, all of them is what holds."""
    assert len(_TABLE) >= 200
    wrong = [
        (template, name, filled)
        for template, name, expected, intimate in _TABLE
        if (filled := fill_placeholders(template, name, "엑사", intimate=bool(intimate)))
        != expected
    ]
    assert wrong == []


@pytest.mark.parametrize(("consonant", "vowel"), _PAIRS)
def test_particles_agree_with_every_syllable(consonant, vowel):
    """All 11,172 syllables, whichever form the template wrote."""
    for syllable in _SYLLABLES:
        expected = syllable + (consonant if final_of(syllable) else vowel)
        assert attach(syllable, consonant) == attach(syllable, vowel) == expected


def test_the_particle_of_direction_treats_rieul_as_a_vowel():
    """서울로, not 서울으로; all 11,172 syllables."""
    for syllable in _SYLLABLES:
        expected = "로" if final_of(syllable) in ("", "ㄹ") else "으로"
        assert attach(syllable, "으로") == syllable + expected


def test_particles_agree_with_korean_glue_over_all_syllables():
    """An independent library says the same of Hangul."""
    glue = pytest.importorskip("korean_glue", reason="korean-glue, the oracle, is not installed")
    for consonant, vowel in [*_PAIRS, ("으로", "로")]:
        for syllable in _SYLLABLES:
            assert attach(syllable, vowel) == glue.attach(syllable, f"{consonant}/{vowel}")


@settings(deadline=None)
@given(_NAMES, st.sampled_from(sorted(written_forms())))
def test_filling_agrees_with_attaching(name, form):
    """A placeholder with a particle is the name with that particle."""
    assert fill_placeholders(f"{{유저}}{form}", name) == attach(name, form)


@settings(deadline=None)
@given(_NAMES, st.sampled_from(sorted(written_forms())))
def test_filling_twice_changes_nothing(name, form):
    """What is filled holds no placeholder any more."""
    once = fill_placeholders(f"{{유저}}{form} {{{{char}}}}", name)
    assert fill_placeholders(once, "다른이름") == once


@settings(deadline=None)
@given(_NAMES, st.text(alphabet=st.sampled_from(_SYLLABLES), min_size=4, max_size=6))
def test_words_after_a_placeholder_are_never_cut(name, word):
    """A name and a longer word that is no particle stay side by side."""
    filled = fill_placeholders(f"{{{{user}}}}{word}", name)
    if not word.startswith(
        ("이", "으", "였", "야", "아", "라", "로", "랑", "와", "과", "은", "는")
    ):
        assert filled.startswith(name)
        assert filled.endswith(word[1:])


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=8), st.text(max_size=8))
def test_any_text_and_any_names_get_an_answer(text, user, character):
    """Names may hold anything; nothing raises, and no placeholder is filled twice."""
    fill_placeholders(text + "{유저}이(가) {{char}}은(는)", user, character)


def test_a_name_may_look_like_a_placeholder_or_a_group():
    r"""Names are put in as they are: no \1, no second filling."""
    assert fill_placeholders("{유저} 왔어", r"\1{캐릭터}", "엑사") == r"\1{캐릭터} 왔어"


def test_names_in_decomposed_hangul_are_composed_and_read():
    """NFD names from macOS."""
    assert fill_placeholders("{유저}가", unicodedata.normalize("NFD", "지은")) == "지은이"


def test_text_without_placeholders_stays():
    """Nothing but the names changes."""
    assert fill_placeholders("나는 {사과}를 먹었어. {") == "나는 {사과}를 먹었어. {"


@pytest.mark.parametrize(
    ("name", "particle", "expected"),
    [
        ("지은", "야", "지은아"),
        ("지은", "이야", "지은이야"),
        ("엑사", "이야", "엑사야"),
        ("엑사", "이었어/였어", "엑사였어"),
        ("민준", "였는데", "민준이었는데"),
        ("엑사", "(으)로", "엑사로"),
        ("엑사", "한테", "엑사한테"),
        ("", "을", "을"),
    ],
)
def test_attaching_takes_either_form(name, particle, expected):
    """야 calls, 이야 states; particles of one form are added as they are."""
    assert attach(name, particle) == expected


@pytest.mark.parametrize(
    ("name", "final"),
    [
        ("10", "ㅂ"),
        ("1,000", "ㄴ"),
        ("3.0", "ㅇ"),
        ("Tom", "ㅁ"),
        ("Mike", ""),
        ("李", ""),
        ("朴", "ㄱ"),
        ("엑사(EXA)", ""),
        ("(민준)", "ㄴ"),
        ("😀", None),
        ("", None),
        ("さん", "ㄴ"),
        ("민준😀", "ㄴ"),
    ],
)
def test_names_end_as_they_are_read(name, final):
    """Digits, Latin letters, Hanja, Kana, brackets and emoji."""
    assert reading_final(name) == final
