"""Turns have versions; every change can be taken back."""

from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chat.session import ChatError, Session
from exagirl.errors import ModelError
from support.talkers import Talker, plain_character, raws, says


def session_of(*replies, **more):
    """A talk with a character that says these."""
    return Session(plain_character(**more), Talker(*replies), user="지은")


def test_a_reply_drawn_anew_is_a_version_more():
    """Both stay; the new one counts."""
    session = session_of("하나", "둘")
    says(session, "안녕")
    assert "".join(session.regenerate()) == "둘"
    assert (session.turns[-1].raw, session.turns[-1].version, session.turns[-1].versions) == (
        "둘",
        2,
        2,
    )


def test_a_reply_is_drawn_anew_without_the_old_one_in_sight():
    """The model hears what it heard the first time."""
    session = session_of("하나", "둘")
    says(session, "안녕")
    list(session.regenerate())
    assert session.backend.heard[0] == session.backend.heard[1]


def test_versions_are_leafed_through():
    """Back to the first and forth to the last, and no further."""
    session = session_of("하나", "둘")
    says(session, "안녕")
    list(session.regenerate())
    assert session.previous_version().raw == "하나"
    with pytest.raises(ChatError, match="이전 답이 없습니다"):
        session.previous_version()
    assert session.next_version().raw == "둘"
    with pytest.raises(ChatError, match="다음 답이 없습니다"):
        session.next_version()


def test_the_chosen_version_is_what_the_model_hears():
    """A version that was turned away from is not said."""
    session = session_of("하나", "둘", "셋")
    says(session, "안녕")
    list(session.regenerate())
    session.previous_version()
    says(session, "그래서?")
    assert [m["content"] for m in session.backend.heard[-1]] == ["안녕", "하나", "그래서?"]


def test_any_turn_can_be_edited():
    """The user's first words too; what follows stays."""
    session = session_of("하나")
    says(session, "안녕")
    session.edit(0, "잘 가")
    assert raws(session) == ["잘 가", "하나"]


def test_an_edited_reply_names_the_user():
    """A placeholder that was typed is filled in."""
    session = session_of("하나")
    says(session, "안녕")
    assert session.edit(-1, "{유저}야!").shown == "지은아!"


def test_a_turn_is_deleted_alone_or_with_what_follows():
    """Two ways to take away."""
    session = session_of("하나", "둘")
    says(session, "가")
    says(session, "나")
    session.delete(1)
    assert raws(session) == ["가", "나", "둘"]
    session.delete(1, and_after=True)
    assert raws(session) == ["가"]


def test_a_question_without_a_reply_is_answered_by_regenerate():
    """After the reply was deleted, it is a new one."""
    session = session_of("하나", "둘")
    says(session, "가")
    session.delete()
    assert "".join(session.regenerate()) == "둘"
    assert raws(session) == ["가", "둘"]


def test_a_reply_goes_on_where_it_ended():
    """Only what is new is streamed; the turn holds both."""
    session = session_of("그래서 {유저}", "한테 갔어.")
    says(session, "가")
    assert "".join(session.continue_reply()) == " 한테 갔어."
    assert session.turns[-1].raw == "그래서 {유저} 한테 갔어."


class Goer(Talker):
    """A backend that can write on within a reply."""

    def go_on(self, messages, stop):
        """Finish the sentence."""
        self.heard.append(messages)
        yield "아 왔어."


def test_a_backend_that_can_writes_on_within_the_word():
    """Nothing is put between; the particle follows the name over the joint."""
    session = Session(plain_character(), Goer("{유저}"), user="지은")
    says(session, "가")
    assert "".join(session.continue_reply()) == "아 왔어."
    assert session.turns[-1].raw == "{유저}아 왔어."


def test_a_blank_at_the_joint_is_kept():
    """What is stored is what was shown."""

    class Blank(Goer):
        def go_on(self, messages, stop):
            yield " 바빴어 "

    session = Session(plain_character(), Blank("오늘은 좀"), user="지은")
    says(session, "가")
    list(session.continue_reply())
    assert session.turns[-1].raw == "오늘은 좀 바빴어"


class Within(Talker):
    """Says its first reply as a whole, and the second within it."""

    def go_on(self, messages, stop):
        """The next reply."""
        return self.speak(messages, stop)


PARTS = ["{유저}", "{유", "저}", "는", "가", "야", " ", "\n", "*", "\u200b", "ᄒ", "ᅡ", "나 "]
PIECES = st.lists(st.sampled_from(PARTS), max_size=7).map(tuple)


