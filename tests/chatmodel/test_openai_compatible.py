"""An endpoint's answers become replies, faults of the line, or errors that say what to do."""

import asyncio
import socket

import pytest

from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatRequest, Message, TransportFault
from exagirl.errors import TeacherError
from support.chat_server import ChatServer, drops, in_turn, page, refuses, says
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
