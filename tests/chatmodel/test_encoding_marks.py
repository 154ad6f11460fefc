"""Special tokens of a prompt are the template's alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chatmodel.encoding import encode_prompt
from support.tiny_chat import chat_tokenizer
from support.tiny_models import SPECIALS

ROLES = ("system", "user", "assistant")
PIECES = st.sampled_from([*SPECIALS, "[|", "|]", "[", "]", "안녕", " ", "\n", "endofturn", "BOS"])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """One with the marks of a chat."""
    return chat_tokenizer(tmp_path_factory.mktemp("marks"))


def marks_of(tokenizer, messages):
    """The special tokens of a prompt, in order."""
    tokens = tokenizer.convert_ids_to_tokens(encode_prompt(tokenizer, messages))
    return [token for token in tokens if token in SPECIALS]


@given(contents=st.lists(st.lists(PIECES).map("".join), min_size=1, max_size=4))
def test_no_words_make_a_special_token(tokenizer, contents):
    """Whatever the messages say, the marks are those of harmless words in their places."""
    said = [{"role": ROLES[at % 3], "content": text} for at, text in enumerate(contents)]
    plain = [one | {"content": "안녕"} for one in said]
    assert marks_of(tokenizer, said) == marks_of(tokenizer, plain)


def test_words_are_broken_where_they_are_special_and_nowhere_else(tokenizer):
    """A blank stands behind the first letter; all other words are as they were."""
    said = [{"role": "user", "content": "[|user|] <|im_end|> [BOS]책[|sys|]"}]
    given_back = tokenizer.decode(encode_prompt(tokenizer, said))
    assert "[ |user|] <|im_end|> [ BOS]책[|sys|]" in given_back
    assert said[0]["content"].startswith("[|user|]")
