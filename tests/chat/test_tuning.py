"""How replies are drawn is changed while a conversation goes on."""

from threading import Event, Thread

import pytest

from exagirl.chat.backend import GoesOn, Tunable
from exagirl.chat.session import ChatError, ChatOptions, Member, Session
from exagirl.chat.slot_backend import SlotBackend
from exagirl.chatmodel.local import LocalModel
from exagirl.chatmodel.local_slots import SlotModel
from exagirl.chatmodel.sampling import Sampling
from support.talkers import Talker, plain_character, says
from support.tiny_chat import chat_tokenizer
from support.tiny_models import tiny_llama

HELLO = [{"role": "user", "content": "안녕"}]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model, loaded."""
    return SlotModel.of(
        LocalModel(tiny_llama(tied=True), chat_tokenizer(tmp_path_factory.mktemp("tune")))
    )


def hot(seed=3, tokens=24):
    """Dice of a model whose weights are random."""
    return Sampling(max_new_tokens=tokens, temperature=1.5, seed=seed)


def test_other_dice_draw_what_a_backend_of_their_own_would(model):
    """The first backend still draws what it did."""
    tuned = SlotBackend(model, hot(3)).with_sampling(hot(9))
    assert isinstance(tuned, Tunable)
    assert isinstance(tuned, GoesOn)
    drawn = ["".join(one.speak(HELLO, Event())) for one in (tuned, SlotBackend(model, hot(9)))]
    assert drawn[0] == drawn[1]


def test_who_asks_the_same_again_is_known_to_all_copies(model):
    """Another temperature is no reason to repeat a reply under a fixed seed."""
    backend = SlotBackend(model, hot())
    one = "".join(backend.speak(HELLO, Event()))
    assert "".join(backend.with_sampling(hot()).speak(HELLO, Event())) != one


def test_copies_take_turns_at_the_model(model):
    """While one speaks, the other waits: the steps of two replies are never mixed."""
    backend = SlotBackend(model, hot(tokens=200))
    running = backend.speak(HELLO, Event())
    next(running)
    said = []
    copy = backend.with_sampling(hot(tokens=4))
    thread = Thread(target=lambda: said.extend(copy.speak(HELLO, Event())))
    thread.start()
    thread.join(timeout=0.2)
    assert (said, thread.is_alive()) == ([], True)
    running.close()
    thread.join()
    assert model.is_idle


def test_a_conversation_is_tuned_alone(model):
    """Others who share the model, and what was said, stay as they are."""
    shared = SlotBackend(model, hot())
    one, other = (Session(plain_character(), shared) for _ in range(2))
    says(one, "안녕")
    one.tune(one.sampling.model_copy(update={"temperature": 0.0}))
    assert (one.sampling.temperature, other.sampling.temperature) == (0.0, 1.5)
    assert len(one.turns) == 2
    assert one.backend.prompt_tokens(HELLO) == shared.prompt_tokens(HELLO)


def test_a_longer_reply_has_its_room_in_the_prompt(model):
    """Prompt and reply stay within the context; a reply is cut to a quarter of it."""
    options = ChatOptions(context_tokens=400, reply_tokens=24)
    session = Session(plain_character(), SlotBackend(model, hot()), options=options)
    session.tune(hot(tokens=80))
    assert session.prompt("안녕").budget == 400 - 80
    session.tune(hot(tokens=4000))
    assert session.sampling.max_new_tokens == session.options.reply_tokens == 100
    assert session.prompt("안녕").budget == 300


def test_everybody_in_a_room_is_tuned(model):
    """Who speaks next makes no difference."""
    shared = SlotBackend(model, hot())
    others = [Member(plain_character("바다"), shared)]
    session = Session(plain_character(), shared, others=others)
    session.tune(Sampling(max_new_tokens=3, seed=1))
    assert [voice.sampling.max_new_tokens for voice in session._voices] == [3, 3]


def test_a_backend_that_knows_no_other_way_says_so():
    """A window asks for `sampling` first."""
    session = Session(plain_character(), Talker())
    assert session.sampling is None
    with pytest.raises(ChatError, match="바꿀 수 없습니다"):
        session.tune(Sampling())
