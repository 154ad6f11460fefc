"""Every family of models: one form in training, chat and the saved model."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from exagirl.chatmodel.encoding import HIDDEN, encode_conversation, encode_prompt
from exagirl.dataset.chat_template import FAMILIES
from exagirl.training.base_model import give_template, stop_token_ids

TALK = [
    {"role": "system", "content": "너는 엑사다."},
    {"role": "user", "content": "안녕!"},
    {"role": "assistant", "content": "왔구나!"},
    {"role": "user", "content": "뭐 해?"},
    {"role": "assistant", "content": "책 읽어."},
]
MORE_MARKS = {
    "exaone": ["[|system|]", "[|user|]"],
    "llama3": ["<|end_header_id|>"],
}


def tokenizer_of(family):
    """A byte-level tokenizer with the family's marks, as a chat model of it brings them."""
    marks = ["<bos>", family.opener, family.stop, *MORE_MARKS.get(family.name, [])]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        ["안녕"],
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=marks, initial_alphabet=alphabet, show_progress=False
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<bos>",
        eos_token=family.stop,
        chat_template="{{ 'its own' }}",
    )


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request):
    """One of the families."""
    return request.param


def test_the_stop_token_of_every_reply_is_learned_and_ends_a_reply(family):
    """Labels read as the replies with their stop, and generation ends there."""
    tokenizer = tokenizer_of(family)
    assert tokenizer.convert_tokens_to_ids(family.stop) in stop_token_ids(tokenizer)
    labels = encode_conversation(give_template(tokenizer, "너는 엑사다."), TALK).labels
    learned = tokenizer.decode([label for label in labels if label != HIDDEN])
    assert learned == f"왔구나!{family.stop}책 읽어.{family.stop}"


def test_a_prompt_is_the_beginning_of_what_was_trained(family):
    """Chat gives the tokens of training, with the character by default or as a message."""
    tokenizer = give_template(tokenizer_of(family), "너는 엑사다.")
    prompt = encode_prompt(tokenizer, TALK[:-1])
    assert tuple(prompt) == encode_conversation(tokenizer, TALK).token_ids[: len(prompt)]
    assert encode_prompt(tokenizer, TALK[1:-1]) == prompt


def test_llama_3_is_written_in_its_own_form():
    """Headers, two newlines, eot; as Meta's model card shows it."""
    (llama,) = (family for family in FAMILIES if family.name == "llama3")
    tokenizer = give_template(tokenizer_of(llama), "")
    text = tokenizer.apply_chat_template(TALK[:2], tokenize=False, add_generation_prompt=True)
    assert text == (
        "<bos><|start_header_id|>system<|end_header_id|>\n\n너는 엑사다.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n안녕!<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
