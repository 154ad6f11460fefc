"""A conversation keeps what was said, with the names filled in."""

import json
from threading import Event

import pytest

from exagirl.chat.session import Session
from exagirl.errors import ModelError
from exagirl.persona.character import load_character


class Parrot:
    """A backend that streams fixed pieces and remembers what it was given."""

    def __init__(self, *pieces, fault=None):
        self.pieces, self.fault, self.heard = pieces, fault, []

    def speak(self, messages, stop):
        """Stream the pieces until told to stop."""
        self.heard.append(messages)
        for piece in self.pieces:
            if stop.is_set():
                return
            yield piece
        if self.fault:
            raise self.fault

    def prompt_tokens(self, messages):
        """Not used here."""
        return []


@pytest.fixture
def exa():
    """The built-in character."""
    return load_character("exa")


def test_a_reply_names_the_user_with_the_right_particle(exa):
    """The placeholder is filled in what people see; the model keeps its own words."""
    backend = Parrot("*{유", "저}의 어깨를 ", "토닥이며* {유저}", "야, 힘내!")
    session = Session(exa, backend, user="민준")
    assert "".join(session.say("안녕")) == "*민준이의 어깨를 토닥이며* 민준아, 힘내!"
    assert session.turns[-1].raw == "*{유저}의 어깨를 토닥이며* {유저}야, 힘내!"


def test_an_intimate_character_speaks_of_the_user_as_a_friend(exa):
    """지은이가, but 지은아, where the card asks for it."""
    pieces = ("{유저}가 왔네. {유저}야!",)
    said = ["".join(Session(c, Parrot(*pieces), user="지은").say("나 왔어")) for c in _both(exa)]
    assert said == ["지은이 왔네. 지은아!", "지은이가 왔네. 지은아!"]


def _both(character):
    """The character at arm's length, and as a close friend."""
    for is_close in (False, True):
        speech = character.speech.model_copy(update={"intimate": is_close})
        yield character.model_copy(update={"speech": speech})


def test_the_model_hears_the_whole_conversation(exa):
    """Each request carries every turn so far, in order."""
    backend = Parrot("응!")
    session = Session(exa, backend)
    for line in ("하나", "둘"):
        list(session.say(line))
    assert [m["content"] for m in backend.heard[-1]] == ["하나", "응!", "둘"]


def test_a_stopped_reply_is_kept_as_far_as_it_came(exa):
    """Stopping ends the stream; what was said stays said."""
    stop = Event()
    session = Session(exa, Parrot("안녕! ", "나는 ", "엑사야."))
    for _ in session.say("안녕", stop):
        stop.set()
    assert session.turns[-1].raw == "안녕!"


def test_a_reply_that_fails_midway_keeps_what_came(exa):
    """The fault is raised, the streamed part stays."""
    session = Session(exa, Parrot("음, ", fault=ModelError("끊김")))
    with pytest.raises(ModelError, match="끊김"):
        list(session.say("안녕"))
    assert session.turns[-1].raw == "음,"


def test_a_reply_of_nothing_leaves_the_conversation_as_it_was(exa):
    """A fault before the first word costs nothing; asking again works."""
    session = Session(exa, Parrot(fault=ModelError("끊김")))
    with pytest.raises(ModelError):
        list(session.say("안녕"))
    assert session.turns == []


def test_a_conversation_is_saved_a_turn_a_line(exa, tmp_path):
    """JSONL with the raw and the shown text."""
    session = Session(exa, Parrot("{유저}야!"), user="지은")
    list(session.say("안녕"))
    saved = session.save(tmp_path / "c" / "a.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in saved.splitlines()]
    assert [row["shown"] for row in rows] == ["안녕", "지은아!"]


def test_the_greeting_names_the_user(exa):
    """The first greeting, filled in."""
    assert "민준" in Session(exa, Parrot(), user="민준").greeting()
