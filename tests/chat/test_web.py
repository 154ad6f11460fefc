"""The page is rendered by us."""

import pytest

gradio = pytest.importorskip("gradio", reason="the extra 'demo' is not installed")

from exagirl.chat.session import Session  # noqa: E402
from exagirl.chat.web import render  # noqa: E402
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
