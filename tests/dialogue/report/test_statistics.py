"""The numbers of a set of dialogues are what a person would count."""

import pytest

from exagirl.dialogue.corpus import read_subset
from exagirl.dialogue.records import Dialogue, Turn
from exagirl.dialogue.report.statistics import (
    Spread,
    describe,
    describe_words,
    distinct_n,
    nearest_likeness,
)


def dialogue(*said, topic="daily"):
    """A dialogue of some lines, the user's first."""
    turns = tuple(
        Turn(role="assistant" if at % 2 else "user", content=line) for at, line in enumerate(said)
    )
    return Dialogue(id="x", subset="exa-data", topic=topic, character="엑사", turns=turns)


def test_turns_are_counted_a_side():
    """Two exchanges are two turns a side."""
    talk = describe([dialogue("안녕", "응", "뭐 해?", "책 봐"), dialogue("안녕", "응")])
    assert dict(talk.turns) == {2: 1, 1: 1}
    assert talk.dialogues == 2


def test_lengths_are_kept_apart_by_side():
    """The user's characters are not the character's."""
    talk = describe([dialogue("안녕하세요", "응")])
    assert (talk.user_chars, talk.character_chars) == ([5], [1])


def test_levels_are_those_of_the_character():
    """A polite user does not make the character polite."""
    talk = describe([dialogue("뭐 하세요?", "책 읽고 있어.")])
    assert dict(talk.levels) == {"반말": 1}


def test_the_share_of_turns_with_an_action():
    """One of two turns acts."""
    talk = describe([dialogue("안녕", "*손을 흔든다* 안녕!", "뭐 해?", "책 봐.")])
    assert talk.acted == 0.5


def test_actions_that_stand_once_are_not_listed():
    """Only what comes again is worth a look."""
    said = ("안녕", "*손을 흔든다* 안녕!", "어", "*웃는다* 응.", "어", "*손을 흔든다* 또 봐.")
    assert describe([dialogue(*said)]).actions == [("손을 흔든다", 2)]


@pytest.mark.parametrize(
    ("tokens", "n", "share"),
    [("가나가나", 1, 0.5), ("가나가나", 2, 2 / 3), ("가", 2, 0.0), ("", 1, 0.0)],
)
def test_distinct_n(tokens, n, share):
    """Different n-grams over all n-grams."""
    assert distinct_n(list(tokens), n) == pytest.approx(share)


def test_the_same_line_twice_is_half_as_distinct():
    """Repetition is seen in the words."""
    once, twice = describe_words(["오늘은 비가 온다."]), describe_words(["오늘은 비가 온다."] * 2)
    assert once.distinct[2] == 1.0
    assert twice.distinct[2] <= 0.6
    assert twice.types == once.types


def test_ten_endings_have_all_endings_where_there_are_no_more():
    """The share of the commonest endings is of all endings."""
    words = describe_words(["책 읽어.", "밥 먹자."])
    assert words.endings_share == 1.0
    assert {form for form, _ in words.endings} == {"어", "자"}


def test_the_nearest_neighbour_of_a_copy_is_the_copy():
    """A pair of the same dialogue is found; the stranger has none near."""
    same = dialogue("오늘 뭐 먹었어?", "김치찌개를 끓여 먹었지.")
    other = dialogue("기차 시간이 언제야", "여섯 시 십 분 차를 타면 돼.")
    nearest = nearest_likeness([same, same, other])
    assert nearest[:2] == [1.0, 1.0]
    assert nearest[2] < 0.1


def test_the_spread_of_nothing_is_zero():
    """An empty subset breaks nothing."""
    assert Spread.of([]) == Spread(0.0, 0.0, 0.0)


def test_the_shipped_dialogues_are_unlike_each_other():
    """Nobody would take one for another."""
    found = [one for many in read_subset("butler-data").values() for one in many]
    assert max(nearest_likeness(found)) < 0.2
