"""A dialogue that is nearly the same as an accepted one is found, and only such a one."""

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.dialogue.corpus import read_subset
from exagirl.dialogue.duplicates import (
    SHORTEST_OPENING,
    Limits,
    Near,
    Seen,
    fingers_of,
    letters,
    likeness,
    trigrams,
    whole_text,
)
from exagirl.dialogue.records import Dialogue, Turn
from support.dialogues import as_turns, dialogues

LINES = (
    "어제 산 화분에 벌써 새잎이 하나 났어",
    "*화분을 들여다보며* 정말이네. 물은 얼마나 자주 줬어?",
    "생각날 때마다 줬는데 너무 많이 준 건 아닐까",
    "흙이 마른 다음에 주면 돼. *손끝으로 흙을 만져 본다*",
)
OTHER = (
    "버스를 놓쳐서 삼십 분이나 걸어왔다",
    "*수건을 건네며* 비까지 맞았잖아. 일단 앉아.",
    "신발 속에 물이 들어가서 축축해",
    "내 슬리퍼 신고 있어. *보일러를 켠다*",
)
SHIPPED = [one for topic in read_subset("exa-data").values() for one in topic]
ALL = Limits(0.5, 0.7)


def dialogue(lines, name="s/t/0000"):
    """A dialogue of these lines."""
    turns = tuple(as_turns(list(lines)))
    return Dialogue(id=name, subset="s", topic="t", character="엑사", turns=turns)


def seen(*accepted):
    """What knows these dialogues; their attempts count from 1."""
    known = dict(enumerate(accepted, start=1))
    memory = Seen(known.get)
    for attempt, one in known.items():
        memory.add(attempt, fingers_of(one.turns))
    return memory


def nearest(memory, lines, limits=ALL):
    """What stands in the way of a dialogue."""
    one = dialogue(lines, "s/t/0009")
    return memory.near(one, fingers_of(one.turns), limits)


def shuffled_words(text, share, dice):
    """A text in which a share of the words has been replaced by words of another."""
    strange = whole_text(dice.choice(SHIPPED).turns).split()
    return " ".join(
        dice.choice(strange) if dice.random() < share else word for word in text.split(" ")
    )


def test_the_same_dialogue_is_found():
    """Its likeness is one, and the slot that has it is named."""
    assert nearest(seen(dialogue(LINES)), LINES) == Near("s/t/0000", 1.0, "dialogue")


def test_blanks_and_composition_make_no_difference():
    """One who writes 새 잎 or in decomposed jamo has written the same."""
    spaced = [unicodedata.normalize("NFD", line.replace("새잎", "새 잎")) for line in LINES]
    assert nearest(seen(dialogue(LINES)), spaced).likeness == 1.0


def test_a_paraphrase_with_some_other_words_is_found():
    """A few words exchanged leave most 3-grams as they were."""
    changed = [line.replace("화분", "선인장").replace("벌써", "드디어") for line in LINES]
    found = nearest(seen(dialogue(LINES)), changed)
    assert found.part == "dialogue"
    assert 0.5 <= found.likeness < 1


def test_the_same_sentences_in_another_order_are_found():
    """Swapping exchanges makes no new dialogue."""
    swapped = [LINES[2], LINES[3], LINES[0], LINES[1]]
    assert nearest(seen(dialogue(LINES)), swapped).part == "dialogue"


def test_an_unrelated_dialogue_is_let_in():
    """Nothing stands in the way of another story."""
    assert nearest(seen(dialogue(LINES)), OTHER) is None


def test_the_dialogues_that_ship_are_not_near_each_other():
    """The limits of the recipe let a whole hand-written corpus in."""
    memory = Seen(dict(enumerate(SHIPPED)).get)
    near = []
    for number, one in enumerate(SHIPPED):
        fingers = fingers_of(one.turns)
        near += [found for found in [memory.near(one, fingers, ALL)] if found]
        memory.add(number, fingers)
    assert near == []


def test_the_same_opening_before_another_talk_is_found():
    """A first line of some length is nobody else's."""
    found = nearest(seen(dialogue(LINES)), [LINES[0], *OTHER[1:]])
    assert found == Near("s/t/0000", 1.0, "opening")


@pytest.mark.parametrize("opening", ["안녕!", "뭐 해?", "나 왔어"])
def test_a_short_opening_may_begin_any_dialogue(opening):
    """안녕! tells nothing about a talk."""
    memory = seen(dialogue([opening, *LINES[1:]]))
    assert nearest(memory, [opening, *OTHER[1:]]) is None


