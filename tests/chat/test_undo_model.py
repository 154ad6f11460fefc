"""Whatever is done in whatever order, a conversation is what a simple model says it is."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exagirl.chat.session import Session
from exagirl.chat.store import ChatStore
from support.talkers import Talker, plain_character

TEXT = st.text(alphabet="가나다 xyz.", min_size=1, max_size=6).filter(str.strip)


class Counted(Talker):
    """Never says the same twice."""

    def speak(self, messages, stop):
        """A number."""
        self.heard.append(messages)
        yield f"답 {len(self.heard)}"


class Talk(RuleBasedStateMachine):
    """A session in a store beside a list of [role, versions, chosen], with the lists before."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = ChatStore(Path(self.folder.name) / "chats.sqlite")
        self.session = Session(plain_character(), Counted())
        self.chat = self.session.store_in(self.store)
        self.turns, self.before = [], []

    def teardown(self):
        """Close what was opened."""
        self.store.close()
        self.folder.cleanup()

    def does(self, turns):
        """The model goes on."""
        if turns != self.turns:
            self.before.append(self.turns)
            self.turns = turns

    def reply(self):
        """What the backend says last."""
        return f"답 {len(self.session.backend.heard)}"

    @rule(text=TEXT)
    def say(self, text):
        """Two turns more."""
        list(self.session.say(text))
        asked = ("user", (text.strip(),), 0)
        self.does([*self.turns, asked, ("assistant", (self.reply(),), 0)])

    @precondition(lambda self: self.turns)
    @rule()
    def regenerate(self):
        """A version more, or a reply."""
        list(self.session.regenerate())
        role, versions, _ = self.turns[-1]
        if role == "user":
            self.does([*self.turns, ("assistant", (self.reply(),), 0)])
        else:
            more = (*versions, self.reply())
            self.does([*self.turns[:-1], (role, more, len(more) - 1)])

    @precondition(lambda self: self.turns)
    @rule(data=st.data(), text=TEXT)
    def edit(self, data, text):
        """Other words for the chosen version."""
        at = data.draw(st.integers(0, len(self.turns) - 1))
        self.session.edit(at, text)
        role, versions, chosen = self.turns[at]
        other = (*versions[:chosen], text.strip(), *versions[chosen + 1 :])
        self.does([*self.turns[:at], (role, other, chosen), *self.turns[at + 1 :]])

    @precondition(lambda self: self.turns)
    @rule(data=st.data(), and_after=st.booleans())
    def delete(self, data, and_after):
        """One less, or a tail less."""
        at = data.draw(st.integers(0, len(self.turns) - 1))
        self.session.delete(at, and_after=and_after)
        self.does([*self.turns[:at], *([] if and_after else self.turns[at + 1 :])])

    @precondition(lambda self: any(len(versions) > 1 for _, versions, _ in self.turns))
    @rule(data=st.data())
    def swipe(self, data):
        """Another version of some turn."""
        many = [at for at, turn in enumerate(self.turns) if len(turn[1]) > 1]
        at = data.draw(st.sampled_from(many))
        role, versions, chosen = self.turns[at]
        is_last = chosen == len(versions) - 1
        (self.session.previous_version if is_last else self.session.next_version)(at)
        moved = (role, versions, chosen + (-1 if is_last else 1))
        self.does([*self.turns[:at], moved, *self.turns[at + 1 :]])

    @precondition(lambda self: self.before)
    @rule()
    def undo(self):
        """Back to the list before."""
        self.session.undo()
        self.turns = self.before.pop()

    @rule()
    def reopen(self):
        """Another session goes on with the same chat."""
        heard = self.session.backend.heard
        self.session = Session(plain_character(), Counted())
        self.session.backend.heard = heard
        self.session.resume(self.store, self.chat)

    @invariant()
    def they_agree(self):
        """Turn by turn, version by version: in the session and in the store."""
        stored = self.store.load(self.chat).conversation.turns
        found = [(t.role, tuple(v.raw for v in t.versions), t.chosen) for t in stored]
        assert found == self.turns
        assert [turn.raw for turn in self.session.turns] == [v[c] for _, v, c in self.turns]


Talk.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestTalk = Talk.TestCase
