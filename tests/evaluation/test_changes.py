"""What changed: paired where it can be, and which way is better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.evaluation.changes import apart, find_changes
from exagirl.evaluation.intervals import wilson
from exagirl.evaluation.scores import Measure, ModelScores

SHARES = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def measure(value, low=None, high=None, better="higher", **more):
    """A measure with an interval."""
    return Measure(
        name="level",
        layer="rules",
        unit="share",
        better=better,
        value=value,
        low=low,
        high=high,
        **more,
    )


def model(one, name="tuned"):
    """A model with one measure, or none."""
    measures = () if one is None else (one,)
    return ModelScores(name=name, label=name, digest=name, measures=measures)


def change(ours, theirs, *values):
    """The one change."""
    [found] = find_changes(model(ours), model(theirs, "base"), values or ({}, {}), seed=7)
    return found


def of_share(hits, total):
    """A share as a measure."""
    share = wilson(hits, total)
    return measure(share.value, share.low, share.high, count=total)


def test_more_of_what_should_be_high_is_better():
    """The interval of the difference lies above 0."""
    found = change(measure(0.9, 0.85, 0.95), measure(0.2, 0.1, 0.3))
    assert found.verdict == "better"
    assert found.difference == pytest.approx(0.7)
    assert 0 < found.low < 0.7 < found.high


def test_more_of_what_should_be_low_is_worse():
    """Bits a character, say."""
    found = change(measure(3.0, 2.9, 3.1, better="lower"), measure(2.0, 1.9, 2.1, better="lower"))
    assert found.verdict == "worse"


def test_an_interval_that_holds_0_is_no_change():
    """However the numbers look."""
    assert change(measure(0.6, 0.4, 0.8), measure(0.5, 0.3, 0.7)).verdict == "same"


@pytest.mark.parametrize("other", [None, measure(None, note="없음"), measure(0.5)])
def test_a_measure_that_one_side_lacks_is_unknown(other):
    """It is said, not left out."""
    found = change(measure(0.9, 0.8, 1.0), other)
    assert (found.name, found.verdict) == ("level", "unknown")
    assert change(other, measure(0.9, 0.8, 1.0)).verdict == "unknown"


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [(0.7, 0.1, "better"), (0.1, 0.7, "worse"), (0.99, 0.1, "better"), (0.6, 0.9, "same")],
)
def test_of_a_range_the_nearer_is_better(ours, theirs, verdict):
    """Within the character's own range both are right."""
    sides = [
        measure(value, value - 0.01, value + 0.01, better="range", reference=(0.5, 0.95))
        for value in (ours, theirs)
    ]
    assert change(*sides).verdict == verdict


def test_a_range_that_nobody_knows_gives_no_verdict():
    """There is nothing to be near to."""
    sides = [measure(v, v - 0.01, v + 0.01, better="range") for v in (0.2, 0.8)]
    assert change(*sides).verdict == "unknown"


def test_the_same_scenarios_are_compared_in_pairs():
    """Scenarios that are hard for both no longer blur the difference."""
    ours = {f"s{n}": [n / 10 + 0.05] for n in range(10)}
    theirs = {f"s{n}": [n / 10] for n in range(10)}
    wide = change(measure(0.5, 0.3, 0.7), measure(0.45, 0.25, 0.65))
    paired = change(
        measure(0.5, 0.3, 0.7), measure(0.45, 0.25, 0.65), {"level": ours}, {"level": theirs}
    )
    assert wide.verdict == "same"
    assert paired.verdict == "better"
    assert paired.low == pytest.approx(0.05)


def test_other_scenarios_are_compared_apart():
    """Pairs that are not there are not made up."""
    ours, theirs = {"a": [1.0], "b": [0.0]}, {"a": [1.0], "c": [0.0]}
    sides = measure(0.5, 0.3, 0.7), measure(0.4, 0.2, 0.6)
    assert change(*sides, {"level": ours}, {"level": theirs}) == change(*sides)


def test_newcombes_interval_of_a_published_case():
    """56 of 70 against 48 of 80: 0.2000 (0.0524, 0.3339), method 10 of Newcombe 1998, table II."""
    found = apart(of_share(56, 70), of_share(48, 80))
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


@given(SHARES, SHARES)
def test_swapping_the_sides_turns_the_difference_round(one, other):
    """What is gained one way is lost the other way."""
    forth, back = apart(of_share(*one), of_share(*other)), apart(of_share(*other), of_share(*one))
    assert forth.value == pytest.approx(-back.value)
    assert (forth.low, forth.high) == (pytest.approx(-back.high), pytest.approx(-back.low))
    assert forth.low <= forth.value <= forth.high
