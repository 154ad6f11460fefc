"""Length, diversity and voice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.dialogue.corpus import read_subset
from exagirl.evaluation.rules import measure_rules
from exagirl.evaluation.rules.diversity import distinct, self_bleu
from exagirl.evaluation.rules.reference import reference_of
from exagirl.evaluation.rules.voice import SAMPLE_LETTERS, Voice
from exagirl.persona.character import Character, Speech, load_character
from support.replies import reply

EXA = load_character("exa")
BARE = Character(name="별", description="별지기.", speech=Speech(level="banmal"))
VARIED = [[f"w{at}-{n}" for n in range(20)] for at in range(60)]
SAME = [[f"w{n}" for n in range(20)]] * 60
TOKENS = st.lists(st.lists(st.sampled_from("가나다라마바"), max_size=12), max_size=60)


def test_varied_replies_are_distinct_and_same_ones_are_not():
    """1 where no token comes twice; 20 tokens of 300 where all replies are one."""
    assert distinct(VARIED, 1, seed=0).value == 1.0
    assert distinct(SAME, 1, seed=0).value == pytest.approx(20 / 300)


def test_more_replies_do_not_change_how_distinct_they_are():
    """The size is fixed: twice the replies of the same kind, the same number nearly."""
    dice = [[f"w{(at * 7 + n * 3) % 90}" for n in range(15)] for at in range(120)]
    few, many = distinct(dice[:60], 2, seed=0), distinct(dice, 2, seed=0)
    assert few.value == pytest.approx(many.value, abs=0.05)


def test_too_little_text_is_not_measured():
    """Fewer than 300 n-grams, fewer than 20 replies: no value."""
    assert distinct(VARIED[:10], 1, seed=0).value is None
    assert self_bleu(VARIED[:19], seed=0).value is None


def test_one_sample_has_no_interval():
    """400 n-grams hold no two samples of 300 apart."""
    found = distinct(VARIED[:20], 1, seed=0)
    assert found.value == 1.0
    assert found.low is None


def test_self_bleu_of_one_reply_again_and_again_is_one():
    """Every reply stands among the others; of replies without a common token it is 0."""
    assert self_bleu(SAME, seed=0).value == pytest.approx(1.0)
    assert self_bleu(VARIED, seed=0).value == 0.0


def test_self_bleu_rises_with_what_replies_have_in_common():
    """The same opening, then own words: between the two."""
    half = [[*SAME[0][:10], *own[:10]] for own in VARIED]
    assert 0.1 < self_bleu(half, seed=0).value < 0.9


@given(TOKENS, st.integers(1, 3))
def test_diversity_lies_between_none_and_all(replies, size):
    """Whatever the tokens are: from 0 to 1, or not measured."""
    for found in (distinct(replies, size, seed=1), self_bleu(replies, seed=1)):
        assert found.value is None or 0.0 <= found.value <= 1.0 + 1e-9
        if found.low is not None:
            assert found.low <= found.high


def lines_of(subset):
    """What the character says in a subset of the shipped dialogues."""
    dialogues = [dialogue for topic in read_subset(subset).values() for dialogue in topic]
    return [t.content for d in dialogues for t in d.turns if t.role == "assistant"]


@pytest.mark.parametrize("name", ["exa", "busan", "butler", "sister", "sageuk"])
def test_a_characters_dialogues_are_closest_to_its_own_card(name):
    """Of the five built-in characters."""
    said = {one: lines_of(f"{one}-data") for one in ("exa", "busan", "butler", "sister", "sageuk")}
    voice = Voice(reference_of(load_character(name)).lines)
    reached = {one: voice.closeness(texts, seed=0).value for one, texts in said.items()}
    assert max(reached, key=reached.__getitem__) == name


def test_longer_replies_are_no_closer():
    """The same lines in twos: the same number nearly."""
    voice, said = Voice(reference_of(EXA).lines), lines_of("exa-data")[:400]
    twos = [f"{one} {two}" for one, two in zip(said[::2], said[1::2], strict=True)]
    one, two = voice.closeness(said, seed=0), voice.closeness(twos, seed=0)
    assert one.value == pytest.approx(two.value, abs=0.01)


def test_a_text_is_its_own_voice():
    """The cosine of a text with itself is 1, with nothing in common 0."""
    line = "".join(chr(ord("가") + 7 * at) for at in range(SAMPLE_LETTERS))
    voice = Voice([line])
    assert voice.closeness([line], seed=0).value == pytest.approx(1.0)
    assert voice.closeness(["x" * SAMPLE_LETTERS], seed=0).value == 0.0


def test_the_voice_is_held_against_the_cards_own_lines():
    """A part of them against the rest gives the range; too few lines give none."""
    low, high = Voice(reference_of(EXA).lines).own_range(seed=0)
    assert 0 < low < high < 1
    assert Voice(["한 줄", "두 줄"]).own_range(seed=0) is None


def test_too_few_letters_have_no_voice():
    """Replies of fewer than 600 letters together; the note says how many it takes."""
    measure = measure_rules([reply("응, 좋아!"), reply("")], EXA, seed=0).measure("voice")
    assert measure.value is None
    assert "600자" in measure.note


def test_a_card_without_lines_has_no_voice_and_no_length():
    """Both are stated in Korean; the mean length stands without a range."""
    report = measure_rules([reply("응, 좋아!")], BARE, seed=0)
    assert report.measure("voice").value is None
    assert report.measure("length_fit").value is None
    length = report.measure("length")
    assert (length.value, length.reference) == (6.0, None)
    assert "다섯 줄" in length.note


def test_lengths_are_held_against_replies_that_were_passed_in():
    """From 10 to 30 letters: one of two fits."""
    references = ["가" * length for length in range(10, 31)]
    replies = [reply("나" * 20, scenario="a"), reply("나" * 90, scenario="b")]
    report = measure_rules(replies, BARE, seed=0, references=references)
    assert report.measure("length").reference == (11.0, 29.0)
    assert report.measure("length_fit").value == 0.5


def test_placeholders_are_no_part_of_the_voice():
    """{유저} in a line is a name that no reply can share."""
    assert not any("{" in line for line in reference_of(EXA).lines)
