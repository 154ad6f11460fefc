"""A request goes through a line that may fail, within budgets that are never overrun."""

import asyncio
import time
from threading import Condition, Event

import pytest

from exagirl.dialogue.journal import open_journal
from exagirl.errors import TeacherError
from exagirl.progress import Nobody
from support.chat_server import (
    ChatServer,
    cut_json,
    drops,
    huge,
    in_turn,
    page,
    refuses,
    says,
    sends,
)
from support.teachers import GOOD, accepted, engine_at, fill, order, slots

# A reply of 22 tokens costs 2.2 cents, and 10 cents are set aside for it.
PRICED = {"price": {"input": 0, "output": 1000}, "max_tokens": 100}
UNCOUNTED = sends({"choices": [{"message": {"content": GOOD}, "finish_reason": "stop"}]})
NEVER_WELL = {
    "10-mb": (huge(10_000_000), "4 MB"),
    "html": (page(), "JSON"),
    "half-json": (cut_json(), "JSON"),
    "no-choices": (sends({"choices": []}), "choices"),
    "dropped": (drops(), "API"),
    "500": (refuses(500), "HTTP 500"),
    "429": (refuses(429), "HTTP 429"),
}


def spent(folder):
    """What a journal has taken."""
    with open_journal(folder / "journal.sqlite") as journal:
        return journal.spent()


@pytest.mark.parametrize(("answer", "told"), NEVER_WELL.values(), ids=NEVER_WELL)
def test_a_teacher_that_never_speaks_well_is_told_by_its_last_fault(tmp_path, answer, told):
    """The message says what came instead of an answer."""
    options = order(transport_retries=1)
    with ChatServer(in_turn(answer)) as server, pytest.raises(TeacherError, match=told):
        fill(server.url, tmp_path, slots(3), options=options)


def test_a_teacher_that_keeps_silent_is_told_by_the_time_that_was_waited(tmp_path):
    """The recipe's limit ends each try, and the tries end the run."""
    is_over = Event()

    def script(asked):
        is_over.wait(60)
        return says(GOOD)

    with ChatServer(script) as server:
        try:
            with pytest.raises(TeacherError, match=r"0\.1초 안에 답이 없음"):
                fill(
                    server.url,
                    tmp_path,
                    slots(3),
                    options=order(transport_retries=1, workers=1),
                    teacher={"timeout_s": 0.1},
                )
            assert len(server.asked) == 2
        finally:
            is_over.set()


def test_a_line_that_dies_in_the_middle_ends_the_run(tmp_path):
    """After a few slots nobody asks any more; what was answered stays, the rest is asked later."""
    options = order(transport_retries=1)

    def script(asked):
        return says(GOOD) if asked.number <= 3 else drops()

    with ChatServer(script) as server:
        with pytest.raises(TeacherError, match="저널에 남아"):
            fill(server.url, tmp_path, slots(30), options=options)
        assert len(server.asked) <= 3 + (3 + options.workers) * 2
    assert spent(tmp_path).attempts == 3
    with ChatServer(in_turn(says(GOOD))) as server:
        assert fill(server.url, tmp_path, slots(30)).missing == ()
        assert len(server.asked) == 27


def test_one_answer_between_them_keeps_lost_requests_from_ending_the_run(tmp_path):
    """A line that is bad for some slots is not dead."""
    wanted = slots(12)
    wanted[1::2] = [slot.model_copy(update={"phrase": "나쁜 이야기"}) for slot in wanted[1::2]]

    def script(asked):
        return refuses(500) if "나쁜" in asked.system else says(GOOD)

    with ChatServer(script) as server:
        options = order(workers=1, transport_retries=0)
        filled = fill(server.url, tmp_path, wanted, options=options)
    assert filled.missing == tuple(slot.key for slot in wanted[1::2])


def test_a_429_while_others_are_answered_costs_no_try(tmp_path):
    """It says that we are early, not that it is broken: no retry is allowed, and none is taken."""
    slow, *others = slots(40)
    wanted = [slow.model_copy(update={"phrase": "느린 이야기"}), *others]
    arrived, early = Condition(), []

    def script(asked):
        with arrived:
            arrived.notify_all()
            if wanted[0].phrase not in asked.system or len(early) == 5:
                return says(GOOD)
            early.append(asked.number)
            # The second request after this one was sent when the first had been answered.
            arrived.wait_for(lambda: len(server.asked) >= asked.number + 2, timeout=30)
            return refuses(429)

    with ChatServer(script) as server:
        filled = fill(server.url, tmp_path, wanted, options=order(workers=2, transport_retries=0))
        assert len(server.asked) == 40 + 5
    assert filled.missing == ()


def test_a_429_pauses_every_worker(tmp_path):
    """The time that one of them was told holds them all."""
    workers, pause_s = 4, 0.4
    arrived, times, told = Condition(), [], []

    def script(asked):
        with arrived:
            times.append(time.monotonic())
            arrived.notify_all()
            if asked.number > workers:
                return says(GOOD)
            arrived.wait_for(lambda: len(times) >= workers, timeout=30)  # all are under way
            told.append(time.monotonic())
        return refuses(429, retry_after_s=pause_s) if asked.number == 1 else says(GOOD)

    async def work(url):
        options = order(workers=workers)
        async with engine_at(url, tmp_path, options=options, backoff_s=(0.01, 60)) as engine:
            return await engine.fill(slots(12), Nobody())

    with ChatServer(script) as server:
        filled = asyncio.run(work(server.url))
    assert filled.missing == ()
    # Answers of the others may be faster than the refusal; then one of them has asked again.
    late = [at for at in times[workers:] if at >= min(told) + pause_s]
    assert len(late) >= len(times) - 2 * workers


