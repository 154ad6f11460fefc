"""Krippendorff's α against the worked examples that its author published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.evaluation.votes.agreement import krippendorff_alpha


def _units(*rows):
    """The values of each unit, from a row of letters for each observer; a dot is missing."""
    return [[value for value in column if value != "."] for column in zip(*rows, strict=True)]


@pytest.mark.parametrize(
    ("rows", "alpha"),
    [
        # K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), sections A, B and C.
        (["0100000010", "1110010000"], 0.095),
        (["aabbdcccedda", "babbbcccEddd".lower()], 0.692),
        (["123321412...", "1233224125.3", ".3332342251.", "1233244125" + "1."], 0.743),
    ],
)
def test_the_published_examples_come_out(rows, alpha):
    """Two values, nominal values, and four observers with values missing."""
    assert krippendorff_alpha(_units(*rows)) == pytest.approx(alpha, abs=5e-4)


def test_full_agreement_is_one():
    """With more than one value in use."""
    assert krippendorff_alpha(["aaa", "bbb", "aa"]) == pytest.approx(1.0)


def test_steady_disagreement_is_below_zero():
    """Worse than chance."""
    assert krippendorff_alpha(["ab", "ba", "ab"]) < 0


@pytest.mark.parametrize("units", [[], ["a", "b"], ["aa", "aaa"], ["", ""]])
def test_where_chance_cannot_be_told_there_is_none(units):
    """Nobody judged the same, or all gave the same one value."""
    assert krippendorff_alpha(units) is None


@given(st.lists(st.lists(st.sampled_from("wtl"), max_size=5), max_size=8), st.randoms())
def test_the_order_of_people_and_pairs_is_nothing(units, dice):
    """α is of the values alone, and never above 1."""
    alpha = krippendorff_alpha(units)
    shuffled = [dice.sample(unit, len(unit)) for unit in units]
    dice.shuffle(shuffled)
    again = krippendorff_alpha(shuffled)
    assert (alpha is None) == (again is None)
    assert alpha is None or (again == pytest.approx(alpha) and alpha <= 1 + 1e-9)
