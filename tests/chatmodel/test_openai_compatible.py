"""An endpoint's answers become replies, faults of the line, or errors that say what to do."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatRequest, Message, TransportFault
from exagirl.errors import TeacherError
from support.chat_server import (
    Answer,
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
from support.teachers import KEY_ENV, teacher_at

REQUEST = ChatRequest(
    messages=(Message(role="system", content="작가"), Message(role="user", content="써 줘.")),
    temperature=0.5,
    max_tokens=99,
    topic_key="exa-data/daily/0000",
)


def ask(answer, **options):
    """Ask a server that gives one answer."""

    async def work(url):
        async with OpenAICompatibleModel(teacher_at(url, **options)) as model:
            return await model.reply(REQUEST)

    with ChatServer(in_turn(answer)) as server:
        return asyncio.run(work(server.url)), server.asked


def test_a_reply_holds_the_text_and_what_it_cost():
    """Content, finish reason and tokens come back."""
    reply, _ = ask(says("human1: 안녕", finish_reason="length"))
    assert (reply.content, reply.finish_reason) == ("human1: 안녕", "length")
    assert (reply.prompt_tokens, reply.completion_tokens) == (11, 22)


def test_a_request_holds_what_was_asked():
    """Model, messages, temperature and limit go over the line; the slot's key does not."""
    _, (asked,) = ask(says("응"), model="tiny-2")
    assert asked.body["model"] == "tiny-2"
    assert asked.body["messages"] == [m.model_dump() for m in REQUEST.messages]
    assert (asked.body["temperature"], asked.body["max_tokens"]) == (0.5, 99)
    assert "daily" not in str(asked.body)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_a_busy_or_broken_endpoint_is_a_fault_of_the_line(status):
    """These may go better the next time; the SDK itself does not ask again."""
    with pytest.raises(TransportFault, match=str(status)):
        ask(refuses(status))


@pytest.mark.parametrize("answer", [drops(), page()], ids=["dropped", "html"])
def test_no_answer_at_all_is_a_fault_of_the_line(answer):
    """A cut line or a web page may go better the next time."""
    with pytest.raises(TransportFault):
        ask(answer)


def test_retry_after_is_handed_on():
    """How long to wait is in seconds."""
    with pytest.raises(TransportFault) as caught:
        ask(refuses(429, retry_after_s=1.5))
    assert caught.value.retry_after_s == 1.5


def test_a_slow_endpoint_is_a_fault_of_the_line():
    """The recipe's time limit ends the wait."""

    async def work(url):
        async with OpenAICompatibleModel(teacher_at(url, timeout_s=0.05)) as model:
            await model.reply(REQUEST)

    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TransportFault):
        asyncio.run(work(f"http://127.0.0.1:{silent.getsockname()[1]}/v1"))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_an_error_of_the_user(status):
    """Asking again cannot help; the message names the status."""
    with pytest.raises(TeacherError, match=f"HTTP {status}"):
        ask(refuses(status))


def test_a_refusal_without_a_meaning_of_its_own_says_the_endpoints_reason():
    """What the endpoint wrote helps to put a request right."""
    with pytest.raises(TeacherError, match="max_tokens is too large"):
        ask(refuses(400, "max_tokens is too large"))


def test_openai_itself_needs_a_key(monkeypatch):
    """Without an address of one's own, an empty variable is told by its name."""
    monkeypatch.delenv(KEY_ENV, raising=False)
    with pytest.raises(TeacherError, match=KEY_ENV):
        OpenAICompatibleModel(TeacherOptions(kind="openai", model="m", api_key_env=KEY_ENV))


def test_an_endpoint_of_ones_own_needs_no_key(monkeypatch):
    """Ollama and vLLM take any key."""
    monkeypatch.delenv(KEY_ENV, raising=False)
    assert ask(says("응"))[0].content == "응"


def test_space_around_a_key_is_no_part_of_it(monkeypatch):
    """A key that was read from a file may end with a line break."""
    monkeypatch.setenv(KEY_ENV, " sk-test\n")
    _, (asked,) = ask(says("응"))
    assert asked.headers["Authorization"] == "Bearer sk-test"


@pytest.mark.parametrize("key", ["여기에 키를 넣으세요", "sk-one\nsk-two"])
def test_what_cannot_be_a_key_is_told_before_anything_is_sent(monkeypatch, key):
    """The message names the variable and does not repeat what is in it."""
    monkeypatch.setenv(KEY_ENV, key)
    with pytest.raises(TeacherError, match=KEY_ENV) as caught:
        OpenAICompatibleModel(teacher_at("http://127.0.0.1:9/v1"))
    assert key not in str(caught.value)


def test_a_teacher_needs_a_model():
    """An empty name is told by its key in the recipe."""
    with pytest.raises(TeacherError, match=r"teacher\.model"):
        OpenAICompatibleModel(teacher_at("http://127.0.0.1:9/v1", model=""))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (huge(10_000_000), "4 MB"),
        (page(), "JSON"),
        (cut_json(), "JSON"),
        (sends({"id": "1", "choices": []}), "choices"),
        (sends({"choices": [{"index": 0}]}), "choices"),
        (sends({"choices": [{"message": {"content": 7}}]}), "choices"),
        (sends("hello"), "choices"),
        (sends({"choices": [{"message": {"content": "a"}, "finish_reason": 7}]}), "choices"),
        (Answer(b"[" * 100_000), "JSON"),
    ],
    ids=["10-mb", "html", "half", "none", "no-message", "number", "text", "reason", "deep"],
)
def test_an_answer_that_is_none_says_what_it_was(answer, told):
    """Each is a fault of the line that a person can tell from the others."""
    with pytest.raises(TransportFault, match=told):
        ask(answer)


