"""How much of a conversation the model reads at each turn: counted, not timed."""

from itertools import pairwise
from typing import NamedTuple

import pytest

from exagirl.chat.prompt import LOW_WATER
from exagirl.chat.session import ChatOptions, Session
from exagirl.chat.slot_backend import SlotBackend
from exagirl.chatmodel.local import LocalModel, Sampling
from exagirl.chatmodel.local_slots import SlotModel
from support.talkers import plain_character, says
from support.tiny_chat import chat_tokenizer
from support.tiny_models import tiny_llama


class Counting(SlotModel):
    """Notes of each reply how long its prompt was, and how much of it was known."""

    prompts: tuple = ()
    known: tuple = ()

    def join(self, prompt, sampling, seed):
        """Note the length."""
        self.prompts = (*self.prompts, len(prompt))
        return super().join(prompt, sampling, seed)

    def advance(self):
        """Note with a reply's first token what was known."""
        said = super().advance()
        self.known = (*self.known, *(one.known_tokens for one in said if one.tokens == 1))
        return said


class Taken(NamedTuple):
    """What one turn was given and knew."""

    prompt: int
    known: int
    begins_at: int
    """The first turn that was given."""

    @property
    def anew(self):
        """Tokens that were read."""
        return self.prompt - self.known


@pytest.fixture
def model(tmp_path):
    """A tiny model that remembers what it read."""
    return Counting.of(LocalModel(tiny_llama(tied=True), chat_tokenizer(tmp_path)))


def talk(model, turns, **options):
    """Some turns that stayed, and the budget of a prompt.

    A random model sometimes says nothing; such a turn leaves the talk as it was.
    """
    backend = SlotBackend(model, Sampling(max_new_tokens=8, seed=1))
    options = ChatOptions(remembers=False, reply_tokens=16, **options)
    session, taken = Session(plain_character(), backend, options=options), []
    for at in range(turns):
        before = len(session.turns)
        says(session, f"{at}번째 말이야. " + "오늘 뭐 했어? " * (1 + at % 3))
        if len(session.turns) > before:
            begins_at = session.last_prompt.kept[0]
            taken.append(Taken(model.prompts[-1], model.known[-1], begins_at))
    assert len(taken) > turns / 2
    return taken, session.last_prompt.budget


def test_a_later_turn_reads_no_more_than_what_is_new(model):
    """What the prompt grew by, whatever it has grown to."""
    taken, _ = talk(model, 30, context_tokens=4000)
    assert len({turn.begins_at for turn in taken}) == 1
    for before, now in pairwise(taken):
        assert 0 < now.anew <= now.prompt - before.prompt
    assert taken[-1].prompt > 10 * taken[-1].anew


def test_a_window_that_slides_is_read_anew_seldom(model):
    """A quarter of the room is cleared at once, so all is read a few times, not at each turn."""
    taken, budget = talk(model, 60, context_tokens=400)
    pairs = list(pairwise(taken))
    still = [(one, two) for one, two in pairs if one.begins_at == two.begins_at]
    for before, now in still:
        assert now.anew <= now.prompt - before.prompt
    slides = len(pairs) - len(still)
    new = sum(now.prompt - before.prompt for before, now in still)
    assert 0 < slides <= new / ((1 - LOW_WATER) * budget) + 1
    assert sum(turn.anew for turn in taken) <= new / (1 - LOW_WATER) + budget
    assert sum(turn.anew for turn in taken) < sum(turn.prompt for turn in taken) / 2
