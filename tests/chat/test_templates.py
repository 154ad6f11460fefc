"""The laws of a prompt hold under every chat template that we save with a model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from exagirl.chat.session import ChatOptions, Member, Session
from exagirl.chat.slot_backend import SlotBackend
from exagirl.chatmodel.encoding import encode_prompt
from exagirl.chatmodel.sampling import Sampling
from exagirl.dataset.chat_template import FAMILIES, PLAIN, bake_template
from support.talkers import plain_character, talk_of
from support.tiny_models import save_tokenizer

ALL = {family.name: family for family in (*FAMILIES, PLAIN)}
LINES = st.lists(st.text(alphabet="가나다 ab*.\n", min_size=1, max_size=60), max_size=14)


class Reader:
    """The counting side of a local model."""

    def __init__(self, folder):
        save_tokenizer(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def wear(self, name):
        """Take a family's template on."""
        self.tokenizer.chat_template = bake_template(ALL[name], "너는 하루다. 바닷가에 산다.")
        return SlotBackend(self, Sampling())

    def prompt_tokens(self, messages):
        """As `LocalModel` counts."""
        return encode_prompt(self.tokenizer, messages)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """One tokenizer for all."""
    return Reader(tmp_path_factory.mktemp("reader"))


@pytest.mark.parametrize("name", ALL)
@settings(deadline=None, max_examples=25)
@given(
    lines=LINES,
    text=st.text(alphabet="가나다라", min_size=1, max_size=30),
    tokens=st.integers(600, 1000),
    pin=st.sampled_from(["", "고양이를 키운다"]),
    note=st.sampled_from(["", "비가 온다"]),
    is_room=st.booleans(),
)
def test_a_prompt_fits_exactly_counted(reader, name, lines, text, tokens, pin, note, is_room):
    """The count is the tokenizer's own; the newest words are always in it, and the character."""
    backend = reader.wear(name)
    others = [Member(plain_character("바다"), backend)] if is_room else []
    options = ChatOptions(context_tokens=tokens, reply_tokens=0)
    session = Session(plain_character(), backend, options=options, others=others)
    talk_of(session, lines)
    if pin:
        session.pin(pin)
    session.set_note(note, 1)
    prompt = session.prompt(text)
    ids = reader.prompt_tokens([dict(message) for message in prompt.messages])
    assert len(ids) == prompt.tokens <= tokens
    whole = reader.tokenizer.decode(ids)
    assert "하루" in whole
    assert text in whole
    assert all(block in whole for block in prompt.blocks)
    given_or_told = {*prompt.blocks, *prompt.blocks_left_out}
    assert given_or_told == {one for one in (pin, note) if one}


@pytest.mark.parametrize(
    ("name", "is_told"),
    [("exaone", True), ("chatml", True), ("llama3", True), ("gemma", False), ("plain", False)],
)
def test_a_note_never_becomes_the_users_words(reader, name, is_told):
    """Where a template writes a system message among the turns as the user's, it stands above."""
    session = Session(plain_character(), reader.wear(name))
    talk_of(session, ["하나", "둘"])
    session.set_note("비가 온다", 1)
    holders = [m["role"] for m in session.prompt("셋").messages if "비가 온다" in m["content"]]
    place = [at for at, m in enumerate(session.prompt("셋").messages) if "비가" in m["content"]]
    assert holders == ["system"]
    assert (place[0] > 0) == is_told
