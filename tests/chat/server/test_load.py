"""Many at once, in turn, going away, and the end of the server."""

import asyncio
import threading
import time

import pytest

from support.api_server import LONG, NAME, api_of, read_all, tiny_backend

STREAMS = 64


def questions(count):
    """Requests that all differ in words, length, seed and temperature."""
    return [
        {
            "model": NAME,
            "messages": [{"role": "user", "content": f"{at}번이야. " + "안녕! " * (at % 7)}],
            "max_tokens": 8 + at % 17,
            "seed": at,
            "temperature": (0.7, 1.0, 1.4)[at % 3],
        }
        for at in range(count)
    ]


async def stream_all(api, asked):
    """What each of the requests was told, all at the same time."""

    async def one(client, body):
        stream = await client.chat.completions.create(**body, stream=True)
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    async with api.async_client() as client:
        return await asyncio.gather(*(one(client, body) for body in asked))


def test_64_streams_at_once_say_what_each_says_alone(talker):
    """None is lost, none is mixed with another, whatever runs beside it."""
    asked = questions(STREAMS)
    with api_of(tiny_backend(talker)) as api:
        together = asyncio.run(stream_all(api, asked))
    with api_of(tiny_backend(talker, slots=1)) as api:
        client = api.client()
        alone = [client.chat.completions.create(**body) for body in asked]
    assert together == [reply.choices[0].message.content for reply in alone]
    assert len(set(together)) > STREAMS * 3 // 4


def test_more_than_the_slots_wait_and_all_are_answered(talker):
    """64 requests through four slots."""
    asked = questions(STREAMS)
    with api_of(tiny_backend(talker, slots=4)) as api:
        few = asyncio.run(stream_all(api, asked))
    with api_of(tiny_backend(talker)) as api:
        assert few == asyncio.run(stream_all(api, asked))


def test_a_short_reply_does_not_wait_for_a_long_one(endless):
    """It joins while the long one goes on, and is done first."""
    with api_of(tiny_backend(endless, slots=2), max_tokens=3500) as api:
        line = api.raw({**LONG, "stream": True})
        api.wait_for(lambda: api.queue.running == 1)
        short = api.client().chat.completions.create(**{**LONG, "max_tokens": 5})
        assert short.usage.completion_tokens == 5
        assert api.queue.running == 1
        line.close()


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_client_that_goes_away_frees_its_slot_within_two_seconds(endless, is_streamed):
    """Whether it was listening to a stream or waiting for the whole."""
    with api_of(tiny_backend(endless, slots=1), max_tokens=3500) as api:
        line = api.raw({**LONG, "stream": is_streamed})
        api.wait_for(lambda: api.queue.running == 1)
        time.sleep(0.2)
        assert api.queue.running == 1
        line.close()
        assert api.wait_for(lambda: api.queue.running == 0) < 2.0
        assert api.client().chat.completions.create(**{**LONG, "max_tokens": 3}).usage


def test_a_client_that_goes_away_while_it_waits_leaves_the_line(endless):
    """Nobody is served who is not there."""
    with api_of(tiny_backend(endless, slots=1), max_tokens=3500) as api:
        running = api.raw({**LONG, "stream": True})
        api.wait_for(lambda: api.queue.running == 1)
        waiting = api.raw({**LONG, "stream": True})
        api.wait_for(lambda: api.queue.waiting == 1)
        waiting.close()
        assert api.wait_for(lambda: api.queue.waiting == 0) < 2.0
        assert api.queue.running == 1
        running.close()


def test_clients_take_turns(endless):
    """One who asks once does not wait behind all that another has asked before."""
    ended = []
    with api_of(tiny_backend(endless, slots=1), max_tokens=3500) as api:
        first = api.raw({**LONG, "max_tokens": 600})
        api.wait_for(lambda: api.queue.running == 1)

        def ask(name, source):
            read_all(api.raw({**LONG, "max_tokens": 60}, source=source))
            ended.append(name)

        threads = []
        for at, (name, source) in enumerate([("many", "127.0.0.1")] * 4 + [("one", "127.0.0.2")]):
            threads.append(threading.Thread(target=ask, args=(name, source)))
            threads[-1].start()
            api.wait_for(lambda at=at: api.queue.waiting == at + 1)
        for thread in threads:
            thread.join()
        read_all(first)
    assert ended.index("one") <= 1


def test_a_full_queue_says_when_to_come_back(endless):
    """429 with Retry-After, at once; who waits already is not touched."""
    with api_of(tiny_backend(endless, slots=1), max_tokens=3500, max_queue=1) as api:
        lines = [api.raw({**LONG, "stream": True})]
        api.wait_for(lambda: api.queue.running == 1)
        lines.append(api.raw({**LONG, "max_tokens": 3}))
        api.wait_for(lambda: api.queue.waiting == 1)
        status, head, body = read_all(api.raw(LONG))
        assert status == 429
        assert "retry-after: " in head
        assert b'"code":"queue_full"' in body
        lines[0].close()
        assert read_all(lines[1])[0] == 200


def test_the_end_lets_running_replies_end_and_refuses_who_waits(endless):
    """The stream that runs comes whole; the one in line is told 503."""
    with api_of(tiny_backend(endless, slots=1), max_tokens=3500) as api:
        running = api.raw({**LONG, "max_tokens": 600, "stream": True})
        api.wait_for(lambda: api.queue.running == 1)
        waiting = api.raw({**LONG, "max_tokens": 3})
        api.wait_for(lambda: api.queue.waiting == 1)
        api.server.should_exit = True
        status, _, body = read_all(waiting)
        assert status == 503
        assert b"shutting_down" in body
        status, _, body = read_all(running)
        assert status == 200
        assert b'"finish_reason":"length"' in body
        assert b"data: [DONE]" in body


def test_every_turn_of_a_talk_knows_the_turns_before(endless):
    """What is read anew is the new turn alone, however long the talk has become."""
    with api_of(tiny_backend(endless, slots=2)) as api:
        client, talk, unread = api.client(), [], []
        for at in range(12):
            talk.append({"role": "user", "content": f"{at}번째 말이야. 오늘은 뭐 했어?"})
            reply = client.chat.completions.create(
                **{**LONG, "messages": talk, "max_tokens": 12, "seed": at}
            )
            talk.append({"role": "assistant", "content": "응, 그래. 나는 책을 읽었어."})
            usage = reply.usage
            unread.append(usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens)
    assert max(unread[2:]) <= 2 * min(unread[2:])