@given(first=PIECES, second=PIECES, goes_on=st.booleans())
def test_what_is_yielded_is_what_is_added_to_the_turn(first, second, goes_on):
    """But for blanks at the end; the blank at the joint is yielded too."""
    first = ("음. ", *first, "끝.")
    backend = (Within if goes_on else Talker)(first, second)
    session = Session(plain_character(), backend, user="지은")
    assert says(session, "가").rstrip() == (shown := session.turns[-1].shown)
    added = "".join(session.continue_reply())
    assert (shown + added).rstrip() == session.turns[-1].shown


def test_only_a_reply_can_go_on():
    """The user's words are the user's."""
    session = session_of("하나")
    says(session, "가")
    session.delete()
    with pytest.raises(ChatError, match="캐릭터의 말이 아닙니다"):
        session.continue_reply()


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.edit(0, "다른 말"),
        lambda s: s.delete(0),
        lambda s: s.clear(),
        lambda s: s.previous_version(),
        lambda s: list(s.regenerate()),
        lambda s: list(s.continue_reply()),
        lambda s: says(s, "또"),
        lambda s: s.choose_greeting(1),
        lambda s: s.set_note("비가 온다"),
        lambda s: s.pin("고양이를 키운다"),
        lambda s: s.rename_user("민준"),
        lambda s: s.set_persona("작가"),
    ],
)
def test_every_change_can_be_taken_back(change):
    """After undo all is as before, the settings too."""
    session = session_of("하나", "둘", "셋", greetings=("첫째", "둘째"))
    says(session, "안녕")
    list(session.regenerate())
    before = (session.turns, session.setting)
    change(session)
    assert (session.turns, session.setting) != before
    session.undo()
    assert (session.turns, session.setting) == before


def test_undo_says_what_it_took_back():
    """The last change first; at the end there is nothing."""
    session = session_of("하나")
    says(session, "안녕")
    session.pin("비밀")
    assert [session.can_undo, session.undo(), session.undo()] == [
        "기억 고정",
        "기억 고정",
        "말하기",
    ]
    with pytest.raises(ChatError, match="되돌릴 것이 없습니다"):
        session.undo()


def test_a_greeting_is_chosen():
    """It is shown with the names filled in."""
    session = session_of(greetings=("{유저}야", "{유저}가 왔네"))
    assert session.choose_greeting(1) == "지은이 왔네"
    assert session.choose_greeting(-1) == ""
    with pytest.raises(ChatError, match="2번 첫인사는 없습니다"):
        session.choose_greeting(2)


def test_a_dead_backend_leaves_a_cut_version_that_can_be_drawn_anew():
    """What was streamed stays, marked; retry works."""
    session = session_of(("반만", ModelError("끊김")), "온전히")
    with pytest.raises(ModelError):
        says(session, "안녕")
    assert (session.turns[-1].raw, session.turns[-1].is_cut) == ("반만", True)
    list(session.regenerate())
    assert (session.turns[-1].raw, session.turns[-1].is_cut) == ("온전히", False)


def test_a_retry_that_dies_too_keeps_the_versions():
    """Nothing of what was had before is lost."""
    session = session_of("하나", (ModelError("끊김"),), "둘")
    says(session, "안녕")
    with pytest.raises(ModelError):
        list(session.regenerate())
    assert (raws(session), session.turns[-1].versions) == (["안녕", "하나"], 1)


def test_two_replies_do_not_run_at_once():
    """The second is told to wait, and the talk stays whole."""
    session = session_of(("하나", " 둘"))
    running = session.say("안녕")
    first = next(running)
    with pytest.raises(ChatError, match="아직 답하고 있습니다"):
        list(session.say("저기"))
    with pytest.raises(ChatError, match="아직 답하고 있습니다"):
        session.pin("비밀")
    assert first + "".join(running) == "하나 둘"
    assert raws(session) == ["안녕", "하나 둘"]


def test_a_reply_that_is_let_go_is_kept_as_far_as_it_came():
    """Closing the stream is stopping it."""
    session = session_of(("하나", " 둘"))
    running = session.say("안녕", Event())
    next(running)
    running.close()
    assert (session.turns[-1].raw, session.turns[-1].is_cut) == ("하나", True)


def test_a_turn_that_is_not_there_is_named():
    """With how many there are."""
    session = session_of("하나")
    says(session, "안녕")
    with pytest.raises(ChatError, match="7번째 말은 없습니다. 이 대화에는 2마디"):
        session.edit(7, "다른")


def test_words_that_got_no_reply_are_not_lost():
    """They can be put back into the box; a reply lets them go."""
    session = session_of((ModelError("끊김"),), "응")
    with pytest.raises(ModelError):
        says(session, "안녕")
    assert (session.turns, session.unsent) == ([], "안녕")
    says(session, session.unsent)
    assert session.unsent == ""