@pytest.mark.parametrize("count", [-1, 2**70, "many", 1e300, None, [1]])
def test_a_count_of_tokens_that_cannot_be_is_left_out(count):
    """The reply stays; no bill is made out from the count, and no journal has to hold it."""
    usage = {"prompt_tokens": count, "completion_tokens": 5, "prompt_tokens_details": [1]}
    reply, _ = ask(sends({"choices": [{"message": {"content": "응"}}], "usage": usage}))
    assert (reply.content, reply.prompt_tokens, reply.completion_tokens) == ("응", 0, 5)


def test_no_content_is_an_empty_reply():
    """A teacher that declined to speak has answered; a check refuses it."""
    reply, _ = ask(says(None))
    assert (reply.content, reply.finish_reason) == ("", "stop")


def test_usage_that_nobody_tells_is_none():
    """Some endpoints count nothing."""
    reply, _ = ask(sends({"choices": [{"message": {"content": "응"}}], "usage": None}))
    assert (reply.prompt_tokens, reply.completion_tokens) == (0, 0)


def test_half_an_emoji_becomes_a_letter_that_files_can_hold():
    """A reply that was cut inside a letter is a reply."""
    reply, _ = ask(says("좋아 \ud83d"))
    assert reply.content == "좋아 \ufffd"


@pytest.mark.parametrize("years", [-30, 0, 30])
def test_a_date_to_wait_for_is_read_by_the_servers_own_clock(years):
    """A server whose clock is years off pauses only for its own difference."""
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=365 * years)
    dates = [format_datetime(at, usegmt=True) for at in (now, now + timedelta(seconds=20))]
    with pytest.raises(TransportFault) as caught:
        ask(sends({}, 429, **{"Date": dates[0], "Retry-After": dates[1]}))
    assert caught.value.retry_after_s == 20


@pytest.mark.parametrize(
    ("told", "wait_s"), [("-5", 0), ("soon", None), ("nan", None), ("Wed, 99 Foo", None)]
)
def test_a_time_to_wait_that_is_none_is_left_out(told, wait_s):
    """Nobody waits for a time that cannot be read, or for one that is over."""
    with pytest.raises(TransportFault) as caught:
        ask(sends({}, 429, **{"Retry-After": told}))
    assert caught.value.retry_after_s == wait_s


def test_an_empty_purse_at_the_endpoint_is_an_error_of_the_user():
    """A 429 that no waiting will mend says so."""
    error = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    with pytest.raises(TeacherError, match="잔액"):
        ask(sends(error, 429))


def test_headers_and_query_of_the_recipe_go_over_the_line(monkeypatch):
    """Azure's key and version reach the endpoint; the key came from the environment."""
    monkeypatch.setenv("EXAGIRL_TEST_AZURE", "azure-secret")
    headers = {"api-key": "${EXAGIRL_TEST_AZURE}"}
    _, (asked,) = ask(says("응"), headers=headers, query={"api-version": "2024-10-21"})
    assert asked.headers["api-key"] == "azure-secret"
    assert asked.query == "api-version=2024-10-21"


@pytest.mark.parametrize("before", [0, 150, 190, 199, 5000])
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_no_message_holds_a_secret_that_an_endpoint_repeats(monkeypatch, status, before):
    """Neither the key nor a header's value, nor the half of one that a cut would leave."""
    key, value = "sk-exagirl-0123456789abcdef", "azure-secret-9876543210"
    monkeypatch.setenv(KEY_ENV, key)
    monkeypatch.setenv("EXAGIRL_TEST_AZURE", value)
    echo = f"{'x' * before}{key}{value} {'y' * 500}"
    with pytest.raises((TeacherError, TransportFault)) as caught:
        ask(refuses(status, echo), headers={"api-key": "${EXAGIRL_TEST_AZURE}"})
    told = str(caught.value)
    assert key[:6] not in told
    assert value[:6] not in told


def test_no_reply_holds_a_secret_that_an_endpoint_repeats(monkeypatch):
    """What is written into the journal is the reply without it."""
    monkeypatch.setenv(KEY_ENV, "sk-exagirl-0123456789abcdef")
    reply, _ = ask(says("너의 키는 sk-exagirl-0123456789abcdef 맞지?"))
    assert reply.content == "너의 키는 *** 맞지?"


@pytest.mark.parametrize("host", ["..a", "a:b", "\u200b", "a" * 70])
def test_an_address_that_is_none_is_told(host):
    """The message names the address, before anything is sent."""
    with pytest.raises(TeacherError, match=r"teacher\.base_url"):
        OpenAICompatibleModel(teacher_at(f"http://{host}/v1"))


@pytest.mark.parametrize("host", ["[::1]:9", "127.0.0.1:9", "한글.example", "a_b"])
def test_an_address_may_be_any_host(host):
    """Numbers of both kinds, Hangul, and names in a container's network."""
    assert OpenAICompatibleModel(teacher_at(f"http://{host}/v1")).client.base_url.host
