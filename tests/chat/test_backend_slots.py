"""A model in this process as the model of a conversation."""

from threading import Event

import pytest
from transformers import AutoTokenizer

from exagirl.chat.backend import GoesOn
from exagirl.chat.session import Session
from exagirl.chat.slot_backend import SlotBackend
from exagirl.chatmodel.local import LocalModel, Sampling
from exagirl.chatmodel.local_slots import SlotModel
from exagirl.errors import ModelError
from support.merged_models import save_exaone_kind, save_gemma_kind, save_qwen_kind
from support.talkers import plain_character, says

KINDS = {"exaone": save_exaone_kind, "gemma": save_gemma_kind, "chatml": save_qwen_kind}
TALK = [
    {"role": "user", "content": "안녕! 오늘 뭐 했어?"},
    {"role": "assistant", "content": "*웃으며* 나는 책을"},
]


class Noted(SlotModel):
    """Keeps the prompts that it is given, and can be made to fail."""

    prompts: tuple = ()
    fails = False

    def join(self, prompt, sampling, seed):
        """Note the prompt."""
        self.prompts = (*self.prompts, list(prompt))
        return super().join(prompt, sampling, seed)

    def advance(self):
        """Fail where it is to."""
        if self.fails:
            raise RuntimeError("out of memory")
        return super().advance()


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    """A merged tiny model of each family of templates."""
    return KINDS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture
def model(folder):
    """The model, loaded."""
    return Noted.of(LocalModel.load(folder))


def test_a_reply_goes_on_right_behind_its_last_word(folder, model):
    """The prompt ends with the open reply: no mark that would end it, none that opens another."""
    backend = SlotBackend(model, Sampling(max_new_tokens=2, seed=1))
    assert isinstance(backend, GoesOn)
    list(backend.go_on(TALK, Event()))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    given = tokenizer.decode(model.prompts[0])
    opening = tokenizer.decode(model.prompt_tokens(TALK[:1]))
    assert given == opening + TALK[-1]["content"]


def test_a_seed_repeats_a_reply_and_asking_again_draws_another(model):
    """Regenerating under a fixed seed is no repetition."""

    def drawn():
        backend = SlotBackend(model, Sampling(max_new_tokens=24, temperature=1.5, seed=3))
        return ["".join(backend.speak(TALK[:1], Event())) for _ in range(2)]

    first, second = drawn(), drawn()
    assert first == second
    assert first[0] != first[1]


def test_a_stop_ends_the_reply_and_frees_the_model(model):
    """The next reply begins at once."""
    backend, stop = SlotBackend(model, Sampling(max_new_tokens=400, seed=3)), Event()
    session = Session(plain_character(), backend)
    for _ in session.say("안녕", stop):
        stop.set()
    assert model.is_idle
    assert session.turns[-1].is_cut
    list(session.say("또 안녕", Event()))
    assert model.is_idle


def test_a_later_turn_reads_only_what_is_new(model):
    """Keys and values of earlier turns are kept between turns."""
    session = Session(plain_character(), SlotBackend(model, Sampling(max_new_tokens=8, seed=3)))
    says(session, "안녕! 오늘은 바닷가에서 뭐 했어? 나는 책을 읽고 있었어.")
    says(session, "그랬구나")
    ticket = model.join(model.prompts[-1], Sampling(max_new_tokens=1), 0)
    said = next(one for _ in range(50) for one in model.advance() if one.ticket == ticket)
    assert said.known_tokens >= len(model.prompts[0])


def test_a_model_that_fails_midway_is_a_message_and_can_be_asked_again(model):
    """What was streamed is kept."""
    backend = SlotBackend(model, Sampling(max_new_tokens=400, temperature=1.5, seed=3))
    session = Session(plain_character(), backend)
    pieces = session.say("안녕")
    assert any(piece.strip() for piece in pieces)
    model.fails = True
    with pytest.raises(ModelError, match="out of memory"):
        list(pieces)
    assert session.turns[-1].is_cut
    model.fails = False
    assert "".join(session.regenerate())
    assert session.turns[-1].versions == 2
