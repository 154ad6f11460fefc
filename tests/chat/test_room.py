"""Several characters in one room."""

from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chat.room import own_lines, who_speaks
from exagirl.chat.session import ChatError, Member, Session
from exagirl.chat.store import ChatStore
from support.talkers import Talker, plain_character, raws, says

SEA, HILL, JIN = plain_character("바다"), plain_character("언덕"), plain_character("진")


def room(*replies, user="지은"):
    """Three characters; each has a backend of its own."""
    others = [Member(HILL, Talker(*replies)), Member(JIN, Talker(*replies))]
    return Session(SEA, Talker(*replies), user=user, others=others)


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        ("언덕아, 자니?", 1),
        ("언덕이 그랬어? 바다야.", 1),
        ("진은 어때?", 2),
        ("진짜 좋다", 0),
        ("아무나 말해 봐", 0),
    ],
)
def test_who_is_named_speaks(text, speaker):
    """The first name counts; a name of one syllable is not found inside another word."""
    assert who_speaks(text, [SEA, HILL, JIN], "") == speaker


def test_by_alias_too():
    """A character answers to all its names."""
    named = SEA.model_copy(update={"aliases": ("Sea",)})
    assert who_speaks("hey sea!", [HILL, named], "") == 1


def test_without_a_name_they_take_turns():
    """In their order, round and round."""
    session = room("응.")
    for at in range(4):
        says(session, f"{at}")
    assert [t.speaker for t in session.turns if t.role == "assistant"] == [
        "바다",
        "언덕",
        "진",
        "바다",
    ]


def test_each_hears_the_others_with_their_names():
    """One's own words are one's own; the others' stand under their names in one message."""
    session = room("응.")
    says(session, "바다야")
    says(session, "언덕아")
    heard = session._voices[1].backend.heard[0]
    assert [m["role"] for m in heard] == ["system", "user"]
    assert heard[1]["content"] == "지은: 바다야\n바다: 응.\n지은: 언덕아"


def test_each_has_its_own_system_message():
    """With who else is there."""
    session = room("응.")
    says(session, "언덕아")
    system = session._voices[1].backend.heard[0][0]["content"]
    assert "너는 언덕이다" in system
    assert "바다, 진" in system


def test_a_character_speaks_without_a_word_from_the_person():
    """By name or by turn."""
    session = room("응.")
    says(session, "바다야")
    list(session.let_speak("진"))
    list(session.let_speak())
    assert [turn.speaker for turn in session.turns] == ["", "바다", "진", "바다"]
    with pytest.raises(ChatError, match="'산'은"):
        session.let_speak("산")


def test_a_room_is_resumed_with_all_who_were_in_it(tmp_path):
    """Each takes its turn as before; another cast is told who was there."""
    with ChatStore(tmp_path / "chats.sqlite") as store:
        before = room("응.")
        chat = before.store_in(store)
        says(before, "언덕아")
        session = room("그래.")
        session.resume(store, chat)
        assert session.cast == store.load(chat).cast == ("바다", "언덕", "진")
        list(session.let_speak())
        list(session.let_speak("바다"))
        assert [turn.speaker for turn in session.turns] == ["", "언덕", "진", "바다"]
        with pytest.raises(ChatError, match="바다, 언덕, 진과"):
            Session(SEA, Talker()).resume(store, chat)


def test_a_reply_that_speaks_for_another_ends_there():
    """A label of its own goes, another's ends it."""
    session = room(("바다: 안", "녕!\n언", "덕: 나도 안녕"))
    assert says(session, "바다야") == "안녕!"
    assert raws(session)[-1] == "안녕!"
    assert not session.turns[-1].is_cut


def test_a_reply_is_drawn_anew_by_who_spoke():
    """Not by whose turn it would be."""
    session = room("응.")
    says(session, "언덕아")
    list(session.regenerate())
    assert (session.turns[-1].speaker, session.turns[-1].versions) == ("언덕", 2)


def test_a_room_holds_four_at_most_and_no_two_of_a_name():
    """Both are told."""
    crowd = [Member(plain_character(f"{at}번"), Talker()) for at in range(4)]
    with pytest.raises(ChatError, match="4명까지"):
        Session(SEA, Talker(), others=crowd)
    with pytest.raises(ChatError, match="이름이 같은"):
        Session(SEA, Talker(), others=[Member(SEA, Talker())])


@given(
    st.lists(
        st.sampled_from(["바다", ":", " ", "\n", "언덕", "안녕", "지은: ", "*웃는다*"]), max_size=12
    ),
    st.data(),
)
def test_labels_are_found_however_a_reply_is_cut(words, data):
    """What comes out in pieces is what would come out at once."""
    text = "".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    streams = [own_lines(one, ["바다"], ["언덕", "지은"], Event()) for one in (pieces, [text])]
    found = ["".join(stream).strip() for stream in streams]
    assert found[0] == found[1]
    assert "\n언덕:" not in found[0]
