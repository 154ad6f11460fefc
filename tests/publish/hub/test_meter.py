"""How the bytes of an upload are told."""

from hypothesis import given
from hypothesis import strategies as st

from exagirl.publish.hub.meter import STEP_BYTES, Meter
from support.hub_driver import Listener

SIZES = st.integers(min_value=0, max_value=10 * STEP_BYTES)


@given(SIZES, st.lists(st.integers(min_value=0, max_value=12 * STEP_BYTES)))
def test_a_file_counts_its_size_however_often_it_was_sent(size, positions):
    """Bytes sent again after a cut move nothing, and what the hub had already is added."""
    listener = Listener()
    meter = Meter(listener)
    meter.begin("file", size)
    for position in positions:
        meter.sent("url", position)
    assert listener.advanced <= size
    meter.end()
    assert listener.advanced == size


def test_parts_of_a_file_add_up():
    """Each part has an address of its own."""
    listener = Listener()
    meter = Meter(listener)
    meter.begin("file", 5 * STEP_BYTES)
    meter.sent("part 1", 2 * STEP_BYTES)
    meter.sent("part 2", 2 * STEP_BYTES)
    assert listener.advanced == 4 * STEP_BYTES


def test_files_follow_each_other():
    """The second file begins at nothing."""
    listener = Listener()
    meter = Meter(listener)
    for size in (STEP_BYTES, 3):
        meter.begin("file", size)
        meter.sent("url", size)
        meter.end()
    assert listener.advanced == STEP_BYTES + 3
