"""A judge is shown faults that were planted on purpose."""

import pytest

from exagirl.evaluation.judging.planted import FAULTS, plant_faults
from exagirl.evaluation.probes import fill_names
from support.chat_server import ChatServer
from support.judges import (
    DIALOGUES,
    EXA,
    FIRST,
    LONGER,
    declines,
    guesses,
    house,
    judged_at,
    nonsense,
    sees,
)

PAIRS = 3


def planted(*kinds):
    """The replies that hold a planted fault of these kinds."""
    found = plant_faults(DIALOGUES, EXA, count=PAIRS, seed=7)
    # A reply follows its speaker's name, and nothing follows it.
    return {
        f"엑사: {fill_names(one.faulted[-1].content, EXA)}\n"
        for one in found
        if one.kind in (kinds or FAULTS) and one.kind != "padding"
    }


def certificate(judge, folder, **options):
    """What a judge was found to be worth."""
    order = {"interviews": 0, "arena_scenarios": 0, "certify_pairs": PAIRS} | options
    with ChatServer(house(judge)) as server:
        return judged_at(server.url, folder, **order).certificate, server


def test_a_judge_that_sees_every_fault_is_trusted(tmp_path):
    """It finds all, accuses nobody, keeps its mind and has no taste for length."""
    found, _ = certificate(sees(planted()), tmp_path)
    assert found.is_trusted, found.reason
    assert set(found.detection) == set(FAULTS)
    assert {one.value for one in found.detection.values()} == {1.0}
    assert found.false_alarms.value == 0
    assert found.flip_rate.value == 0
    assert found.length_preference.value == 0.5
    assert (found.unreadable, found.refused) == (0, 0)
    assert "18개 가운데 18개" in found.reason


def test_every_question_to_the_judge_is_counted(tmp_path):
    """Pairs twice, every faulted and every clean dialogue once."""
    found, server = certificate(sees(planted()), tmp_path)
    assert found.asked == len(server.asked)


def test_a_judge_that_does_not_see_a_kind_shows_it(tmp_path):
    """The detection of that kind is 0, whatever the others are."""
    others = [kind for kind in FAULTS if kind != "josa"]
    found, _ = certificate(sees(planted(*others)), tmp_path)
    assert found.detection["josa"].value == 0
    assert found.detection["loop"].value == 1


@pytest.mark.parametrize(
    ("judge", "word"),
    [
        (FIRST, "차례를 바꾸면"),
        (LONGER, "늘려 쓴 답"),
        (guesses, "심은 흠을"),
        (nonsense, "읽을 수 없"),
        (declines, "거절"),
    ],
    ids=["first", "longer", "guesses", "nonsense", "declines"],
)
def test_a_judge_with_a_fault_of_its_own_is_not_trusted(judge, word, tmp_path):
    """The reason says which."""
    found, _ = certificate(judge, tmp_path)
    assert not found.is_trusted
    assert word in found.reason


def test_a_judge_that_prefers_a_place_finds_nothing(tmp_path):
    """It changes its mind on every pair."""
    found, _ = certificate(FIRST, tmp_path)
    assert found.flip_rate.value == 1
    real = [one.value for kind, one in found.detection.items() if kind != "padding"]
    assert set(real) == {0.0}


def test_a_judge_that_prefers_length_shows_it(tmp_path):
    """It takes every padded reply."""
    found, _ = certificate(LONGER, tmp_path)
    assert found.length_preference.value == 1
    assert found.detection["padding"].value == 0


def test_a_judge_that_says_nothing_measures_nothing(tmp_path):
    """Every answer is counted as unreadable; no share is made up."""
    found, server = certificate(nonsense, tmp_path, tries=1)
    assert found.unreadable == found.asked == len(server.asked)
    assert all(one.value is None and one.note for one in found.detection.values())
    for one in (found.false_alarms, found.flip_rate, found.length_preference):
        assert one.value is None


def test_a_threshold_can_be_lowered(tmp_path):
    """A judge that sees half of the kinds passes where half is enough."""
    half = ("polite", "chinese", "loop")
    strict, _ = certificate(sees(planted(*half)), tmp_path)
    lenient, _ = certificate(sees(planted(*half)), tmp_path, threshold=0.5)
    assert (strict.is_trusted, lenient.is_trusted) == (False, True)


def test_too_few_pairs_prove_nothing(tmp_path):
    """However well the judge did."""
    found, _ = certificate(sees(planted()), tmp_path, certify_pairs=1)
    assert not found.is_trusted
    assert "certify_pairs" in found.reason
