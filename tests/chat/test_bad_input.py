"""Whatever is typed or comes from a model, the conversation stays whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.chat.session import ChatError, ChatOptions, Session
from exagirl.chat.store import ChatStore
from exagirl.korean.normalise import is_normal
from support.talkers import Talker, plain_character, raws, says


def session_of(*replies, **more):
    """A talk with a character that says these."""
    return Session(plain_character(), Talker(*replies), **more)


@pytest.mark.parametrize("text", ["", "   \n", "\u200b\u200b", "\x00\x1b"])
def test_nothing_is_not_said(text):
    """Invisible letters are nothing too; the model is not asked."""
    session = session_of()
    with pytest.raises(ChatError, match="빈 글"):
        session.say(text)
    assert session.backend.heard == []


def test_a_megabyte_is_refused_before_the_model_is_asked():
    """With how much may be said."""
    session = session_of()
    with pytest.raises(ChatError, match="1,000,000자는 너무 깁니다. 4,000자까지"):
        session.say("가" * 1_000_000)
    assert (session.turns, session.backend.heard) == ([], [])


def test_control_characters_are_dropped():
    """From what is typed and from what the model says."""
    session = session_of("\x1b[31m응\x07")
    says(session, "안\x00녕\u202e")
    assert raws(session) == ["안녕", "[31m응"]


def test_half_letters_of_a_model_can_be_stored(tmp_path):
    """A token may hold half of one."""
    with ChatStore(tmp_path / "chats.sqlite") as store:
        session = session_of("가\ud83d나")
        session.store_in(store)
        says(session, "안녕")
        assert store.load(session.chat_id).conversation.turns[-1].raw == "가나"


def test_an_endless_reply_ends():
    """At the longest that a reply may be."""

    class Endless(Talker):
        def speak(self, messages, stop):
            while not stop.is_set():
                yield "끝없이 "

    session = Session(plain_character(), Endless(), options=ChatOptions(max_reply_chars=100))
    assert len(says(session, "안녕")) <= 100
    assert session.turns[-1].is_cut


@pytest.mark.parametrize(
    "change",
    [
        lambda s, text: s.edit(0, text),
        lambda s, text: s.pin(text),
        lambda s, text: s.set_note(text),
        lambda s, text: s.set_persona(text),
        lambda s, text: s.rename_user(text),
        lambda s, text: s.set_title(text),
    ],
)
def test_every_text_is_bounded(change):
    """Notes and names like words."""
    session = session_of()
    says(session, "안녕")
    before = (session.turns, session.setting)
    with pytest.raises(ChatError, match="너무 깁니다"):
        change(session, "가" * 5000)
    assert (session.turns, session.setting) == before


def test_pins_are_few():
    """Each is given with every prompt."""
    session = session_of()
    for at in range(50):
        session.pin(f"{at}")
    with pytest.raises(ChatError, match="50개까지"):
        session.pin("하나 더")


@settings(deadline=None)
@given(text=st.text(max_size=60), reply=st.text(max_size=60))
def test_whatever_is_said_is_stored_in_normal_form(tmp_path_factory, text, reply):
    """In the session and in the file, and both are the same."""
    folder = tmp_path_factory.mktemp("any")
    with ChatStore(folder / "chats.sqlite") as store:
        session = session_of(reply)
        session.store_in(store)
        try:
            says(session, text)
        except ChatError:
            assert session.turns == []
        said = raws(session)
        assert all(is_normal(one) and one.strip() == one != "" for one in said)
        assert [t.raw for t in store.load(session.chat_id).conversation.turns] == said
