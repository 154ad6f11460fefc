"""The page of a scripted character, and a real browser that looks at it."""

import socket
from contextlib import contextmanager

from exagirl.chat.session import Session
from exagirl.chat.store import ChatStore
from exagirl.persona.character import load_character
from support.browser import CHROMIUM

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def served(talker, folder, *, character=None):
    """Serve the page on a free port; yields its address."""
    from exagirl.chat.web import build_page, serving_options

    first = Session(character or load_character("exa"), talker, user="민준")
    with ChatStore(folder / "chats.sqlite") as store:
        page = build_page(first, store=store, cards=folder / "cards")
        try:
            page.queue().launch(
                server_name="127.0.0.1",
                server_port=_free_port(),
                prevent_thread_lock=True,
                **serving_options(),
            )
            yield page.local_url
        finally:
            page.close()


@contextmanager
def browser():
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield chromium
        finally:
            chromium.close()


def opened(chromium, address, **more):
    """A window of its own on the page, ready to be typed into."""
    window = chromium.new_context(locale="ko-KR", **more).new_page()
    window.goto(address)
    ready(window)
    return window


def ready(window):
    """Wait until the page says who talks."""
    window.wait_for_selector("#state [data-seq]", state="attached")
    window.wait_for_selector("#who h1")


def say(window, text):
    """Type a line and send it with Enter."""
    window.locator("#say").fill(text)
    window.locator("#say").press("Enter")


def settled(window):
    """Wait until no reply is coming."""
    window.wait_for_function(
        "!document.body.classList.contains('is-busy') && !document.querySelector('#live .turn')"
    )


def bubbles(window):
    """What stands in the window, the greeting left out."""
    return window.locator("#past .turn:not(.greeting) .bubble").all_inner_texts()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
