"""Win rates at equal length, and strengths of many models."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.evaluation.judging.rating import Pair, length_controlled, rank

VALUES = st.sampled_from([0.0, 0.5, 1.0])
PAIRS = st.lists(st.tuples(VALUES, st.integers(-300, 300)), min_size=1, max_size=20)


def pairs_of(rows, one="a", other="b"):
    """A scenario for each row of value and difference of length."""
    return [Pair(f"s{at}", one, other, value, longer) for at, (value, longer) in enumerate(rows)]


@given(PAIRS)
@settings(deadline=None, max_examples=40)
def test_the_other_way_round_is_one_minus_the_rate(rows):
    """Whatever the lengths."""
    forth = length_controlled(pairs_of(rows), seed=1, draws=20)
    back = length_controlled(pairs_of([(1 - value, -d) for value, d in rows]), seed=1, draws=20)
    assert forth.value == pytest.approx(1 - back.value, abs=1e-6)


@given(PAIRS)
@settings(deadline=None, max_examples=40)
def test_the_rate_is_a_share_within_its_interval(rows):
    """Finite for any outcome, one-sided ones too."""
    found = length_controlled(pairs_of(rows), seed=1, draws=50)
    assert 0 < found.value < 1
    if found.low is not None:
        assert 0 <= found.low <= found.high <= 1


def test_wins_by_length_alone_are_worth_nothing():
    """The longer one wins four times in five, and the one is longer in three of four."""
    longer = [(1.0, 100)] * 24 + [(0.0, 100)] * 6
    shorter = [(1.0, -100)] * 2 + [(0.0, -100)] * 8
    rows = longer + shorter
    assert sum(value for value, _ in rows) / len(rows) == 0.65
    found = length_controlled(pairs_of(rows), seed=1)
    assert found.value == pytest.approx(0.5, abs=0.03)
    assert found.low < 0.5 < found.high


def test_wins_at_equal_length_stay():
    """Without a difference of length the rate is the plain one."""
    found = length_controlled(pairs_of([(1.0, 0)] * 30 + [(0.0, 0)] * 10), seed=1)
    assert found.value == pytest.approx(0.75, abs=0.01)


def test_no_pairs_are_no_rate():
    """The note says why."""
    found = length_controlled([], seed=1)
    assert found.value is None
    assert found.note


def test_one_scenario_has_no_interval():
    """There is nothing to resample."""
    found = length_controlled(pairs_of([(1.0, 5)]), seed=1)
    assert found.value > 0.5
    assert found.low is None
    assert found.note


def test_strengths_follow_the_wins():
    """The one that beats everybody comes first, with an interval around its strength."""
    pairs = [
        *pairs_of([(1.0, 0)] * 8 + [(0.0, 0)] * 2, "a", "b"),
        *pairs_of([(1.0, 0)] * 8 + [(0.0, 0)] * 2, "b", "c"),
        *pairs_of([(1.0, 0)] * 9 + [(0.0, 0)], "a", "c"),
    ]
    ranking = rank(["c", "a", "b"], pairs, seed=1, draws=50)
    assert ranking.names == ("a", "b", "c")
    for one in ranking.strengths:
        assert one.low <= one.value <= one.high
        assert one.count == 20


def test_a_model_that_never_loses_has_a_finite_strength():
    """And one that never wins too."""
    pairs = [*pairs_of([(1.0, 0)] * 5, "a", "b"), *pairs_of([(1.0, 0)] * 5, "b", "c")]
    ranking = rank(["a", "b", "c"], pairs, seed=1, draws=20)
    assert all(abs(one.value) < 10 for one in ranking.strengths)


def test_a_model_that_was_never_judged_has_no_rank():
    """Nothing is made up for it."""
    assert rank(["a", "b", "c"], pairs_of([(1.0, 0)], "a", "b"), seed=1) is None


def test_three_equal_models_have_equal_strengths():
    """All ties."""
    ties = [(0.5, 0)] * 3
    pairs = [*pairs_of(ties, "a", "b"), *pairs_of(ties, "b", "c"), *pairs_of(ties, "a", "c")]
    ranking = rank(["a", "b", "c"], pairs, seed=1, draws=10)
    assert [one.value for one in ranking.strengths] == pytest.approx([0, 0, 0], abs=1e-5)
