"""Means and differences whose intervals resample whole scenarios."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.evaluation.intervals import bootstrap_difference, bootstrap_mean

SCENARIOS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3),
    st.lists(st.floats(-100, 100), max_size=5),
    max_size=8,
)


@given(SCENARIOS)
def test_a_mean_and_its_interval_lie_between_the_smallest_and_the_largest_value(values):
    """A resample holds nothing but what was measured."""
    interval = bootstrap_mean(values, seed=1, draws=50)
    every = [value for some in values.values() for value in some]
    assert interval.count == len(every)
    if not every:
        assert interval.value is None
        return
    assert interval.value == pytest.approx(np.mean(every), abs=1e-9)
    if interval.low is not None:
        assert min(every) - 1e-9 <= interval.low <= interval.high <= max(every) + 1e-9


def test_the_same_seed_gives_the_same_interval():
    """And another one gives another."""
    values = {f"s{n}": [float(n % 7), float(n % 3)] for n in range(30)}
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_values_of_one_scenario_do_not_make_the_interval_narrower():
    """Ten copies of a value within a scenario are one observation, not ten."""
    once = {f"s{n}": [float(n % 5)] for n in range(20)}
    often = {name: values * 10 for name, values in once.items()}
    one, ten = bootstrap_mean(once, seed=5), bootstrap_mean(often, seed=5)
    assert (one.low, one.high) == (ten.low, ten.high)
    assert (one.count, ten.count) == (20, 200)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    """200 independent scenarios of a standard normal: ± 1.96 / √200, to a tenth."""
    drawn = np.random.default_rng(0).standard_normal(200)
    interval = bootstrap_mean({str(n): [x] for n, x in enumerate(drawn)}, seed=0)
    expected = 2 * 1.96 * drawn.std() / np.sqrt(200)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.1)


def test_a_single_scenario_has_no_interval():
    """Nothing is left to resample; the mean stands alone."""
    interval = bootstrap_mean({"one": [1.0, 2.0]}, seed=0)
    assert (interval.value, interval.low, interval.high, interval.scenarios) == (1.5, None, None, 1)


def test_a_difference_pairs_what_is_hard_for_both():
    """Scenarios differ widely, the gain is the same in each: the interval is narrow."""
    theirs = {f"s{n}": [float(n)] for n in range(50)}
    ours = {name: [value + 1.0] for name, (value,) in theirs.items()}
    difference = bootstrap_difference(ours, theirs, seed=2)
    assert difference.value == pytest.approx(1.0)
    assert difference.low == pytest.approx(1.0)
    assert difference.high == pytest.approx(1.0)


@given(SCENARIOS, SCENARIOS)
def test_a_difference_turns_its_sign_with_its_sides(ours, theirs):
    """Theirs minus ours is ours minus theirs, turned round."""
    one = bootstrap_difference(ours, theirs, seed=9, draws=50)
    common = {name for name in ours if ours[name] and theirs.get(name)}
    other = bootstrap_difference(
        {name: theirs[name] for name in ours if name in common},
        {name: ours[name] for name in common},
        seed=9,
        draws=50,
    )
    assert one.scenarios == other.scenarios == len(common)
    if one.value is None:
        assert not common
        return
    assert one.value == pytest.approx(-other.value, abs=1e-9)
    if one.low is not None:
        assert one.low == pytest.approx(-other.high, abs=1e-9)


def test_a_difference_counts_common_scenarios_alone():
    """A scenario that one side lacks is no part of it."""
    difference = bootstrap_difference({"a": [1.0], "b": [9.0]}, {"a": [0.0]}, seed=0)
    assert (difference.value, difference.count, difference.scenarios) == (1.0, 1, 1)
