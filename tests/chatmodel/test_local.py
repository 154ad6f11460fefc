"""A local model draws each reply by its own seed, and reads nothing twice."""

import pytest
import torch
from transformers import DynamicCache, MambaConfig, MambaForCausalLM

from exagirl.chatmodel.local import LocalModel
from exagirl.chatmodel.local_draw import DrawEach
from exagirl.chatmodel.local_memory import PromptMemory, has_plain_attention, row_of
from exagirl.chatmodel.sampling import Sampling
from support.tiny_chat import chat_tokenizer
from support.tiny_models import ARCHITECTURES, tiny_of

SYSTEM = {"role": "system", "content": "너는 엑사다. 말투: 반말. " * 4}
LIKELIEST = Sampling(max_new_tokens=12, temperature=0.0)
DRAWN = Sampling(max_new_tokens=12)


def ask(text):
    """A conversation of one question."""
    return [SYSTEM, {"role": "user", "content": text}]


TALKS = [ask("안녕"), ask("오늘 뭐 했어? " * 5), ask("책 " * 40)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """With a template that marks replies."""
    return chat_tokenizer(tmp_path_factory.mktemp("chat"))


def texts(completions):
    """What was said."""
    return [one.text for one in completions]


def counted(model):
    """The model, with a list of how many tokens each pass read."""
    seen = []

    def count(_, args, kwargs):
        ids = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
        seen.append(ids.numel())

    model.register_forward_pre_hook(count, with_kwargs=True)
    return model, seen


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_reply_is_the_same_alone_and_among_others(tokenizer, kind):
    """Its seed and its conversation decide, in every architecture."""
    model = tiny_of(kind)
    together = LocalModel(model, tokenizer).draw(TALKS, DRAWN, [1, 2, 3])
    alone = [
        LocalModel(model, tokenizer).draw([talk], DRAWN, [seed])[0]
        for talk, seed in zip(TALKS, (1, 2, 3), strict=True)
    ]
    assert texts(together) == texts(alone)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_what_is_remembered_changes_no_reply(tokenizer, kind):
    """The likeliest replies to second questions are those of a model that remembers nothing."""
    model = tiny_of(kind)
    local = LocalModel(model, tokenizer)
    first = local.draw(TALKS, LIKELIEST, [0, 0, 0])
    second = [
        [*talk, {"role": "assistant", "content": said.text}, {"role": "user", "content": "그래?"}]
        for talk, said in zip(TALKS, first, strict=True)
    ]
    fresh = [LocalModel(model, tokenizer).complete([talk], LIKELIEST)[0] for talk in second]
    assert texts(local.draw(second, LIKELIEST, [0, 0, 0])) == texts(fresh)


def test_what_was_read_is_not_read_again(tokenizer):
    """A conversation that goes on costs what is new in it, not its system prompt."""
    model, seen = counted(tiny_of("llama"))
    local = LocalModel(model, tokenizer)
    whole = len(local.prompt_tokens(TALKS[0]))
    local.draw(TALKS[:1], LIKELIEST, [0])
    assert seen[0] == whole
    del seen[:]
    local.draw([ask("안녕? 잘 지냈어")], LIKELIEST, [0])
    assert seen[0] < whole / 2


def test_a_prompt_that_all_share_is_read_once(tokenizer):
    """Not once for each conversation of the batch."""
    model, seen = counted(tiny_of("llama"))
    local = LocalModel(model, tokenizer)
    lengths = [len(local.prompt_tokens(talk)) for talk in TALKS]
    local.draw(TALKS, LIKELIEST, [0, 0, 0])
    shared = seen[0]
    assert shared > len(local.prompt_tokens([SYSTEM])) / 2
    assert seen[1] == 3 * (max(lengths) - shared)


def test_a_memory_forgets_what_it_has_no_room_for(tokenizer):
    """The longest unused first; replies are the same as ever."""
    model = tiny_of("llama")
    local = LocalModel(model, tokenizer)
    local._memory = PromptMemory(budget_bytes=1)
    small = [local.draw([talk], LIKELIEST, [0])[0] for talk in (*TALKS, *TALKS)]
    large = [LocalModel(model, tokenizer).draw([talk], LIKELIEST, [0])[0] for talk in TALKS]
    assert texts(small) == texts(large) * 2


def test_a_model_whose_layers_keep_other_states_remembers_nothing():
    """A state that sums up all tokens cannot be cut to a part of them."""
    recurrent = MambaConfig(hidden_size=16, num_hidden_layers=1, vocab_size=8)
    assert not has_plain_attention(MambaForCausalLM(recurrent))
    assert has_plain_attention(tiny_of("gemma3_text"))


def test_a_row_of_a_cache_is_its_own_columns():
    """Heads first, then the tokens asked for."""
    keys = torch.arange(2 * 1 * 5 * 2.0).reshape(2, 1, 5, 2)
    [(found, _)] = row_of(DynamicCache([(keys, keys)]), 1, 2, 4)
    assert torch.equal(found, keys[1, :, 2:4])


def test_another_seed_draws_another_reply(tokenizer):
    """And the same one the same."""
    local = LocalModel(tiny_of("llama"), tokenizer)
    one, other, again = local.draw([TALKS[0]] * 3, DRAWN, [1, 2, 1])
    assert one.text == again.text != other.text


def test_a_reply_that_the_limit_cut_says_so(tokenizer):
    """One reply of a batch may be cut and another not."""
    model = tiny_of("llama")
    [cut] = LocalModel(model, tokenizer).draw(TALKS[:1], LIKELIEST, [0])
    assert (cut.is_cut, cut.completion_tokens) == (True, 12)
    model.generation_config.eos_token_id = list(range(model.config.vocab_size))
    [ended] = LocalModel(model, tokenizer).draw(TALKS[:1], LIKELIEST, [0])
    assert (ended.is_cut, ended.completion_tokens) == (False, 1)


def draws(scores, sampling, count=4000):
    """How often each token is drawn from the same scores, as shares."""
    rows = scores.repeat(count, 1)
    kept = DrawEach(sampling, range(count))(torch.zeros(count, 1, dtype=torch.long), rows)
    return torch.bincount(kept.argmax(-1), minlength=scores.shape[-1]) / count


def test_tokens_are_drawn_by_their_chances():
    """Temperature sharpens, top-p cuts the tail; 4,000 draws are within 0.03."""
    chances = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    all_of_it = draws(chances.log(), Sampling(temperature=1.0, top_p=1.0))
    assert torch.allclose(all_of_it, chances[0], atol=0.03)
    sharp = draws(chances.log(), Sampling(temperature=0.5, top_p=1.0))
    assert torch.allclose(sharp, (chances**2 / (chances**2).sum())[0], atol=0.03)
    cut = draws(chances.log(), Sampling(temperature=1.0, top_p=0.7))
    assert torch.allclose(cut, torch.tensor([0.625, 0.375, 0.0, 0.0]), atol=0.03)


def test_a_nucleus_beyond_the_likeliest_tokens_is_drawn_from_too():
    """Among 1,000 tokens that are equally likely, 900 are in the nucleus."""
    found = draws(torch.zeros(1, 1000), Sampling(temperature=1.0, top_p=0.9), count=6000)
    assert 850 < (found > 0).sum() <= 900
