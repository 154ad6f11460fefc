"""Only *actions* are markup; everything else is shown as typed."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chat.markup import ActionStream, as_html


@pytest.mark.parametrize(
    "text",
    ["좋아~진짜~", "1~2시간~", "^_^", "# 제목", "<script>alert(1)</script>", "a & b", "2*3=6"],
)
def test_text_is_shown_as_typed(text):
    """No markdown, no HTML of the model's or the user's own."""
    assert html.unescape(re.sub(r"<br>", "\n", as_html(text))) == text
    assert "<s" not in as_html(text)


def test_an_action_is_set_apart():
    """The asterisks become an element."""
    shown = as_html("*고개를 끄덕인다.*응")
    assert shown == '<em class="action">고개를 끄덕인다.</em>응'


def test_markup_inside_an_action_is_escaped():
    """An action cannot carry HTML either."""
    assert "<img" not in as_html("*<img src=x onerror=alert(1)>*")


@given(st.lists(st.text(alphabet="가나*~ <", max_size=4)))
def test_a_styled_stream_loses_nothing(pieces):
    """The spans of a stream are the stream."""
    stream = ActionStream()
    spans = [span.text for piece in pieces for span in stream.feed(piece)]
    assert "".join(spans) == "".join(pieces)


def test_an_action_is_one_style_across_pieces():
    """An action that arrives in pieces stays an action until it ends."""
    stream = ActionStream()
    spans = [span for piece in ("응 *웃", "으며* 좋아") for span in stream.feed(piece)]
    assert "".join(s.text for s in spans if s.is_action) == "*웃으며*"
