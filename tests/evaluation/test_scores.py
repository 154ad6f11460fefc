"""Shares with intervals, counted by the character's own rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.evaluation.evaluate import reply_prompts
from exagirl.evaluation.intervals import wilson
from exagirl.evaluation.rules import score_replies
from exagirl.persona.character import load_character


def test_wilsons_interval_of_a_known_case():
    """8 of 10: (0.490, 0.943), as tabulated."""
    share = wilson(8, 10)
    assert (round(share.low, 3), round(share.high, 3)) == (0.490, 0.943)


@given(st.integers(0, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share(pair):
    """0 ≤ low ≤ share ≤ high ≤ 1."""
    share = wilson(*pair)
    assert 0 <= share.low <= share.high <= 1
    if share.total:
        assert share.low - 1e-9 <= share.value <= share.high + 1e-9


def test_more_hits_than_trials_is_refused():
    """A count that cannot be is an error, not a number."""
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


def test_replies_are_counted_by_the_characters_rules():
    """Two of three in banmal, one good action, one broken one."""
    rules = load_character("exa").check_rules()
    scores = score_replies(
        ["*웃으며* 나도 좋아!", "저는 잘 모르겠습니다.", "*어깨를 으쓱하며 그건 나도 몰라."], rules
    )
    assert (scores.level.hits, scores.level.total) == (2, 3)
    assert (scores.actions.hits, scores.actions.total) == (1, 3)
    assert scores.in_role.hits == 1


def test_an_empty_reply_is_counted_not_dropped():
    """It is no banmal, no action, and not in role."""
    scores = score_replies(["", "응, 좋아!"], load_character("exa").check_rules())
    assert (scores.actions.total, scores.in_role.hits, scores.in_role.total) == (2, 1, 2)


def test_prompts_stop_before_each_reply():
    """First replies of all conversations first, then the second ones."""
    talk = [
        {"role": r, "content": c} for r, c in (("system", "s"), ("user", "a"), ("assistant", "b"))
    ]
    longer = [*talk, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]
    prompts = reply_prompts([longer, talk])
    assert [p[-1]["content"] for p in prompts] == ["a", "a", "c"]
