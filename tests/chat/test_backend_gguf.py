"""A GGUF file as the model of a conversation."""

from threading import Event

import pytest
from transformers import AutoTokenizer

from exagirl.chat.backend import GoesOn, Tunable
from exagirl.chat.session import Session
from exagirl.chatmodel.encoding import encode_prompt
from exagirl.chatmodel.sampling import Sampling
from exagirl.dataset.chat_template import baked_system
from exagirl.errors import CharacterError, ModelError
from exagirl.models import TalkChoice, open_talk
from support.merged_models import SYSTEM, save_exaone_kind
from support.talkers import plain_character, says

pytest.importorskip("xllamacpp", reason="the extra 'gguf' is not installed")
pytest.importorskip("gguf", reason="the extra 'gguf' is not installed")
TALK = [
    {"role": "user", "content": "안녕! 오늘 뭐 했어?"},
    {"role": "assistant", "content": "*웃으며* 나는 책을"},
]
OTHER = [{"role": "user", "content": "잘 자"}]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A merged tiny model."""
    return save_exaone_kind(tmp_path_factory.mktemp("gguf") / "model")


@pytest.fixture(scope="module")
def file(model):
    """Its GGUF, alone in a folder."""
    from exagirl.export.gguf_types import find_quant
    from exagirl.export.gguf_write import write_gguf

    place = model.parent / "file"
    place.mkdir()
    return write_gguf(model, place / "tiny.gguf", find_quant("f16"), name="tiny")


@pytest.fixture(scope="module")
def backend(file):
    """The file, loaded."""
    from exagirl.chat.gguf_backend import GgufBackend

    opened = GgufBackend(file, Sampling(seed=3, max_new_tokens=40), context_tokens=512)
    yield opened
    opened.close()


def test_prompts_are_counted_by_the_file_itself(backend, model):
    """They are the tokens that transformers makes with the same template."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    assert backend.prompt_tokens(TALK[:1]) == encode_prompt(tokenizer, TALK[:1])


def test_a_reply_streams_and_is_repeated_under_a_seed(backend):
    """Several pieces; the same ones when it is asked once more, not twice in a row."""
    asked = (OTHER, TALK[:1], TALK[:1], OTHER, TALK[:1])
    said = [list(backend.speak(messages, Event())) for messages in asked]
    assert len(said[1]) > 1
    assert "".join(said[1]) == "".join(said[4]) != "".join(said[2])


def test_a_file_speaks_with_other_dice_without_being_loaded_again(backend):
    """Another limit is kept by the same server, and the first backend stays as it was."""
    short = backend.with_sampling(Sampling(seed=3, max_new_tokens=2, repetition_penalty=1.5))
    assert short._server is backend._server
    assert len("".join(short.speak(TALK[:1], Event()))) < len(
        "".join(backend.speak(TALK[:1], Event()))
    )
    assert (backend.sampling.max_new_tokens, isinstance(backend, Tunable)) == (40, True)


def test_a_stop_ends_a_reply_of_a_file(backend):
    """What came is kept, and the next reply comes."""
    session, stop = Session(plain_character(), backend), Event()
    for _ in session.say("안녕", stop):
        stop.set()
    assert session.turns[-1].is_cut
    assert says(session, "또 안녕")


def test_a_reply_can_go_on_in_a_file(backend):
    """It is a backend that writes on within the last message."""
    assert isinstance(backend, GoesOn)
    assert "".join(backend.go_on(TALK, Event()))


def test_the_character_baked_into_a_file_is_found(backend):
    """So that lore and notes can be added to what the model has learned."""
    assert baked_system(backend.template) == SYSTEM


def test_a_file_of_ours_speaks_as_its_character(file, tmp_path):
    """With the character beside it, or one that is named; without either, it says what to do."""
    with pytest.raises(CharacterError, match="--character"):
        open_talk(str(file), tmp_path)
    beside = file.parent / "character.yaml"
    beside.write_text("name: 하루\ndescription: 바닷가에 산다.\nspeech: {level: banmal}\n", "utf-8")
    try:
        opened = open_talk(str(file), tmp_path, TalkChoice(context_tokens=512))
    finally:
        beside.unlink()
    assert opened.character.name == "하루"
    assert opened.options.knows_placeholders
    assert opened.options.system == SYSTEM
    session = opened.session("민준")
    assert session.prompt("안녕").messages[0]["content"] == SYSTEM
    opened.backend.close()


def test_a_file_that_is_none_is_a_message(tmp_path):
    """Of what llama.cpp said."""
    from exagirl.chat.gguf_backend import GgufBackend

    with pytest.raises(ModelError, match="그런 파일이 없습니다"):
        GgufBackend(tmp_path / "no.gguf", Sampling())
    (tmp_path / "bad.gguf").write_bytes(b"GGUF and nothing more")
    with pytest.raises(ModelError, match=r"bad\.gguf"):
        GgufBackend(tmp_path / "bad.gguf", Sampling())
