"""A reply that falls out of its role is drawn once more, where that is asked for."""

from threading import Event

import pytest

from exagirl.chat.session import ChatOptions, Session
from exagirl.errors import ModelError
from support.talkers import Talker, plain_character, raws, says

BAD = "저는 인공지능 언어 모델이라서 도와드릴 수 없습니다."
GOOD = "바다 보러 가자."
CHECKED = ChatOptions(resamples=True)


def session_of(*replies, options=CHECKED):
    """A talk with a character that says these."""
    return Session(plain_character(), Talker(*replies), options=options)


def test_by_default_no_reply_is_drawn_again():
    """It costs a second reply, and the first could not be streamed."""
    session = session_of(BAD, GOOD, options=ChatOptions())
    assert says(session, "안녕") == BAD
    assert len(session.backend.heard) == 1


def test_a_reply_out_of_role_is_drawn_once_more():
    """The second is shown; the first stays as a version."""
    session = session_of(BAD, GOOD)
    assert says(session, "안녕") == GOOD
    assert session.versions() == [BAD, GOOD]
    assert session.turns[-1].raw == GOOD


def test_a_second_reply_out_of_role_is_not_drawn_again():
    """Once is enough."""
    session = session_of(BAD, BAD + " 죄송합니다.", GOOD)
    says(session, "안녕")
    assert len(session.backend.heard) == 2


def test_a_good_reply_is_not_drawn_again():
    """One request, one version."""
    session = session_of(GOOD, BAD)
    assert says(session, "안녕") == GOOD
    assert session.versions() == [GOOD]


def test_a_second_try_of_nothing_leaves_the_first():
    """Something is shown."""
    session = session_of(BAD, "")
    assert says(session, "안녕") == BAD
    assert session.versions() == [BAD]


def test_a_second_try_that_dies_leaves_both():
    """What was streamed of it is a version, and the fault is raised."""
    session = session_of(BAD, ("바다", ModelError("끊김")))
    with pytest.raises(ModelError):
        says(session, "안녕")
    assert session.versions() == [BAD, "바다"]


def test_a_first_try_that_dies_is_shown_as_far_as_it_came():
    """Though it was held back till then."""
    session = session_of(("바다", ModelError("끊김")))
    seen = []
    with pytest.raises(ModelError):
        seen.extend(session.say("안녕"))
    assert raws(session)[-1] == "바다"
    running = session_of(("바다", ModelError("끊김"))).say("안녕")
    assert next(running) + next(running) == "바다"


def test_a_stopped_reply_is_not_drawn_again():
    """Who stops wants no more."""
    stop = Event()

    class Stopper(Talker):
        def speak(self, messages, inner):
            self.heard.append(messages)
            yield BAD
            stop.set()

    session = Session(plain_character(), Stopper(), options=CHECKED)
    says(session, "안녕", stop=stop)
    assert (len(session.backend.heard), session.versions()) == (1, [BAD])


def test_a_look_at_a_reply_tells_what_is_wrong():
    """With the codes of the Korean check."""
    session = session_of(BAD, options=ChatOptions())
    says(session, "안녕")
    assert {"break.ai"} <= {finding.code for finding in session.check()}
