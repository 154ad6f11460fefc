"""One gate paces all workers."""

import asyncio
import heapq
import itertools

from hypothesis import given
from hypothesis import strategies as st

from exagirl.dialogue.gate import Gate

NEARLY = 1e-6
TOKENS = st.lists(st.integers(0, 5000), min_size=1, max_size=12)


class Time:
    """A clock that jumps to whoever wakes next, so that minutes pass at once."""

    def __init__(self):
        self.now = 1000.0
        self._sleepers = []
        self._order = itertools.count()

    def clock(self):
        """What time it is."""
        return self.now

    async def sleep(self, seconds):
        """Wait until the clock has come so far."""
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), woken))
        await woken

    async def run(self, *tasks):
        """Let time pass until everybody is done."""
        work = asyncio.gather(*tasks)
        while not work.done():
            for _ in range(5):
                await asyncio.sleep(0)
            if self._sleepers and not work.done():
                self.now, _, woken = heapq.heappop(self._sleepers)
                woken.set_result(None)
        return await work


def pass_through(tokens, *, shut_s=0.0, shut_after_s=0.0, **budgets):
    """Send requests of so many tokens through a gate at once; when each started."""

    async def work():
        time = Time()
        gate = Gate(**budgets, sleep=time.sleep, clock=time.clock)
        started = []

        async def send(count):
            await gate.wait(count)
            started.append(time.now)

        async def shut():
            await time.sleep(shut_after_s)
            gate.close_for(shut_s)

        await time.run(*map(send, tokens), *([shut()] if shut_s else []))
        return [at - 1000.0 for at in started]

    return asyncio.run(work())


def gaps(started):
    """How long each waited after the one before it."""
    return [after - before for before, after in itertools.pairwise(started)]


def test_without_budgets_nobody_waits():
    """A gate that nothing was said about is open."""
    assert pass_through([100] * 9) == [0.0] * 9


@given(rpm=st.integers(1, 600), requests=st.integers(1, 12))
def test_requests_are_spread_evenly(rpm, requests):
    """A minute's requests do not start in its first second."""
    started = pass_through([0] * requests, requests_per_minute=rpm)
    assert all(gap >= 60 / rpm - NEARLY for gap in gaps(started))
    assert started[-1] <= (requests - 1) * 60 / rpm + NEARLY


@given(tpm=st.integers(100, 100_000), tokens=TOKENS)
def test_a_request_waits_for_the_tokens_before_it(tpm, tokens):
    """Each starts when the minute has room again for what the one before it may take."""
    started = pass_through(tokens, tokens_per_minute=tpm)
    for gap, before in zip(gaps(started), tokens, strict=False):
        assert gap >= before * 60 / tpm - NEARLY
    assert started[-1] <= sum(tokens[:-1]) * 60 / tpm + NEARLY


@given(
    rpm=st.integers(1, 600),
    requests=st.integers(1, 12),
    shut_s=st.floats(0.1, 90),
    shut_after_s=st.floats(0, 30),
)
def test_a_shut_gate_lets_nobody_through_and_no_crowd_after(rpm, requests, shut_s, shut_after_s):
    """All wait for the pause that one of them was told, and start as evenly after it as before."""
    started = pass_through(
        [0] * requests, requests_per_minute=rpm, shut_s=shut_s, shut_after_s=shut_after_s
    )
    assert not any(shut_after_s + NEARLY < at < shut_after_s + shut_s for at in started)
    assert all(gap >= 60 / rpm - NEARLY for gap in gaps(sorted(started)))


@given(pauses=st.lists(st.floats(0, 60), min_size=1, max_size=4))
def test_the_longest_pause_counts(pauses):
    """A shorter one opens nothing earlier; jitter adds a quarter, and a twentieth of a second."""

    async def work():
        time = Time()
        gate = Gate(sleep=time.sleep, clock=time.clock)
        for pause in pauses:
            gate.close_for(pause)
        await time.run(gate.wait())
        return time.now - 1000.0

    longest = max(pauses)
    assert longest - NEARLY <= asyncio.run(work()) <= longest * 1.25 + 0.05 + NEARLY


@given(tpm=st.integers(100, 100_000), expected=st.integers(0, 5000), share=st.floats(0, 1))
def test_tokens_that_were_not_used_are_given_back(tpm, expected, share):
    """The next request waits for what the one before it really took."""
    used = int(expected * share)

    async def work():
        time = Time()
        gate = Gate(tokens_per_minute=tpm, sleep=time.sleep, clock=time.clock)
        await time.run(gate.wait(expected))
        gate.settle(expected, used)
        await time.run(gate.wait())
        return time.now - 1000.0

    waited = asyncio.run(work())
    assert abs(waited - used * 60 / tpm) <= NEARLY


def test_tokens_beyond_the_estimate_are_waited_for():
    """A reply that took more than was thought holds the next request up."""

    async def work():
        time = Time()
        gate = Gate(tokens_per_minute=60, sleep=time.sleep, clock=time.clock)
        await time.run(gate.wait(10))
        gate.settle(10, 25)
        await time.run(gate.wait())
        return time.now - 1000.0

    assert abs(asyncio.run(work()) - 25) <= NEARLY


def test_nobody_waits_at_the_gate_of_a_run_that_stops():
    """However long it is shut, who waits is let go, to find that nothing is asked any more."""

    async def work():
        sleeps = []

        async def stopped(seconds):
            sleeps.append(seconds)
            return True

        gate = Gate(sleep=stopped)
        gate.close_for(3600)
        await asyncio.gather(gate.wait(), gate.wait())
        return len(sleeps)

    assert asyncio.run(work()) == 2
