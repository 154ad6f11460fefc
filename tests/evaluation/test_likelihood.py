"""Bits a character of given texts: by hand, under a wrong card, and of a real model."""

import math

import pytest
import torch

from exagirl.chatmodel.local import LocalModel
from exagirl.evaluation.answers import Answers
from exagirl.evaluation.likelihood import (
    Reader,
    choose_texts,
    measure_likelihood,
    other_cards,
    plain_korean,
    unread,
)
from exagirl.korean.script import count_letters
from exagirl.progress import Nobody
from support.speakers import EXA, SYSTEM, Loss, Parrot, Reading, talk
from support.tiny_chat import chat_tokenizer
from support.tiny_models import tiny_of
from support.training_runs import Heard

CARDS = {"집사": "너는 집사다.", "만석": "니는 만석이다."}


def texts(talks=None, others=CARDS, plain=2, seed=7):
    """What is read."""
    chosen = [talk(n) for n in range(3)] if talks is None else talks
    return choose_texts(chosen, others, plain=plain, seed=seed)


def measured(model, path, chosen=None, watcher=None, digest="d"):
    """The measures by name."""
    with Answers(path / "answers.sqlite") as answers:
        found = measure_likelihood(
            model,
            chosen or texts(),
            digest=digest,
            answers=answers,
            watcher=watcher or Nobody(),
            seed=7,
        )
    return {one.name: one for one in found.measures}


def test_bits_are_nats_by_the_logarithm_of_two(tmp_path):
    """A model that pays one nat a character pays 1 / ln 2 bits."""
    found = measured(Reading(nats=1.0), tmp_path)
    assert found["bits_per_character"].value == pytest.approx(1 / math.log(2))
    assert found["plain_bits"].value == pytest.approx(1 / math.log(2))


def test_the_gain_of_the_card_is_what_a_wrong_card_costs(tmp_path):
    """Paired by dialogue: half a nat a character more, whatever the replies cost."""
    found = measured(Reading(nats=2.0, wrong=0.5), tmp_path)["persona_gain"]
    assert found.value == pytest.approx(0.5 / math.log(2))
    assert (found.low, found.high) == (pytest.approx(found.value), pytest.approx(found.value))


def test_a_long_dialogue_weighs_what_it_is_long(tmp_path):
    """All bits by all characters, not the mean of the dialogues' own."""

    class Fixed(Reading):
        def read_replies(self, conversations):
            return [Loss(math.log(2) * 10) for _ in conversations]

    talks = [talk(0), talk(5)]
    size = sum(len(m["content"]) for one in talks for m in one if m["role"] == "assistant")
    found = measured(Fixed(), tmp_path, texts(talks))["bits_per_character"]
    assert found.value == pytest.approx(20 / size)
    assert found.count == size


def test_intervals_come_from_dialogues(tmp_path):
    """Dialogues that differ give an interval around the value."""

    class Uneven(Reading):
        def read_replies(self, conversations):
            return [Loss(10.0 * len(one[1]["content"]) + len(str(one))) for one in conversations]

    found = measured(Uneven(), tmp_path)["bits_per_character"]
    assert found.low < found.value < found.high


def test_every_dialogue_is_read_under_a_card_that_is_not_its_own():
    """Only the system message differs, and all other cards have their turn."""
    chosen = texts()
    assert set(chosen.others) == set(CARDS)
    for right, wrong in zip(chosen.conversations, chosen.swapped, strict=True):
        assert right[1:] == wrong[1:]
        assert wrong[0]["content"] in CARDS.values()


def test_the_other_cards_are_those_of_the_other_characters():
    """The one that is measured is not among them."""
    cards = other_cards(EXA, "brief")
    assert len(cards) == 4
    assert EXA.name not in cards
    assert SYSTEM not in cards.values()


def test_without_held_out_dialogues_only_plain_text_is_read(tmp_path):
    """The others say in Korean why they have no value."""
    found = measured(Reading(), tmp_path, texts([]))
    assert found["plain_bits"].value is not None
    for name in ("bits_per_character", "persona_gain"):
        assert found[name].value is None
        assert "검증 대화" in found[name].note


def test_without_another_card_the_gain_is_unknown(tmp_path):
    """And the bits are not."""
    found = measured(Reading(), tmp_path, texts(others={}))
    assert found["persona_gain"].value is None
    assert found["bits_per_character"].value is not None


def test_what_was_read_is_not_read_again(tmp_path):
    """A rerun is told from the file; another model is not."""
    measured(Reading(), tmp_path)
    again, other = Reading(), Reading()
    measured(again, tmp_path)
    measured(other, tmp_path, digest="e")
    assert again.read == []
    assert len(other.read) == texts().count


def test_steps_add_up_to_the_number_of_texts(tmp_path):
    """So that a bar ends where it should."""
    heard = Heard()
    measured(Reading(), tmp_path, watcher=heard)
    assert sum(steps for steps, _ in heard.notes) == texts().count


def test_a_model_without_likelihoods_says_so():
    """Every measure is there, without a value."""
    found = unread("엔드포인트라서 알 수 없습니다.")
    assert [one.value for one in found.measures] == [None] * 3
    assert {one.note for one in found.measures} == {"엔드포인트라서 알 수 없습니다."}
    assert not isinstance(Parrot(), Reader)


def test_the_plain_texts_are_plain_korean():
    """A few dozen paragraphs, Hangul throughout, each its own."""
    paragraphs = plain_korean()
    assert len(paragraphs) >= 24
    assert len(set(paragraphs)) == len(paragraphs)
    assert all(count_letters(one).hangul_share == 1.0 for one in paragraphs)


def test_a_real_model_pays_what_its_logits_say(tmp_path):
    """The loss of a dialogue is that of each token of its replies, stop tokens included."""
    model, tokenizer = tiny_of("llama"), chat_tokenizer(tmp_path)
    [found] = LocalModel(model, tokenizer).read_replies([talk(1, 1)])
    prompt = tokenizer.apply_chat_template(
        talk(1, 1)[:2], add_generation_prompt=True, return_dict=True
    )["input_ids"]
    ids = tokenizer.apply_chat_template(talk(1, 1), return_dict=True)["input_ids"]
    with torch.inference_mode():
        chances = model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    by_hand = -sum(chances[at - 1, ids[at]].item() for at in range(len(prompt), len(ids)))
    assert ids[-1] == tokenizer.eos_token_id
    assert found.tokens == len(ids) - len(prompt)
    assert found.nats == pytest.approx(by_hand, rel=1e-4)


def test_a_plain_text_is_paid_from_its_first_token_on(tmp_path):
    """The token that begins a text stands before it and is not paid."""
    model, tokenizer = tiny_of("llama"), chat_tokenizer(tmp_path)
    [found] = LocalModel(model, tokenizer).read_texts(["오늘 책을 읽었다."])
    ids = tokenizer("오늘 책을 읽었다.", add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = model(torch.tensor([[tokenizer.bos_token_id, *ids]])).logits[0].float()
    by_hand = -logits.log_softmax(-1)[range(len(ids)), ids].sum().item()
    assert found.tokens == len(ids)
    assert found.nats == pytest.approx(by_hand, rel=1e-4)
