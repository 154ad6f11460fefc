"""Two models answer the same user, and a judge chooses in both orders."""

import json

import pytest

from support.chat_server import ChatServer, says
from support.judges import FANCY, FIRST, SYSTEM, choice, declines, house, judged_at, nonsense, sees

ONLY = {"interviews": 0}
TUNED = sees({"말씀을 잘 들었습니다"})


def fought(judge, folder, **more):
    """What came of the arena, and the server that was asked."""
    with ChatServer(house(judge)) as server:
        return judged_at(server.url, folder, **ONLY, **more), server


def replies_asked(server, model):
    """The messages that a model was sent, without the system prompt."""
    bodies = [one.body for one in server.asked if one.body["model"] == model]
    return [body["messages"][1:] for body in bodies]


def test_the_better_model_wins_in_both_orders(tmp_path):
    """A win rate of 1 for the one that the judge prefers wherever it stands."""
    parts, _ = fought(TUNED, tmp_path, models=("tuned", "base"))
    result = parts.arena[0]
    assert (result.wins, result.ties, result.losses) == (3, 0, 0)
    assert result.win_rate.value == 1
    assert result.flip_rate.value == 0


def test_swapped_roles_swap_the_win_rate(tmp_path):
    """The rate of the one is 1 minus the rate of the other, plain and at equal length."""
    one, _ = fought(FANCY, tmp_path / "1", models=("tuned", "base"), arena_scenarios=8)
    two, _ = fought(FANCY, tmp_path / "2", models=("base", "tuned"), arena_scenarios=8)
    ours, theirs = one.arena[0], two.arena[0]
    assert 0 < ours.win_rate.value < 1
    for measure, other in (
        (ours.win_rate, theirs.win_rate),
        (ours.length_controlled, theirs.length_controlled),
    ):
        assert measure.value == pytest.approx(1 - other.value)
        assert measure.low == pytest.approx(1 - other.high)


def test_a_judge_that_prefers_the_first_place_gives_a_half(tmp_path):
    """And changes its mind on every pair."""
    parts, _ = fought(FIRST, tmp_path)
    result = parts.arena[0]
    assert result.win_rate.value == 0.5
    assert result.flip_rate.value == 1
    assert result.ties == 3


def test_every_pair_is_judged_in_both_orders(tmp_path):
    """Two questions a pair, the same conversations in turn."""
    _, server = fought(FIRST, tmp_path)
    shown = [one.user for one in server.asked if one.body["model"] == "judge"]
    assert len(shown) == len(set(shown)) == 6


def test_both_models_hear_the_same_user(tmp_path):
    """And each its own replies."""
    _, server = fought(FIRST, tmp_path, arena_turns=3, arena_scenarios=11)
    base, tuned = replies_asked(server, "base"), replies_asked(server, "tuned")

    def of(asked, role):
        return sorted(
            json.dumps([one["content"] for one in said if one["role"] == role], ensure_ascii=False)
            for said in asked
        )

    assert of(base, "user") == of(tuned, "user")
    assert any(one["role"] == "assistant" for said in tuned for one in said)
    assert "base의" not in json.dumps(tuned, ensure_ascii=False)
    assert "손을 흔들며" not in json.dumps(base, ensure_ascii=False)


def test_the_judge_is_not_told_which_model_spoke(tmp_path):
    """Neither a name nor the prompt of the models stands in what it reads."""
    with ChatServer(house(FIRST, lambda _: says("응, 그래."))) as server:
        judged_at(server.url, tmp_path, models=("secret-a", "secret-b"), **ONLY)
        judged = [one.body["messages"] for one in server.asked if one.body["model"] == "judge"]
        assert judged == []  # the same words from both are a tie, and nobody is asked
    with ChatServer(house(FIRST, lambda asked: says("응" * len(asked.body["model"])))) as server:
        judged_at(server.url, tmp_path, models=("secret-a", "secret-bb"), **ONLY)
        judged = [one.body["messages"] for one in server.asked if one.body["model"] == "judge"]
    assert len(judged) == 6
    text = json.dumps(judged, ensure_ascii=False)
    assert "secret" not in text
    assert SYSTEM not in text


def test_equal_conversations_are_a_tie(tmp_path):
    """Without a change of mind."""
    with ChatServer(house(FIRST, lambda _: says("응, 그래."))) as server:
        result = judged_at(server.url, tmp_path, **ONLY).arena[0]
    assert (result.win_rate.value, result.ties) == (0.5, 3)
    assert result.flip_rate.value is None


@pytest.mark.parametrize(
    ("judge", "unreadable", "refused"), [(nonsense, 6, 0), (declines, 0, 6)], ids=["nonsense", "no"]
)
def test_a_judge_that_says_nothing_leaves_no_win_rate(judge, unreadable, refused, tmp_path):
    """Every answer is counted, and nothing is filled in."""
    result = fought(judge, tmp_path)[0].arena[0]
    assert (result.unreadable, result.refused) == (unreadable, refused)
    assert (result.wins, result.ties, result.losses) == (0, 0, 0)
    for measure in (result.win_rate, result.length_controlled, result.flip_rate):
        assert measure.value is None
        assert measure.note


def test_nonsense_is_asked_again_and_refusals_are_not(tmp_path):
    """As often as the options say."""
    _, server = fought(nonsense, tmp_path / "1", tries=3)
    _, other = fought(declines, tmp_path / "2", tries=3)
    assert sum(one.body["model"] == "judge" for one in server.asked) == 18
    assert sum(one.body["model"] == "judge" for one in other.asked) == 6


def test_a_half_read_pair_counts_nowhere(tmp_path):
    """One order without an answer is no win for anybody."""

    def half(asked):
        return says(choice("1")) if asked.user.index("손을") < asked.user.index("네,") else says("")

    result = fought(half, tmp_path, tries=1)[0].arena[0]
    assert (result.wins, result.ties, result.losses, result.unreadable) == (0, 0, 0, 3)


def test_three_models_are_ranked(tmp_path):
    """Best first, strengths around 0; every two of them meet."""
    parts, _ = fought(TUNED, tmp_path, models=("base", "other", "tuned"))
    assert len(parts.arena) == 3
    assert parts.ranking.names[0] == "tuned"
    strengths = [one.value for one in parts.ranking.strengths]
    assert strengths == sorted(strengths, reverse=True)
    assert sum(strengths) == pytest.approx(0)


def test_two_models_have_no_ranking(tmp_path):
    """Their win rate says it."""
    assert fought(TUNED, tmp_path)[0].ranking is None
