"""What the page shows of a conversation, without a browser."""

import html
import re

import pytest

pytest.importorskip("gradio", reason="the extra 'demo' is not installed")

from hypothesis import given
from hypothesis import strategies as st

from exagirl.chat.session import Session
from exagirl.chat.web.render import live_html, notice_html, past_html
from exagirl.chat.web.words import Words, language_of
from support.talkers import Talker, plain_character, says, talk_of

WORDS = Words()


def test_a_conversation_is_rendered_escaped():
    """What a person types cannot become markup."""
    session = Session(plain_character(), Talker("*웃으며* 응"))
    says(session, "<b>안녕</b>")
    page = past_html(session, WORDS)
    assert "&lt;b&gt;안녕&lt;/b&gt;" in page
    assert '<em class="action">웃으며</em> 응' in page


@given(st.text(max_size=40))
def test_whatever_is_said_stays_text(text):
    """No tag and no attribute but ours comes of any text."""
    inert = re.sub(r'"[^"]*"', '""', past_html(_session(), WORDS, asked=text))
    assert set(re.findall(r"<(/?\w+)", inert)) <= {"div", "/div", "em", "/em", "br"}


@given(st.text(alphabet="가\"'<>&\n*", max_size=12).filter(str.strip))
def test_the_words_to_edit_come_back_as_they_were(text):
    """What the editor opens with is what the turn holds."""
    session = _session()
    talk_of(session, [text])
    raw = re.search(r'data-raw="([^"]*)"', past_html(session, WORDS)).group(1)
    assert html.unescape(raw) == text


def test_a_long_chat_shows_its_end():
    """The turns before are a button away."""
    session = _session()
    talk_of(session, [f"{number}째" for number in range(250)])
    page = past_html(session, WORDS, shown=100)
    assert page.count('class="bubble"') == 100
    assert "앞의 150마디 더 보기" in page
    assert "249째" in page


def test_a_reply_that_has_not_begun_shows_that_it_is_awaited():
    """Dots stand where the words will."""
    assert 'class="dots"' in live_html("", WORDS)
    assert 'class="dots"' not in live_html("응", WORDS)


def test_a_notice_is_escaped_and_empty_without_words():
    """An error may hold anything."""
    assert notice_html("", WORDS) == ""
    assert "<img" not in notice_html("<img src=x>", WORDS)


@pytest.mark.parametrize("name", ["", "ko", "fr", None, "<script>"])
def test_an_unknown_language_is_korean(name):
    """English is asked for by name."""
    assert language_of(name) == "ko"
    assert language_of("en") == "en"


def _session():
    return Session(plain_character(), Talker())
