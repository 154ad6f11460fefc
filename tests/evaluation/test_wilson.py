"""Wilson's interval of a share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.evaluation.intervals import wilson


def test_wilsons_interval_of_a_known_case():
    """8 of 10: (0.490, 0.943), as tabulated."""
    share = wilson(8, 10)
    assert (round(share.low, 3), round(share.high, 3)) == (0.490, 0.943)


@given(st.integers(0, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share(pair):
    """0 ≤ low ≤ share ≤ high ≤ 1."""
    share = wilson(*pair)
    assert 0 <= share.low <= share.high <= 1
    if share.total:
        assert share.low - 1e-9 <= share.value <= share.high + 1e-9


def test_more_hits_than_trials_is_refused():
    """A count that cannot be is an error, not a number."""
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)
