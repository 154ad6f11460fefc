"""What cannot be answered is refused in OpenAI's form, and the next request is answered."""

import json
import subprocess
import urllib.error
import urllib.request

import openai
import pytest

from exagirl.chat.server.faults import ServeError
from exagirl.chat.server.keys import HostNames, check_host, is_right, read_key
from exagirl.chat.server.options import ServeOptions
from support.api_server import HELLO, NAME, api_of, read_all, tiny_backend

KEY = "sk-exagirl-0123456789"
FINE = {"model": NAME, "messages": HELLO, "max_tokens": 3, "seed": 1}


def error_of(api, body, **more):
    """Status and error of a refused request."""
    status, _, answer = read_all(api.raw(body, **more))
    error = json.loads(answer)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return status, error


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"messages": []}, 400, "messages"),
        ({"messages": None}, 400, "messages"),
        ({"messages": "안녕"}, 400, "messages"),
        ({"messages": [{"role": "robot", "content": "."}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 5}]}, 400, "messages.0.content"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, 400, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages"),
        ({"model": "gpt-4o"}, 404, "model"),
        ({"model": 5}, 400, "model"),
        ({"n": 2}, 400, "n"),
        ({"n": 0}, 400, "n"),
        ({"temperature": 2.5}, 400, "temperature"),
        ({"temperature": "warm"}, 400, "temperature"),
        ({"top_p": 0}, 400, "top_p"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 10**9}, 400, "max_tokens"),
        ({"max_completion_tokens": 10**30}, 400, "max_completion_tokens"),
        ({"seed": 2**70}, 400, "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, 400, "stop"),
        ({"stop": ""}, 400, "stop"),
        ({"stream": "perhaps"}, 400, "stream"),
    ],
)
def test_a_wrong_field_is_named(api, change, status, param):
    """The status that OpenAI gives, and the field in ``param``."""
    got, error = error_of(api, {**FINE, **change})
    assert (got, error["param"]) == (status, param)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"hi"', b"\xff\xfe", b'{"model": }', b"[" * 100_000]
)
def test_what_is_no_json_object_is_a_bad_request(api, body):
    """400, and the server goes on."""
    assert error_of(api, body)[0] == 400
    assert read_all(api.raw(FINE))[0] == 200


def test_a_body_beyond_the_limit_is_not_read(api):
    """413, whether its length was told or it came in pieces of unknown number."""
    status, error = error_of(api, {**FINE, "more": "가" * 2**20})
    assert (status, error["code"]) == (413, "request_too_large")
    body = json.dumps({**FINE, "more": "a" * (3 * 2**20)})
    kind, pieces = "Content-Type: application/json", "Transfer-Encoding: chunked"
    done = subprocess.run(
        [
            *("curl", "-s", f"{api.url}/v1/chat/completions", "-H", kind, "-H", pieces),
            *("--data-binary", "@-", "-w", "%{http_code}"),
        ],
        input=body,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("413")
    assert "request_too_large" in done.stdout


def test_a_message_of_a_megabyte_is_too_long_for_the_model(api):
    """400 with the count of tokens and the limit."""
    status, error = error_of(api, {**FINE, "messages": [{"role": "user", "content": "a" * 10**6}]})
    assert (status, error["code"]) == (400, "context_length_exceeded")


def test_prompt_and_reply_must_fit_together(api):
    """The prompt alone would fit."""
    words = [{"role": "user", "content": "책 " * 3600}]
    room = 4096 - api.backend.prepare(words).tokens
    assert 0 < room < 1000
    status, error = error_of(api, {**FINE, "messages": words, "max_tokens": room + 1})
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert read_all(api.raw({**FINE, "messages": words}))[0] == 200


def test_control_characters_are_words_like_others(api):
    """No letter of a message breaks a prompt or a stream."""
    words = "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029\ufeff\U0001f600"
    body = {**FINE, "messages": [{"role": "user", "content": words}], "stream": True}
    status, _, answer = read_all(api.raw(body))
    assert status == 200
    assert b"data: [DONE]" in answer


def test_another_path_or_method_is_refused_in_the_same_form(api):
    """404 and 405."""
    assert error_of(api, FINE, path="/v1/embeddings")[0] == 404
    assert error_of(api, FINE, path="/v1/models")[0] == 405


def test_the_official_client_raises_its_own_errors(api):
    """By the status and the form of the body."""
    with pytest.raises(openai.NotFoundError) as caught:
        api.client().chat.completions.create(**{**FINE, "model": "다른 모델"})
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="n은 1만"):
        api.client().chat.completions.create(**FINE, n=3)


