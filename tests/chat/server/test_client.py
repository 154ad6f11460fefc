"""The official client and curl get what OpenAI would give them."""

import asyncio
import json
import subprocess

import openai
import pytest

from support.api_server import HELLO, NAME, api_of, read_all, tiny_backend

DRAWN = {"model": NAME, "messages": HELLO, "max_tokens": 24, "temperature": 1.0, "seed": 5}


def whole(api, **more):
    """A reply in one piece."""
    return api.client().chat.completions.create(**{**DRAWN, **more})


def streamed(api, **more):
    """All chunks of a stream."""
    return list(api.client().chat.completions.create(**{**DRAWN, "stream": True, **more}))


def said(api, **more):
    """The words of a reply."""
    return whole(api, **more).choices[0].message.content


def text_of(chunks):
    """The words of a stream."""
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_the_models_are_listed_and_found(api):
    """One model under the name that requests use."""
    client = api.client()
    assert [model.id for model in client.models.list()] == [NAME]
    assert client.models.retrieve(NAME).object == "model"


def test_a_reply_comes_with_what_it_took(api):
    """Text, the reason of the end, and counted tokens."""
    reply = whole(api)
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason in ("stop", "length")
    assert 0 < reply.usage.completion_tokens <= 24
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_a_stream_says_the_same_piece_by_piece(api):
    """The same seed gives the same text, in several pieces, and the end of the reply once."""
    chunks = streamed(api)
    assert text_of(chunks) == said(api)
    assert len(chunks) > 3
    ends = [c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason]
    assert len(ends) == 1


def test_another_seed_says_something_else(api):
    """The seed decides."""
    assert text_of(streamed(api, seed=6)) != text_of(streamed(api, seed=7))


def test_usage_comes_last_in_a_stream_that_asks_for_it(api):
    """One chunk without choices, equal to that of the whole reply; none where nobody asks."""
    last = streamed(api, stream_options={"include_usage": True})[-1]
    assert last.choices == []
    expected = whole(api).usage
    assert last.usage.completion_tokens == expected.completion_tokens
    assert last.usage.prompt_tokens == expected.prompt_tokens
    assert all(chunk.choices and chunk.usage is None for chunk in streamed(api))


def test_the_limit_of_tokens_ends_a_reply(api):
    """Both names of the limit count, and the newer one goes first."""
    for limit in ({"max_tokens": 3}, {"max_completion_tokens": 3, "max_tokens": 9}):
        reply = whole(api, **limit)
        assert reply.choices[0].finish_reason == "length"
        assert reply.usage.completion_tokens == 3


def test_a_reply_ends_before_a_stop_string(api):
    """Whole and streamed, one string or several; the string itself is not said."""
    text = said(api)
    stop = text[5:8]
    expected = text[: text.find(stop)]
    for given in (stop, ["아닌 글", stop]):
        reply = whole(api, stop=given)
        assert reply.choices[0].message.content == expected
        assert reply.choices[0].finish_reason == "stop"
        assert text_of(streamed(api, stop=given)) == expected


def test_unknown_fields_are_ignored(api):
    """As OpenAI and its likes do."""
    more = {"frequency_penalty": 0.0, "logit_bias": {}, "extra_body": {"top_k": 5, "무엇": [1]}}
    assert said(api, **more) == said(api)


def test_words_may_come_in_parts_and_from_a_developer(api):
    """A list of text parts is its text; ``developer`` is ``system``."""
    parts = [{"type": "text", "text": "안녕! "}, {"type": "text", "text": "오늘 뭐 했어?"}]
    apart = [{"role": "developer", "content": "너는 엑사다."}, {"role": "user", "content": parts}]
    together = [{"role": "system", "content": "너는 엑사다."}, *HELLO]
    assert said(api, messages=apart) == said(api, messages=together)


def test_a_later_turn_reads_only_what_is_new(api):
    """What was read for the turn before is known, but for its last token."""
    first = whole(api, messages=[{"role": "user", "content": "바다 이야기 해 줘. " * 8}])
    talk = [
        {"role": "user", "content": "바다 이야기 해 줘. " * 8},
        {"role": "assistant", "content": first.choices[0].message.content},
        {"role": "user", "content": "더 해 줘."},
    ]
    second = whole(api, messages=talk, max_tokens=4)
    assert second.usage.prompt_tokens_details.cached_tokens >= first.usage.prompt_tokens - 1


