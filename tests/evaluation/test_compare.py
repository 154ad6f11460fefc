"""Runs side by side: one evaluation of several, that says what else differs."""

import pytest

from exagirl.errors import ArtifactError
from exagirl.evaluation.compare import compare_runs
from exagirl.evaluation.report.write import render_report
from support.evaluations import certificate, evaluation, measure, model


def run_of(name, *, base="b4se", share=0.94, **changed):
    """An evaluation of a run whose tuned model scores a level."""
    row = measure("level", share, count=400, low=share - 0.02, high=share + 0.02)
    models = (
        model("base", "학습 전", base, 0),
        model("tuned", "학습 후", name, 1, measures=(row, *model("t", "t", "t", 1).measures[1:])),
    )
    return evaluation(run=name, **({"models": models, "troubles": ()} | changed))


def troubles(*runs):
    """What the comparison says that differs."""
    return "\n".join(one.message for one in compare_runs(runs).troubles)


def test_equal_bases_stand_there_once():
    """Then a tuned model for every run, under the run's name."""
    found = compare_runs([run_of("가"), run_of("나"), run_of("다")])
    assert [one.name for one in found.models] == ["base", "가", "나", "다"]
    assert found.run == "가 · 나 · 다"


def test_different_bases_stand_there_each():
    """With the names of their runs, and it is said."""
    runs = [run_of("가"), run_of("나", base="0ther")]
    assert [one.name for one in compare_runs(runs).models] == ["base: 가", "base: 나", "가", "나"]
    assert "기본 모델" in troubles(*runs)


def test_changes_against_the_base_stay_as_they_were_measured():
    """Only the names are others."""
    first, second = run_of("가"), run_of("나")
    found = compare_runs([first, second])
    kept = [one for one in found.changes if (one.of, one.against) == ("나", "base")]
    assert [(c.name, c.difference, c.low, c.verdict) for c in kept] == [
        (c.name, c.difference, c.low, c.verdict) for c in second.changes
    ]


def test_runs_are_compared_with_the_first():
    """By intervals of models that were measured apart."""
    found = compare_runs([run_of("가", share=0.7), run_of("나", share=0.9)])
    change = next(
        one for one in found.changes if (one.of, one.against, one.name) == ("나", "가", "level")
    )
    assert change.difference == pytest.approx(0.2)
    # Zou and Donner: the squares of both half intervals add up.
    assert change.low == pytest.approx(0.2 - 0.02 * 2**0.5)
    assert change.verdict == "better"


def test_two_runs_of_one_name_are_told_apart():
    """They may come from different folders."""
    found = compare_runs([run_of("가"), run_of("가")])
    assert [one.name for one in found.models] == ["base", "가", "가 (2)"]


def test_a_run_may_be_called_base():
    """Its model is not taken for the base, nor one whose name begins so."""
    found = compare_runs([run_of("base"), run_of("baseline")])
    assert [one.name for one in found.models] == ["base", "base (2)", "baseline"]
    assert found.model("base").digest.startswith("b4se")


@pytest.mark.parametrize("other", [{"character": "하람"}, {"level": "polite"}])
def test_other_characters_are_refused(other):
    """Their numbers have no common meaning; the message says which are which."""
    with pytest.raises(ArtifactError, match="캐릭터가 다른"):
        compare_runs([run_of("가"), run_of("나", **other)])


def test_one_run_is_nothing_to_compare():
    """The message shows how it is called."""
    with pytest.raises(ArtifactError, match="exagirl evaluate A B"):
        compare_runs([run_of("가")])


@pytest.mark.parametrize(
    ("repeat", "words"),
    [
        ({"seed": 8}, "시드(seed): 실행마다 다릅니다. (가 7, 나 8)"),
        ({"heldout": "other"}, "검증 대화"),
        ({"questions": ["x"]}, "물은 것"),
        ({"options": {"replies": 3}}, "재는 설정"),
        ({"inputs": {"dataset": "other"}}, "데이터셋"),
    ],
)
def test_what_else_differs_is_stated(repeat, words):
    """At the top of the report, as a trouble."""
    second = run_of("나", repeat=evaluation().repeat | repeat)
    assert words in troubles(run_of("가"), second)


def test_runs_that_differ_in_nothing_else_state_nothing():
    """The difference is the model's."""
    assert troubles(run_of("가"), run_of("나")) == ""


def test_troubles_of_the_runs_are_kept_with_their_names():
    """None is swallowed."""
    assert "가: 사실 네 개는" in troubles(
        run_of("가", troubles=evaluation().troubles), run_of("나")
    )


def test_one_doubtful_judge_makes_judged_numbers_doubtful():
    """Whichever run it judged."""
    bad = run_of("나", certificate=certificate(is_trusted=False))
    assert compare_runs([run_of("가"), bad]).certificate.is_trusted is False


def test_the_comparison_has_a_report():
    """It names every run and quotes each."""
    text = render_report(compare_runs([run_of("가람"), run_of("나래"), run_of("다솜")]))
    for name in ("가람", "나래", "다솜"):
        assert text.count(name) > 20
    assert text.count('class="talk"') == 6
