"""The page: served on this machine, rendered by us."""

import socket
import urllib.request

import pytest

gradio = pytest.importorskip("gradio", reason="the extra 'demo' is not installed")

from exagirl.chat.session import Session  # noqa: E402
from exagirl.chat.web import build_page, page_style, render  # noqa: E402
from exagirl.persona.character import load_character  # noqa: E402


class Silent:
    """A backend that is not asked."""

    def speak(self, messages, stop):
        """Say nothing."""
        return iter(())

    def prompt_tokens(self, messages):
        """Give nothing."""
        return []


def test_a_conversation_is_rendered_escaped():
    """What a person types cannot become markup."""
    page = render(Session(load_character("exa"), Silent()), "<b>안녕</b>", "*웃으며* 응")
    assert "&lt;b&gt;안녕&lt;/b&gt;" in page
    assert '<em class="action">웃으며</em> 응' in page


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_page_is_served_on_loopback():
    """It answers on 127.0.0.1 and names the character."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page = build_page(lambda: Session(load_character("exa"), Silent()))
    page.launch(
        server_name="127.0.0.1",
        server_port=port,
        css=page_style(),
        quiet=True,
        prevent_thread_lock=True,
    )
    try:
        body = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).read().decode()
    finally:
        page.close()
    assert "엑사" in body
