"""Whose turn it is, and what may be said before a stop string is whole."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chat.server.faults import ApiFault
from exagirl.chat.server.queue import FairQueue
from exagirl.chat.server.stops import StopFinder


def order_of(clients, slots=1):
    """In which order requests that came in one moment are let in."""

    async def run():
        queue, let_in = FairQueue(slots, 100), []

        async def ask(number, client):
            async with queue.slot(client):
                let_in.append((client, number))
                await asyncio.sleep(0.001)

        await asyncio.gather(*(ask(*one) for one in enumerate(clients)))
        assert queue.running == queue.waiting == 0
        return let_in

    return asyncio.run(run())


def test_clients_are_served_in_turn_and_each_in_its_own_order():
    """Round by round."""
    assert order_of("aaaabbc") == [
        *[("a", 0), ("a", 1), ("b", 4), ("c", 6), ("a", 2), ("b", 5), ("a", 3)]
    ]


@given(clients=st.text("abc", max_size=12), slots=st.integers(1, 4))
def test_all_are_served_once(clients, slots):
    """Nobody is lost, nobody twice, and of one client the first comes first."""
    served = order_of(clients, slots)
    assert sorted(number for _, number in served) == list(range(len(clients)))
    for client in set(clients):
        own = [number for name, number in served if name == client]
        assert own == sorted(own)


@given(leaving=st.sets(st.integers(0, 7)), slots=st.integers(1, 3))
def test_who_gives_up_takes_no_slot_along(leaving, slots):
    """Whether it waits or runs; afterwards all slots are free."""

    async def run():
        queue, served = FairQueue(slots, 100), []

        async def ask(number):
            async with queue.slot(str(number % 2)):
                await asyncio.sleep(0.001)
                served.append(number)

        tasks = [asyncio.create_task(ask(number)) for number in range(8)]
        await asyncio.sleep(0)
        for number in leaving:
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert queue.running == queue.waiting == 0
        assert sorted(served) == [number for number in range(8) if number not in leaving]

    asyncio.run(run())


def test_a_closed_queue_refuses_who_waits_and_who_comes():
    """Who was let in stays."""

    async def run():
        queue = FairQueue(1, 100)

        async def ask():
            async with queue.slot("a"):
                return "served"

        async with queue.slot("a"):
            waiting = asyncio.create_task(ask())
            await asyncio.sleep(0)
            queue.close()
            for one in (waiting, asyncio.create_task(ask())):
                with pytest.raises(ApiFault) as caught:
                    await one
                assert caught.value.status == 503
            assert queue.running == 1

    asyncio.run(run())


@given(text=st.text("abc", max_size=30), stops=st.lists(st.text("abc", min_size=1), max_size=3))
def test_a_text_ends_before_the_first_stop_string_however_it_comes(text, stops):
    """Letter by letter the same as in one piece."""
    finder = StopFinder(stops)
    said = ""
    for letter in text:
        said += finder.feed(letter)
        if finder.is_found:
            break
    else:
        said += finder.end()
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    if not ends:
        assert said == text
    elif all(len(stop) == len(stops[0]) for stop in stops):
        assert said == text[: min(ends)]
    else:  # a longer string that begins earlier may be whole later than a shorter one
        assert text.startswith(said)
        assert not any(stop in said for stop in stops)
