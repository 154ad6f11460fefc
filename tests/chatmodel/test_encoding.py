"""The tokens of a conversation, and which of them are learned."""

import pytest

from exagirl.chatmodel.encoding import HIDDEN, encode_conversation, encode_prompt
from exagirl.errors import ModelError
from exagirl.training.base_model import give_template, load_tokenizer

TALK = [
    {"role": "system", "content": "너는 엑사다."},
    {"role": "user", "content": "안녕!"},
    {"role": "assistant", "content": "*손을 흔들며* 왔구나!"},
    {"role": "user", "content": "뭐 해?"},
    {"role": "assistant", "content": "책 읽어."},
]


@pytest.fixture(scope="module")
def tokenizer(exaone_base):
    """A tokenizer with EXAONE's template; the baked character is 엑사."""
    return give_template(load_tokenizer(exaone_base), "너는 엑사다.")


def test_a_conversation_is_written_in_exaones_form(tokenizer):
    """System and replies end in endofturn, user turns in a newline."""
    text = tokenizer.apply_chat_template(TALK, tokenize=False)
    assert text == (
        "[|system|]너는 엑사다.[|endofturn|]\n[|user|]안녕!\n[|assistant|]*손을 흔들며* 왔구나!"
        "[|endofturn|]\n[|user|]뭐 해?\n[|assistant|]책 읽어.[|endofturn|]\n"
    )


def test_labels_stand_on_replies_and_their_stop_token_alone(tokenizer):
    """What is learned reads as the replies, each with its end."""
    encoded = encode_conversation(tokenizer, TALK)
    learned = tokenizer.decode([label for label in encoded.labels if label != HIDDEN])
    assert learned == "*손을 흔들며* 왔구나![|endofturn|]책 읽어.[|endofturn|]"


def test_the_prompt_in_a_chat_is_the_prefix_that_was_trained(tokenizer):
    """Up to the reply, chat and training give the model the same tokens."""
    prompt = encode_prompt(tokenizer, TALK[:-1])
    trained = encode_conversation(tokenizer, TALK)
    assert tuple(prompt) == trained.token_ids[: len(prompt)]
    assert trained.labels[len(prompt)] != HIDDEN
    assert trained.labels[len(prompt) - 1] == HIDDEN


def test_the_default_system_prompt_is_the_one_that_was_trained(tokenizer):
    """A conversation without a system message gives the same tokens as one with the character."""
    assert encode_prompt(tokenizer, TALK[1:-1]) == encode_prompt(tokenizer, TALK[:-1])


def test_a_given_system_message_replaces_the_character(tokenizer):
    """The baked character leaves no trace then."""
    text = tokenizer.apply_chat_template(
        [{"role": "system", "content": "너는 집사다."}, TALK[1]], tokenize=False
    )
    assert "엑사" not in text


def test_a_long_conversation_loses_whole_turns_at_the_front(tokenizer):
    """The system message and the last exchange stay whole."""
    whole = encode_conversation(tokenizer, TALK)
    cut = encode_conversation(tokenizer, TALK, max_length=len(whole.token_ids) - 1)
    assert cut.turns_cut == 2
    assert tokenizer.decode(cut.token_ids) == tokenizer.apply_chat_template(
        [TALK[0], *TALK[3:]], tokenize=False
    )


def test_a_conversation_of_which_nothing_fits_is_an_error(tokenizer):
    """The message names the setting to change."""
    with pytest.raises(ModelError, match="max_length"):
        encode_conversation(tokenizer, TALK, max_length=8)


def test_a_conversation_without_a_reply_is_an_error(tokenizer):
    """There is nothing to learn from it."""
    with pytest.raises(ModelError, match="답이 없어"):
        encode_conversation(tokenizer, TALK[:2])


@pytest.mark.parametrize(
    "persona",
    [
        "그녀의 '작은' 책",
        '그는 "응"이라 했다',
        "역\\슬래시 {{ 7 * 7 }} {% raw %}",
        "줄\n바꿈",
        "😀",
    ],
)
def test_any_text_can_be_a_character(exaone_base, persona):
    """Quotes, apostrophes, backslashes and braces of a character are only text."""
    baked = give_template(load_tokenizer(exaone_base), persona)
    text = baked.apply_chat_template(TALK[1:2], tokenize=False)
    assert text.startswith(f"[|system|]{persona}[|endofturn|]\n")
