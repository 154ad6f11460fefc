"""The page of a scripted character, and a real browser that looks at it."""

import socket
from contextlib import ExitStack, contextmanager

from exagirl.chat.session import Session
from exagirl.chat.store import ChatStore
from exagirl.chatmodel.sampling import Sampling
from exagirl.persona.character import load_character
from support.browser import CHROMIUM
from support.talkers import Talker

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class TunableTalker(Talker):
    """Says how it was told to draw its reply."""

    def __init__(self, sampling=None):
        self.sampling = sampling or Sampling()
        super().__init__(f"{self.sampling.temperature}도, {self.sampling.max_new_tokens}토큰.")

    def with_sampling(self, sampling):
        """One that says the other way."""
        return TunableTalker(sampling)


@contextmanager
def served(talker, folder, *, character=None, is_kept=True, guests=()):
    """Serve the page on a free port; yields its address.

    Where nothing is kept, it is the page that strangers meet.
    """
    from exagirl.chat.web import build_page, serving_options

    first = Session(character or load_character("exa"), talker, user="민준")
    with ExitStack() as stack:
        kept = {}
        if is_kept:
            store = stack.enter_context(ChatStore(folder / "chats.sqlite"))
            kept = {"store": store, "cards": folder / "cards"}
        page = build_page(first, **kept, guests=guests)
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


def counted(window, turns):
    """Wait until so many bubbles stand there, the greeting among them, and no reply is coming."""
    window.wait_for_function(
        "many => document.querySelectorAll('#past .turn').length === many", arg=turns
    )
    settled(window)


def drawer(window, *parts):
    """Open the drawer, and parts of it by their titles."""
    window.locator("[data-do=settings]").click()
    window.locator(".sidebar.open").wait_for()
    for part in parts:
        window.get_by_text(part, exact=True).click()


def slide(window, name, value):
    """Move a slider of the drawer and let it go."""
    slider = window.locator(f"#{name} input[type=range]")
    slider.fill(str(value))
    slider.dispatch_event("pointerup")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
