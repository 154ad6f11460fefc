"""Backends that talk by a rule, for conversations whose model does not matter."""

from exagirl.chat.conversation import Turn, Version
from exagirl.persona.character import Character, Speech


def plain_character(name="하루", **more):
    """A character with nothing but what it must have."""
    speech = Speech(level="banmal")
    return Character(name=name, description=f"{name}는 바닷가에 산다.", speech=speech, **more)


class Talker:
    """Says the given replies one after another, word by word; the last one again and again.

    A reply that is an exception is raised; a tuple is said piece by piece, and may end in one.
    A token is four letters of a message, and every message has three of its own.
    """

    def __init__(self, *replies):
        self.replies = list(replies) or ["응, 그래."]
        self.heard = []
        self.counted = 0

    def speak(self, messages, stop):
        """Stream the next reply until told to stop."""
        self.heard.append([dict(message) for message in messages])
        reply = self.replies[min(len(self.heard), len(self.replies)) - 1]
        pieces = reply if isinstance(reply, tuple) else (reply,)
        for piece in pieces:
            if isinstance(piece, BaseException):
                raise piece
            if stop.is_set():
                return
            yield piece

    def prompt_tokens(self, messages):
        """Four letters a token."""
        self.counted += 1
        tokens = []
        for message in messages:
            role = ("system", "user", "assistant").index(message["role"])
            tokens += [role] * (3 + -(-len(message["content"]) // 4))
        return tokens


def says(session, text, **more):
    """What a character answers."""
    return "".join(session.say(text, **more))


def raws(session):
    """What was said, as the model knows it."""
    return [turn.raw for turn in session.turns]


def talk_of(session, lines):
    """Lay turns down without asking a model; they alternate from the user on."""
    turns = [
        Turn(id=0, role=("user", "assistant")[at % 2], versions=(Version(raw=line),))
        for at, line in enumerate(lines)
    ]
    session._history.change(session._talk.adding(*turns), "깔기")
