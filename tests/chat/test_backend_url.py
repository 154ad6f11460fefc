"""An OpenAI-compatible address as the model of a conversation."""

import time
from threading import Event, Timer

import pytest

from exagirl.chat.backend import Tunable
from exagirl.chat.session import ChatOptions, Session
from exagirl.chat.url_backend import ChatUrl, EndpointError, UrlBackend, is_own
from exagirl.chatmodel.sampling import Sampling
from support.sse_server import CUT, END, StreamServer
from support.talkers import plain_character, raws, says

HELLO = [{"role": "user", "content": "안녕"}]
FOREIGN = ChatOptions(writes_system=True, knows_placeholders=False)


def backend_of(server, **more):
    """A backend with the server behind it."""
    return UrlBackend(ChatUrl(base_url=server.url, **more), Sampling(seed=7, max_new_tokens=50))


def test_pieces_come_as_they_are_sent():
    """The request says what is asked for: model, limit, seed, a stream."""
    with StreamServer(["안", "녕!"]) as server:
        assert list(backend_of(server).speak(HELLO, Event())) == ["안", "녕!"]
    body = server.bodies[0]
    assert (body["model"], body["max_tokens"], body["seed"]) == ("tiny", 50, 7)
    assert body["stream"] is True
    assert body["messages"] == HELLO


def test_a_stop_ends_a_silent_line_at_once():
    """What came is kept; nobody waits for the endpoint."""
    never, stop = Event(), Event()
    with StreamServer(["잠깐만", never]) as server:
        session = Session(plain_character(), backend_of(server), options=FOREIGN)
        begin = time.monotonic()
        Timer(0.3, stop.set).start()
        assert says(session, "안녕", stop=stop) == "잠깐만"
        assert time.monotonic() - begin < 3
        never.set()
    assert session.turns[-1].is_cut


@pytest.mark.parametrize("end", [CUT, END])
def test_a_line_that_breaks_midway_keeps_what_came_and_can_be_asked_again(end):
    """The error is told in Korean; the next try is a second version."""
    with StreamServer(["오늘은 ", "도서관에", end], ["응, 갔어."]) as server:
        session = Session(plain_character(), backend_of(server), options=FOREIGN)
        with pytest.raises(EndpointError, match="127.0.0.1"):
            says(session, "뭐 했어?")
        assert raws(session) == ["뭐 했어?", "오늘은 도서관에"]
        assert session.turns[-1].is_cut
        assert "".join(session.regenerate()) == "응, 갔어."
    assert session.versions() == ["오늘은 도서관에", "응, 갔어."]


def test_a_server_that_is_not_there_leaves_the_words_to_be_sent_again():
    """Nothing came, so nothing was said; what was typed is at hand."""
    with StreamServer(["응"]) as server:
        backend = backend_of(server)
    session = Session(plain_character(), backend, options=FOREIGN)
    with pytest.raises(EndpointError, match="연결할 수 없음"):
        says(session, "듣고 있어?")
    assert raws(session) == []
    assert session.unsent == "듣고 있어?"


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "키"), (404, "--model"), (429, "지금은"), (500, "지금은"), (400, "거절")],
)
def test_a_refusal_says_what_to_do(status, words, monkeypatch):
    """And never repeats the key that an endpoint sends back."""
    monkeypatch.setenv("SOME_KEY", "sk-very-secret")
    with StreamServer((status, "bad sk-very-secret")) as server:
        backend = backend_of(server, api_key_env="SOME_KEY")
        with pytest.raises(EndpointError, match=words) as told:
            list(backend.speak(HELLO, Event()))
    assert "sk-very-secret" not in str(told.value)


