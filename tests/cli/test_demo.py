"""``exagirl demo`` with whatever can speak for a character."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest

pytest.importorskip("gradio", reason="the extra 'demo' is not installed")

from exagirl.chat.store import ChatStore
from exagirl.persona.card import write_card
from exagirl.persona.character import load_character
from support.browser import needs_browser
from support.pictures import red_png
from support.sse_server import StreamServer
from support.talkers import plain_character


def command_of(*arguments):
    """The command in a process of its own."""
    return [sys.executable, "-m", "exagirl", "demo", *map(str, arguments)]


def run(*arguments):
    """Run a command that ends by itself."""
    done = subprocess.run(command_of(*arguments), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


@contextmanager
def demo(*arguments):
    """Serve the page until the block ends; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    process = subprocess.Popen(
        command_of(*arguments, "--port", port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(address).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        assert "Traceback" not in out


def test_help_names_what_can_be_opened():
    """The options are those of chat."""
    words = run("--help").stdout
    shown = re.sub(r"\x1b\[[0-9;]*m", "", words)
    for option in ("--character", "--with", "--model", "--api-key-env", "--context", "--host"):
        assert option in shown
    assert "RUN|MODEL|URL" in shown


def test_an_address_needs_to_be_told_who_speaks(tmp_path):
    """Exit code 2 and what to add; nothing is opened."""
    done = run("http://127.0.0.1:9/v1", "--runs", tmp_path)
    assert done.returncode == 2
    assert "--character" in done.stderr


def test_a_room_of_five_is_refused(tmp_path):
    """Before anything is loaded."""
    others = [part for _ in range(4) for part in ("--with", "busan")]
    done = run("http://127.0.0.1:9/v1", "--character", "exa", *others, "--runs", tmp_path)
    assert done.returncode == 2
    assert "4명" in done.stderr


@needs_browser
@pytest.mark.slow
def test_an_address_speaks_for_a_room_with_the_picture_of_a_card(tmp_path):
    """Who was named is there with their face; what is said stands in the file beside the runs."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    from support.web_page import browser, counted, opened, say

    card = write_card(plain_character("하루"), tmp_path / "haru.png", portrait=red_png())
    butler = load_character("butler").name
    with (
        StreamServer(["파도 소리 ", "들려?"]) as server,
        demo(
            server.url,
            "--character",
            card,
            "--with",
            "butler",
            "--user",
            "지은",
            "--runs",
            tmp_path,
        ) as address,
        browser() as chromium,
    ):
        window = opened(chromium, address)
        assert window.locator("#who h1").inner_text() == f"하루 · {butler}"
        sources = [one.get_attribute("src") for one in window.locator("#who img").all()]
        assert [source[:15] for source in sources] == ["data:image/webp", "data:image/svg+"]
        say(window, "하루야, 뭐 해?")
        counted(window, 2)
    with ChatStore(tmp_path / "chats.sqlite") as store:
        (chat,) = store.chats()
    assert (chat.cast, chat.turns) == (("하루", butler), 2)