@pytest.mark.parametrize(("count", "has_fingers"), [(-1, False), (0, True)])
def test_openings_are_signed_from_eight_letters_on(count, has_fingers):
    """Blanks are no letters."""
    opening = " ".join("가나다라마바사아자차"[: SHORTEST_OPENING + count])
    fingers = fingers_of(as_turns([opening, "응"]))
    assert (fingers.opening is not None) == has_fingers


@pytest.mark.parametrize(
    ("limits", "part"),
    [
        (Limits(None, 0.7), "opening"),
        (Limits(0.5, None), "dialogue"),
        (Limits(0.5, 0.7), "dialogue"),
    ],
)
def test_where_no_limit_is_given_nobody_looks(limits, part):
    """Each part has a switch of its own."""
    assert nearest(seen(dialogue(LINES)), LINES, limits).part == part


def test_without_limits_the_same_dialogue_is_let_in():
    """Both switches may be off."""
    assert nearest(seen(dialogue(LINES)), LINES, Limits(None, None)) is None


def test_the_limit_itself_is_too_near():
    """A likeness of exactly the limit is refused, the next higher limit lets it in."""
    changed = [line.replace("화분", "선인장") for line in LINES]
    share = likeness(
        trigrams(whole_text(as_turns(list(LINES)))), trigrams(whole_text(as_turns(changed)))
    )
    memory = seen(dialogue(LINES))
    assert nearest(memory, changed, Limits(share, None)).likeness == share
    assert nearest(memory, changed, Limits(share + 1e-9, None)) is None


def test_a_dialogue_that_is_gone_stands_in_nobodys_way():
    """A signature without a dialogue behind it is passed over."""
    memory = Seen(lambda _: None)
    memory.add(1, fingers_of(as_turns(list(LINES))))
    assert nearest(memory, LINES) is None


def test_one_of_many_is_found():
    """The table grows as often as it must."""
    dice = random.Random(3)
    many = [dialogue([shuffled_words(line, 0.9, dice) for line in LINES]) for _ in range(300)]
    target = dialogue(OTHER, "s/t/0777")
    memory = seen(*many[:150], target, *many[150:])
    assert nearest(memory, OTHER).slot == "s/t/0777"


@pytest.mark.parametrize(("part", "limit"), [("dialogue", 0.5), ("opening", 0.7)])
def test_every_pair_above_the_limit_is_found(part, limit):
    """Of a few hundred pairs of every likeness, MinHash loses none that the exact sets refuse."""
    dice = random.Random(11)
    limits = Limits(limit, None) if part == "dialogue" else Limits(None, limit)
    should, does = [], []
    for _ in range(400):
        turns = dice.choice(SHIPPED).turns
        share = dice.uniform(0, 0.5)
        changed = [shuffled_words(turn.content, share, dice) for turn in turns]
        compared = 0 if part == "opening" else slice(None)
        one, other = (
            "\n".join(texts[compared]) if part == "dialogue" else texts[compared]
            for texts in ([turn.content for turn in turns], changed)
        )
        is_told = part == "dialogue" or min(map(len, map(letters, (one, other)))) >= 8
        should.append(is_told and likeness(trigrams(one), trigrams(other)) >= limit)
        memory = seen(dialogue([turn.content for turn in turns]))
        does.append(nearest(memory, changed, limits) is not None)
    assert does == should
    assert 50 < sum(should) < 350


@given(dialogues())
def test_any_dialogue_is_near_itself(turns):
    """Whatever is said, if it has three letters at all."""
    one = Dialogue(id="s/t/0000", subset="s", topic="t", character="엑사", turns=tuple(turns))
    found = seen(one).near(one, fingers_of(turns), Limits(1.0, None))
    assert (found is not None) == (len(letters(whole_text(turns))) >= 3)


@given(st.sets(st.text(max_size=3)), st.sets(st.text(max_size=3)))
def test_likeness_is_symmetric_and_a_share(one, other):
    """From nothing in common to the same."""
    assert likeness(one, other) == likeness(other, one)
    assert 0 <= likeness(one, other) <= 1
    assert (likeness(one, other) == 1) == (one == other and bool(one))


def test_turns_of_both_sides_count():
    """A talk in which only the character's lines were copied is half the same."""
    half = [OTHER[0], LINES[1], OTHER[2], LINES[3]]
    turns = [Turn(role=turn.role, content=turn.content) for turn in as_turns(half)]
    share = likeness(trigrams(whole_text(turns)), trigrams(whole_text(as_turns(list(LINES)))))
    assert nearest(seen(dialogue(LINES)), half, Limits(share, None)).likeness == share
    assert share > 0.2