def test_a_key_is_asked_for(talker):
    """Without it or with another 401, before the body is looked at; with it all is as usual."""
    with api_of(tiny_backend(talker), api_key=KEY) as api:
        for shown in ("", f"Authorization: Bearer {KEY}x\r\n", f"Authorization: Basic {KEY}\r\n"):
            status, head, answer = read_all(api.raw(b"{", headers=shown))
            assert status == 401
            assert "www-authenticate: bearer" in head
            assert KEY.encode() not in answer
        with pytest.raises(openai.AuthenticationError):
            api.client(api_key="wrong").models.list()
        assert api.client(api_key=KEY).chat.completions.create(**FINE).choices
        health = json.load(urllib.request.urlopen(f"{api.url}/health"))
        assert health == {"status": "ok", "running": 0, "waiting": 0}


def test_a_browser_elsewhere_is_let_in_only_where_it_was_named(talker):
    """No CORS header of itself; the named origin gets one, also on a refusal."""

    def origin_allowed(api, origin):
        asked = urllib.request.Request(f"{api.url}/v1/models", headers={"Origin": origin})
        try:
            answer = urllib.request.urlopen(asked)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.headers.get("Access-Control-Allow-Origin")

    here, there = "https://here.example", "https://there.example"
    backend = tiny_backend(talker)
    with api_of(backend) as api:
        assert origin_allowed(api, here) is None
    with api_of(backend, cors=(here,), api_key=KEY) as api:
        assert origin_allowed(api, here) == here
        assert origin_allowed(api, there) is None


def test_the_api_is_documented_without_anything_from_elsewhere(api):
    """openapi.json names every path and the fields of a request; there is no page with scripts."""
    schema = json.load(urllib.request.urlopen(f"{api.url}/openapi.json"))
    assert set(schema["paths"]) == {
        "/health",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/chat/completions",
    }
    assert "stream_options" in schema["components"]["schemas"]["ChatBody"]["properties"]
    assert {"400", "401", "404", "413", "429", "503"} <= set(
        schema["paths"]["/v1/chat/completions"]["post"]["responses"]
    )
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{api.url}/docs")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8000",
        "127.9.8.7",
        "LocalHost:1",
        "localhost.",
        "[::1]:80",
        "[::1]",
        "",
        "my.host",
    ],
)
def test_the_names_of_this_machine_are_answered(api, host):
    """With any port; and those that were allowed."""
    names = HostNames("127.0.0.1", ("My.Host",))
    assert names.takes(host)
    if host != "my.host":
        assert read_all(api.raw(FINE, host=host))[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8000", "192.168.0.5", "x"]
)
def test_a_page_that_rebinds_its_name_to_this_machine_is_refused(api, host):
    """403 on every path, told how to allow the name, before the body is read."""
    status, error = error_of(api, b"{", host=host)
    assert (status, error["code"]) == (403, "host_not_allowed")
    assert "--allow-host" in error["message"]
    assert error_of(api, FINE, host=host, path="/health")[0] == 403


def test_the_name_of_the_address_that_is_listened_on_is_answered():
    """A server in the open goes by any name, for it has a key, unless names are given."""
    assert HostNames("0.0.0.0").takes("anything.example")
    assert not HostNames("0.0.0.0", ("chat.example",)).takes("anything.example")
    assert HostNames("0.0.0.0", ("chat.example",)).takes("chat.example:443")
    assert HostNames("::1").takes("[::1]:8000")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.5", "example.com"])
def test_other_machines_are_not_let_in_without_a_key(host):
    """The message says how to give one."""
    with pytest.raises(ServeError, match="EXAGIRL_API_KEY"):
        check_host(host, None)
    check_host(host, ServeOptions(api_key=KEY).api_key)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_no_key(host):
    """Nobody else reaches a loopback address."""
    check_host(host, None)


def test_a_key_comes_from_the_environment_and_is_not_shown(monkeypatch):
    """Nor in the options' own text; a named variable must hold one."""
    monkeypatch.setenv("MY_KEY", KEY)
    key = read_key("MY_KEY")
    assert is_right(f"Bearer {KEY}", key)
    assert not is_right(f"Bearer {KEY[:-1]}", key)
    assert KEY not in repr(ServeOptions(api_key=key))
    monkeypatch.setenv("MY_KEY", "열쇠")
    with pytest.raises(ServeError, match="MY_KEY"):
        read_key("MY_KEY")
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(ServeError, match="MY_KEY"):
        read_key("MY_KEY")