def test_the_pace_of_the_recipe_is_kept(tmp_path):
    """Six requests at 600 a minute do not start at once."""
    times = []

    def script(asked):
        times.append(time.monotonic())
        return says(GOOD)

    with ChatServer(script) as server:
        options = order(workers=6, requests_per_minute=600)
        fill(server.url, tmp_path, slots(6), options=options)
    assert max(times) - min(times) >= 5 * 0.1 / 2


def test_the_tokens_of_the_recipe_are_kept(tmp_path):
    """What a request may take at most is waited for before the next one starts."""
    times = []

    def script(asked):
        times.append(time.monotonic())
        return says(GOOD)

    with ChatServer(script) as server:
        # A hundred tokens of reply take a tenth of a second, those of the prompt come on top.
        options = order(workers=3, tokens_per_minute=60_000)
        fill(server.url, tmp_path, slots(3), options=options, teacher={"max_tokens": 100})
    assert max(times) - min(times) >= 2 * 0.1 / 2


def test_attempts_end_with_their_budget_and_go_on_when_it_is_raised(tmp_path):
    """Not one request more, however many workers ask; nothing is asked twice."""
    with ChatServer(in_turn(says(GOOD))) as server:
        for limit, owed in ((4, 6), (7, 3), (None, 0)):
            options = order(workers=5, max_attempts=limit)
            filled = fill(server.url, tmp_path, slots(10), options=options)
            assert len(server.asked) == (limit or 10)
            assert len(filled.missing) == owed
            assert filled.why_stopped == ("budget" if owed else "")


def test_dollars_end_with_their_budget_and_go_on_when_it_is_raised(tmp_path):
    """A request that might overrun it is not sent."""
    with ChatServer(in_turn(says(GOOD))) as server:
        for limit, asked in ((0.2, 5), (0.3, 10), (99, 20)):
            options = order(workers=5, max_dollars=limit)
            filled = fill(server.url, tmp_path, slots(20), options=options, teacher=PRICED)
            assert len(server.asked) == asked
            assert spent(tmp_path).dollars == pytest.approx(asked * 0.022)
            assert filled.why_stopped == ("budget" if filled.missing else "")


def test_an_endpoint_that_counts_no_tokens_does_not_write_for_nothing(tmp_path):
    """Where it tells no usage, ours is counted against the budget."""
    with ChatServer(in_turn(UNCOUNTED)) as server:
        options = order(workers=2, max_dollars=0.3)
        filled = fill(server.url, tmp_path, slots(20), options=options, teacher=PRICED)
        assert 0 < len(server.asked) < 20
    assert filled.why_stopped == "budget"
    assert 0.2 < spent(tmp_path).dollars <= 0.3


def test_a_fault_of_the_line_costs_no_money(tmp_path):
    """What was set aside for it is there for the next try."""
    with ChatServer(in_turn(refuses(500), drops(), says(GOOD))) as server:
        options = order(workers=3, max_dollars=0.11, max_attempts=1)
        filled = fill(server.url, tmp_path, slots(1), options=options, teacher=PRICED)
    assert filled.missing == ()


def test_a_run_that_stops_leaves_nobody_waiting_for_money(tmp_path):
    """Workers for whom there was no room end with the one that is answered."""
    is_asked, may_answer = Event(), Event()

    def script(asked):
        is_asked.set()
        may_answer.wait(60)
        return says(GOOD)

    async def work(url):
        options = order(workers=4, max_dollars=0.15)
        async with engine_at(url, tmp_path, options=options, teacher=PRICED) as engine:
            filling = asyncio.create_task(engine.fill(slots(9), Nobody()))
            await asyncio.to_thread(is_asked.wait)
            await asyncio.sleep(0.1)
            in_flight = engine.stop()
            may_answer.set()
            return in_flight, await asyncio.wait_for(filling, 60)

    with ChatServer(script) as server:
        try:
            in_flight, filled = asyncio.run(work(server.url))
        finally:
            may_answer.set()
        assert (in_flight, len(server.asked)) == (1, 1)
    assert filled.why_stopped == "interrupted"
    assert len(accepted(tmp_path, slots(9))) == 1


def test_a_run_that_stops_does_not_wait_for_a_shut_gate(tmp_path):
    """However long the endpoint wants to be left alone."""
    is_told = Event()

    def script(asked):
        is_told.set()
        return refuses(429, retry_after_s=3600)

    async def work(url):
        options = order(workers=2)
        async with engine_at(url, tmp_path, options=options, backoff_s=(1, 3600)) as engine:
            filling = asyncio.create_task(engine.fill(slots(9), Nobody()))
            await asyncio.to_thread(is_told.wait)
            await asyncio.sleep(0.3)
            engine.stop()
            return await asyncio.wait_for(filling, 60)

    with ChatServer(script) as server:
        assert asyncio.run(work(server.url)).accepted == 0
