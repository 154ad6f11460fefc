"""No budget is overrun, whatever is in flight and whatever it turns out to cost."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from exagirl.dialogue.journal import Spent
from exagirl.dialogue.purse import Purse

CENT = 0.01
NEARLY = 1e-9


@st.composite
def requests(draw):
    """What a request may cost at most, in cents; what it costs, None where no reply comes."""
    most = draw(st.integers(0, 50))
    return most, draw(st.none() | st.integers(0, most)), draw(st.integers(0, 3))


def spent(attempts=0, dollars=0.0):
    """What a journal has taken."""
    return Spent(attempts, dollars, 0, 0)


async def send(purse, most, cost, turns, seen):
    """One request through a purse; True where it was sent."""
    if not await purse.reserve(most * CENT):
        return False
    seen["in_flight"] += 1
    seen["reserved"] += most
    seen["most_attempts"] = max(seen["most_attempts"], purse.attempts + seen["in_flight"])
    seen["most_cents"] = max(seen["most_cents"], purse.dollars / CENT + seen["reserved"])
    for _ in range(turns):
        await asyncio.sleep(0)
    seen["in_flight"] -= 1
    seen["reserved"] -= most
    if cost is None:
        await purse.give_back(most * CENT)
    else:
        await purse.pay(most * CENT, cost * CENT)
    return True


def send_all(purse, asked):
    """Send requests at once; what was sent, and how full the purse became."""
    seen = dict.fromkeys(("in_flight", "reserved", "most_attempts", "most_cents"), 0)

    async def work():
        return await asyncio.gather(*(send(purse, *request, seen) for request in asked))

    return asyncio.run(work()), seen


@given(
    asked=st.lists(requests(), max_size=30),
    before=st.integers(0, 10),
    max_attempts=st.none() | st.integers(1, 20),
    max_cents=st.none() | st.integers(1, 300),
)
def test_no_budget_is_overrun_at_any_moment(asked, before, max_attempts, max_cents):
    """What was paid and what is in flight fit into both budgets together, and everybody ends."""
    max_dollars = None if max_cents is None else max_cents * CENT
    purse = Purse(spent(before, before * CENT), max_attempts, max_dollars)
    sent, seen = send_all(purse, asked)
    if max_attempts is not None:
        assert seen["most_attempts"] <= max_attempts
    if max_cents is not None:
        assert seen["most_cents"] <= max_cents + NEARLY
    paid = [cost for was_sent, (_, cost, _) in zip(sent, asked, strict=True) if was_sent]
    assert purse.attempts == before + sum(cost is not None for cost in paid)


@given(asked=st.lists(requests(), max_size=30))
def test_without_budgets_everything_is_sent(asked):
    """Nobody is held up where the recipe sets no limit."""
    sent, _ = send_all(Purse(spent(), None, None), asked)
    assert all(sent)


@given(asked=st.lists(requests(), max_size=30), max_attempts=st.integers(1, 20))
def test_a_request_is_refused_only_when_the_budget_is_spent(asked, max_attempts):
    """Who waited for one in flight takes the place of what came back without a reply."""
    purse = Purse(spent(), max_attempts, None)
    sent, _ = send_all(purse, asked)
    assert all(sent) or purse.attempts == max_attempts


def test_a_spent_purse_refuses_at_once():
    """What the journal has cost before counts."""
    sent, _ = send_all(Purse(spent(attempts=5), 5, None), [(0, 0, 0)])
    assert sent == [False]


def test_a_larger_budget_goes_on():
    """The same journal under a raised limit has room for the difference."""
    sent, _ = send_all(Purse(spent(attempts=5), 7, None), [(0, 0, 0)] * 4)
    assert sum(sent) == 2


def test_what_turned_out_cheap_makes_room():
    """Money set aside for a long reply is there for the next request when the reply was short."""
    sent, _ = send_all(Purse(spent(), None, 1.0), [(60, 1, 1)] * 20)
    assert all(sent)


def test_what_never_fits_is_refused():
    """A request that may cost more than the whole budget is not sent."""
    sent, _ = send_all(Purse(spent(), None, 1.0), [(101, 0, 0)])
    assert sent == [False]


def test_a_worker_that_is_called_off_while_it_waits_takes_nothing():
    """Its place is there for the others."""

    async def work():
        purse = Purse(spent(), 1, None)
        assert await purse.reserve(0.0)
        waiting = asyncio.create_task(purse.reserve(0.0))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await purse.give_back(0.0)
        return await purse.reserve(0.0)

    assert asyncio.run(work())