def test_who_writes_by_hand_need_not_name_the_model(api):
    """There is but one; its name comes with the reply."""
    unnamed = {name: value for name, value in DRAWN.items() if name != "model"}
    for body in (unnamed, {**unnamed, "model": None}):
        status, _, answer = read_all(api.raw(body))
        told = json.loads(answer)
        assert (status, told["model"]) == (200, NAME)
        assert told["choices"][0]["message"]["content"] == said(api)


def test_the_async_client_is_served_too(api):
    """Streams of one event loop."""

    async def ask():
        async with api.async_client() as client:
            stream = await client.chat.completions.create(**DRAWN, stream=True)
            return text_of([chunk async for chunk in stream])

    assert asyncio.run(ask()) == said(api)


def test_curl_is_served(api):
    """A stream of events that ends in [DONE]."""
    body = json.dumps({**DRAWN, "stream": True})
    done = subprocess.run(
        ["curl", "-sN", f"{api.url}/v1/chat/completions", "--json", body],
        capture_output=True,
        text=True,
        check=True,
    )
    events = [line.removeprefix("data: ") for line in done.stdout.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    texts = [json.loads(e)["choices"][0]["delta"].get("content", "") for e in events[:-1]]
    assert "".join(texts) == said(api)


def test_names_are_put_for_placeholders(talker):
    """With the right particle, however the pieces fall; the model's own words are left alone."""
    from exagirl.chat.server.backend import Piece, Prompt
    from exagirl.korean.particles import fill_placeholders

    class Parrot:
        """Says the last message letter by letter."""

        name, slots, context_tokens = NAME, 4, None
        running = tiny_backend(talker).running

        def prepare(self, messages):
            return Prompt(messages[-1]["content"], None)

        async def speak(self, prompt, _sampling):
            for letter in prompt.content:
                yield Piece(letter)
            yield Piece("", "stop")

    lines = [{"role": "user", "content": "{유저}가 왔네, {{user}}야! {캐릭터}은 {기뻐}."}]
    with api_of(Parrot(), fill=lambda text: fill_placeholders(text, "지은", "엑사")) as api:
        assert text_of(streamed(api, messages=lines)) == "지은이 왔네, 지은아! 엑사는 {기뻐}."
        assert said(api, messages=lines, stop="엑사") == "지은이 왔네, 지은아! "


def test_a_character_is_put_before_a_talk_that_brings_none(talker):
    """A system message of the request takes its place, wherever it stands."""
    own = [{"role": "system", "content": "너는 집사다."}, *HELLO]
    late = [*HELLO, {"role": "developer", "content": "짧게 말해."}]
    backend = tiny_backend(talker)
    with api_of(backend) as plain, api_of(backend, system="너는 엑사다.") as api:
        put = [{"role": "system", "content": "너는 엑사다."}, *HELLO]
        assert said(api) == said(plain, messages=put) != said(plain)
        for messages in (own, late):
            assert said(api, messages=messages) == said(plain, messages=messages)


def test_a_model_that_fails_midway_is_told_and_the_next_request_is_answered(talker):
    """What was streamed stays with the client; the error comes in OpenAI's form."""

    class Fragile:
        """Steps like the model inside, and fails when told."""

        def __init__(self, inside):
            self.inside = inside
            self.steps_left = 5

        def __getattr__(self, name):
            return getattr(self.inside, name)

        def advance(self):
            self.steps_left -= 1
            if self.steps_left == 0:
                raise RuntimeError("out of memory")
            return self.inside.advance()

    backend = tiny_backend(talker)
    backend._model = Fragile(backend._model)
    with api_of(backend) as api:
        got = []
        with pytest.raises(openai.APIError, match="멈췄습니다"):
            got.extend(api.client().chat.completions.create(**DRAWN, stream=True))
        assert text_of(got)
        assert said(api)
        assert api.queue.running == 0