def test_a_key_goes_only_where_it_was_named_for(monkeypatch):
    """OpenAI's own key is not handed to another address."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-only")
    monkeypatch.setenv("SOME_KEY", "sk-of-this-place")
    with StreamServer(["응"]) as server:
        list(backend_of(server).speak(HELLO, Event()))
        list(backend_of(server, api_key_env="SOME_KEY").speak(HELLO, Event()))
    sent = [headers["Authorization"] for headers in server.headers]
    assert sent == ["Bearer none", "Bearer sk-of-this-place"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ({"base_url": "https://api.openai.com/v1", "model": "m"}, "OPENAI_API_KEY"),
        ({"base_url": "http://127.0.0.1:1/v1", "model": "m", "api_key_env": "NO_KEY"}, "NO_KEY"),
        (
            {"base_url": "http://example.com/v1", "model": "m", "api_key_env": "SOME_KEY"},
            "https",
        ),
        ({"base_url": "http:///v1", "model": "m"}, "주소가 아닙니다"),
    ],
)
def test_a_key_that_is_missing_or_would_travel_in_the_open_is_told(url, words, monkeypatch):
    """Before anything is sent."""
    monkeypatch.setenv("SOME_KEY", "sk-some")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EndpointError, match=words):
        UrlBackend(ChatUrl(**url), Sampling())


def test_the_only_model_need_not_be_named():
    """Where there are several, they are listed."""
    with StreamServer(["응"], models=["하나"]) as server:
        assert backend_of(server).model == "하나"
    several = StreamServer(["응"], models=["하나", "둘"])
    with several as server, pytest.raises(EndpointError, match="하나, 둘"):
        backend_of(server)


def test_a_model_that_calls_the_limit_otherwise_is_asked_again():
    """Once; from then on the other name is used."""
    refusal = (400, "Unsupported parameter: use 'max_completion_tokens' instead.")
    with StreamServer(refusal, ["응"]) as server:
        backend = backend_of(server)
        for _ in range(2):
            assert list(backend.speak(HELLO, Event())) == ["응"]
    names = ["max_tokens" if "max_tokens" in body else "other" for body in server.bodies]
    assert names == ["max_tokens", "other", "other"]


def test_a_long_talk_stays_within_the_window():
    """Tokens are guessed, high rather than low, and the oldest turns fall out."""
    options = FOREIGN.model_copy(
        update={"context_tokens": 400, "reply_tokens": 50, "remembers": False}
    )
    with StreamServer(["응, 나도 그렇게 생각해."]) as server:
        session = Session(plain_character(), backend_of(server), options=options)
        for at in range(12):
            says(session, f"{at}번째 이야기인데, 오늘 바다에 다녀왔어.")
    last = server.bodies[-1]["messages"]
    assert last[0]["role"] == "system"
    assert len(last) < 24
    assert last[-1]["content"].startswith("11번째")


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("192.168.0.7", True),
        ("localhost", True),
        ("gpu-box", True),
        ("nas.local", True),
        ("8.8.8.8", False),
        ("api.openai.com", False),
    ],
)
def test_an_address_at_home_is_known(host, own):
    """There no proxy stands between, and a key may go without TLS."""
    assert is_own(host) is own


def test_asking_the_same_again_is_another_seed():
    """Else a new reply under a fixed seed would be the old one; another question begins anew."""
    with StreamServer(["응"]) as server:
        backend = backend_of(server)
        for text in ("안녕", "안녕", "또 안녕"):
            list(backend.speak([{"role": "user", "content": text}], Event()))
    assert [body["seed"] for body in server.bodies] == [7, 8, 7]


def test_other_dice_are_asked_for_over_the_same_connection():
    """The first backend stays as it was; both count together who asks the same again."""
    with StreamServer(["응"]) as server:
        one = backend_of(server)
        other = one.with_sampling(one.sampling.model_copy(update={"temperature": 1.25}))
        list(one.speak(HELLO, Event()))
        list(other.speak(HELLO, Event()))
        list(one.speak(HELLO, Event()))
    asked = [(body["temperature"], body["max_tokens"], body["seed"]) for body in server.bodies]
    assert asked == [(0.7, 50, 7), (1.25, 50, 8), (0.7, 50, 9)]
    assert isinstance(one, Tunable)
