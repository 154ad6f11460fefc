"""A tiny random model in this process holds a whole conversation."""

from threading import Event

import pytest

from exagirl.chat.session import ChatOptions, Session
from exagirl.chat.slot_backend import SlotBackend
from exagirl.chatmodel.local import LocalModel, Sampling
from exagirl.chatmodel.local_slots import SlotModel
from support.talkers import plain_character, says


@pytest.fixture(scope="module")
def model(exaone_base, tmp_path_factory):
    """Random weights under the template that we save with a model."""
    from support.tiny_chat import chat_tokenizer
    from support.tiny_models import tiny_llama

    return SlotModel.of(
        LocalModel(tiny_llama(tied=True), chat_tokenizer(tmp_path_factory.mktemp("talk")))
    )


def test_a_small_window_holds_for_a_long_talk(model):
    """Every prompt stays within the budget, while turns fall out and are summarised or told."""
    backend = SlotBackend(model, Sampling(max_new_tokens=12, seed=3))
    options = ChatOptions(context_tokens=220, reply_tokens=12, memory_s=20.0)
    session = Session(plain_character(), backend, options=options)
    for at in range(8):
        says(session, f"{at}번째로 물어볼게. 오늘은 바닷가에서 뭐 했어?")
        prompt = session.prompt()
        assert len(backend.prompt_tokens([dict(m) for m in prompt.messages])) == prompt.tokens
        assert prompt.tokens <= 208
    assert prompt.left_out
    assert session.memories or session.memory_fault or prompt.unsummarised


def test_a_stop_ends_a_local_reply_and_keeps_it(model):
    """What was streamed is a turn, marked as cut; it can be drawn anew."""
    backend = SlotBackend(model, Sampling(max_new_tokens=200, seed=3))
    session, stop = Session(plain_character(), backend), Event()
    for _ in session.say("안녕", stop):
        stop.set()
    assert session.turns[-1].is_cut
    says_more = "".join(session.regenerate(stop=Event()))
    assert session.turns[-1].versions == 1 + bool(says_more.strip())


def test_a_fixed_seed_draws_another_reply_the_second_time(model):
    """The same talk with the same seed says the same; regenerating it does not."""

    def talk():
        backend = SlotBackend(model, Sampling(max_new_tokens=24, temperature=1.5, seed=3))
        session = Session(plain_character(), backend)
        return says(session, "안녕"), "".join(session.regenerate())

    first, second = talk(), talk()
    assert first == second
    assert first[0] != first[1]
