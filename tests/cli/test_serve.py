"""``exagirl serve`` as a process: it says where it is, and ends as told."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import openai
import pytest

from support.api_server import HELLO, LONG, NAME, save_talker
from support.sse_server import StreamServer

KEY = "sk-exagirl-0123456789"


@pytest.fixture(scope="module")
def talker(tmp_path_factory):
    """A model that does not end of itself."""
    return save_talker(tmp_path_factory.mktemp("serve"), is_endless=True)


def start(*arguments, **environment):
    """The command with pipes on its output."""
    return subprocess.Popen(
        [sys.executable, "-m", "exagirl", "serve", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


@contextmanager
def serving(*arguments, **environment):
    """A server that answers, and its client."""
    process = start(*arguments, "--port", 0, **environment)
    try:
        found, told = None, ""
        while not found:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            told += line
            found = re.search(r"http://\S+?/v1", told)
        key = environment.get("EXAGIRL_API_KEY", "none")
        with openai.OpenAI(base_url=found[0], api_key=key, max_retries=0) as client:
            yield process, client
    finally:
        process.kill()
        process.communicate()


def refused(*arguments, **environment):
    """Exit code and words of a command that does not start."""
    process = start(*arguments, **environment)
    _, words = process.communicate(timeout=60)
    return process.returncode, words


def test_sigterm_finishes_what_is_running_and_ends_with_0(talker):
    """The stream comes whole; new requests are refused meanwhile; the exit code says done."""
    with serving(talker, "--max-tokens", 3500) as (process, client):
        stream = client.chat.completions.create(**{**LONG, "max_tokens": 1500}, stream=True)
        chunks = [next(stream)]
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        with pytest.raises((openai.APIConnectionError, openai.InternalServerError)):
            client.chat.completions.create(model=NAME, messages=HELLO, max_tokens=2)
        chunks += list(stream)
        assert chunks[-1].choices[0].finish_reason == "length"
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""


def test_a_client_that_goes_away_leaves_no_words_behind(talker):
    """Its reply ends; the screen stays as it was."""
    with serving(talker, "--max-tokens", 3500) as (process, client):
        with client.chat.completions.create(**LONG, stream=True) as stream:
            next(iter(stream))
        assert client.chat.completions.create(model=NAME, messages=HELLO, max_tokens=2).choices
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""


def test_a_second_signal_ends_at_once(talker):
    """Who is in a hurry does not wait for the reply."""
    with serving(talker, "--max-tokens", 3500) as (process, client):
        stream = client.chat.completions.create(**LONG, stream=True)
        next(stream)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=3) == 0
        assert "Traceback" not in process.stderr.read()
        with pytest.raises(Exception, match="."):
            assert list(stream)[-1].choices[0].finish_reason, "cut off"


def test_a_key_from_the_environment_is_asked_for_and_not_printed(talker):
    """With it the public address opens."""
    with serving(talker, "--host", "0.0.0.0", EXAGIRL_API_KEY=KEY) as (process, client):
        assert client.models.list().data[0].id == NAME
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="sk-other").models.list()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert KEY not in out + err


def test_the_model_behind_an_address_speaks_as_a_character():
    """It is told the character, with the names filled; its key goes there and is not printed."""
    with StreamServer(["{유저}가 ", "왔네!"], models=("one", "two")) as behind:
        options = ("--model", "two", "--character", "exa", "--user", "지은")
        options = (*options, "--upstream-key-env", "BEHIND_KEY")
        with serving(behind.url, *options, BEHIND_KEY=KEY) as (process, client):
            assert client.models.list().data[0].id == "two"
            reply = client.chat.completions.create(model="two", messages=HELLO)
            own = [{"role": "system", "content": "너는 집사다."}, *HELLO]
            client.chat.completions.create(model="two", messages=own)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
    assert reply.choices[0].message.content == "지은이가 왔네!"
    told, other = behind.bodies
    assert told["model"] == "two"
    assert [one["role"] for one in told["messages"]] == ["system", "user"]
    assert "엑사" in told["messages"][0]["content"]
    assert "{유저}" not in told["messages"][0]["content"]
    assert other["messages"] == own
    assert behind.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in out + err


def test_the_only_model_behind_an_address_need_not_be_named():
    """Of several one is to be chosen; the message lists them."""
    with StreamServer(["응"]) as behind, serving(behind.url) as (_, client):
        assert client.models.list().data[0].id == "tiny"
    with StreamServer(["응"], models=("one", "two")) as behind:
        code, told = refused(behind.url)
        assert code == 2
        assert "--model" in told
        assert "one, two" in told


def test_a_name_that_a_proxy_before_it_sends_is_answered_once_allowed(talker):
    """Any other name is refused on this machine."""
    with serving(talker, "--allow-host", "chat.example") as (_, client):
        named = client.with_options(default_headers={"Host": "chat.example"})
        assert named.models.list().data[0].id == NAME
        with pytest.raises(openai.PermissionDeniedError, match="--allow-host"):
            client.with_options(default_headers={"Host": "evil.example"}).models.list()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "m"], ["--model", "주소"]),
        (["--character", "exo"], ["exo"]),
        (["--host", "0.0.0.0"], ["EXAGIRL_API_KEY", "--host"]),
        (["--api-key-env", "NO_SUCH_KEY"], ["NO_SUCH_KEY", "export"]),
    ],
)
def test_a_wrong_start_says_what_to_do(talker, arguments, words):
    """Exit code 2 before the model is read, no traceback."""
    code, told = refused(talker, *arguments)
    assert code == 2
    assert all(word in told for word in words)
    assert "Traceback" not in told


def test_a_port_that_is_taken_and_a_run_that_is_not_there_are_told(talker, tmp_path):
    """Exit code 2, and the next number to try."""
    with serving(talker) as (_, client):
        port = client.base_url.port
        code, told = refused(talker, "--port", port)
        assert code == 2
        assert f"--port {port + 1}" in told
    code, told = refused("없는것", "--runs", tmp_path)
    assert code == 2
    assert "없는것" in told
