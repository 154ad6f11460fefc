"""How a run goes, in counts and in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.dialogue.records import Slot
from exagirl.dialogue.tally import LEAST_SEEN, Tally, clock

TOPICS = ("daily", "study", "jokes")


def slots(topic, count, subset="exa-data"):
    """What is owed of a topic."""
    return [
        Slot(subset=subset, topic=topic, index=n, phrase="이야기", turns=2) for n in range(count)
    ]


def judged(accepted, refused, topic="daily"):
    """A tally after so many verdicts on one topic of two."""
    owed = slots(topic, accepted + refused + 1)
    tally = Tally([*owed, *slots("study", 1)], {})
    for slot in owed[:accepted]:
        tally.accept(slot)
    for slot in owed[:refused]:
        tally.refuse(slot)
    return tally


@given(
    accepted=st.integers(0, 60), refused=st.integers(0, 60), min_yield=st.sampled_from([0.1, 0.5])
)
def test_a_topic_is_poor_when_enough_was_seen_and_too_little_accepted(accepted, refused, min_yield):
    """Neither a few unlucky replies nor a share at the limit stop a run."""
    seen = accepted + refused
    is_poor = seen >= LEAST_SEEN and accepted < min_yield * seen
    found = judged(accepted, refused).poor_topic(min_yield)
    assert found == ("daily" if is_poor else None)


def test_a_limit_of_zero_is_never_too_high():
    """Who sets it wants to go on."""
    assert judged(0, 10 * LEAST_SEEN).poor_topic(0.0) is None


def test_what_was_there_before_says_nothing_about_this_run():
    """A teacher that became worse is noticed although its topic was nearly full."""
    owed = slots("daily", 500)
    tally = Tally(owed, {})
    for slot in owed[:400]:
        tally.was_there(slot)
    for slot in owed[:LEAST_SEEN]:
        tally.refuse(slot)
    assert tally.poor_topic(0.1) == "daily"


def test_topics_of_two_subsets_are_counted_apart():
    """The same name in another subset is another topic."""
    one, other = slots("daily", LEAST_SEEN), slots("daily", LEAST_SEEN, subset="more")
    tally = Tally([*one, *other], {})
    for slot in [*one[:-1], *other[:-1]]:
        tally.refuse(slot)
    assert tally.poor_topic(0.5) is None


@given(st.lists(st.tuples(st.sampled_from(TOPICS), st.sampled_from("awr")), max_size=40))
def test_lines_add_up_to_what_happened(steps):
    """Each topic has its quota, what is filled, and what was refused, in the order of the plan."""
    owed = {topic: slots(topic, 50) for topic in TOPICS}
    tally = Tally([slot for topic in TOPICS for slot in owed[topic]], {"daily": "일상 대화"})
    does = {"a": tally.accept, "w": tally.was_there, "r": tally.refuse}
    for topic, step in steps:
        does[step](owed[topic][0])
    for topic, line in zip(TOPICS, tally.lines(), strict=True):
        filled = sum(step in "aw" for name, step in steps if name == topic)
        refused = sum(step == "r" for name, step in steps if name == topic)
        assert line.label == {"daily": "일상 대화"}.get(topic, topic)
        assert (line.done, line.total) == (filled, 50)
        assert line.note == (f"버림 {refused}" if refused else "")
    assert tally.accepted == sum(step in "aw" for _, step in steps)


def test_the_summary_foretells_the_bill():
    """A quarter of the work for a dollar: four dollars in all, as far as this run pays."""
    owed = slots("daily", 10)
    tally = Tally(owed, {})
    tally.was_there(owed[0])
    tally.was_there(owed[1])
    for slot in owed[2:4]:
        tally.accept(slot)
        tally.paid(0.5)
    assert "4/10편" in tally.summary()
    assert "$1.00" in tally.summary()
    assert "모두 $4.00 예상" in tally.summary()


def test_a_free_teacher_has_no_bill():
    """Nothing is said about money where none is paid."""
    tally = judged(3, 0)
    tally.paid(0.0)
    assert "$" not in tally.summary()


def test_no_time_is_foretold_from_nothing():
    """Before anything was accepted nobody knows; after the last slot nothing is left."""
    owed = slots("daily", 2)
    tally = Tally(owed, {})
    assert "남음" not in tally.summary()
    tally.accept(owed[0])
    assert "남음" in tally.summary()
    tally.accept(owed[1])
    assert "남음" not in tally.summary()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0초"),
        (59.4, "59초"),
        (59.6, "1분 00초"),
        (61, "1분 01초"),
        (3599.7, "1시간 00분"),
        (90061, "25시간 01분"),
    ],
)
def test_a_length_of_time_is_told_in_two_units_at_most(seconds, words):
    """Hours and minutes, minutes and seconds, or seconds."""
    assert clock(seconds) == words


def test_a_first_refusal_counts_when_the_second_reply_is_there():
    """Two hundred first replies of two hundred slots say nothing of what telling the fault does."""
    owed = slots("daily", 2 * LEAST_SEEN)
    tally = Tally(owed, {})
    for slot in owed:
        tally.refuse(slot, is_pending=True)
    assert tally.poor_topic(0.1) is None
    for slot in owed:
        tally.accept(slot)
    assert tally.poor_topic(0.4) is None
    assert tally.poor_topic(0.6) == "daily"
