"""A later stage sees again what earlier ones taught."""

import pytest
from pydantic import ValidationError

from exagirl.training.base_model import give_template, load_tokenizer
from exagirl.training.options import TrainingOptions
from exagirl.training.replay import mix_in
from exagirl.training.rows import encode_rows
from support.training_runs import SYSTEM, Heard, make_run, options, stage, talks, train


@pytest.fixture(scope="module")
def pools(exaone_base):
    """Eighteen rows of the stage's own, and forty of before."""
    tokenizer = give_template(load_tokenizer(exaone_base), SYSTEM)
    return [
        encode_rows(tokenizer, talks(name, count), subset=name)
        for name, count in (("own", 18), ("before", 40))
    ]


def test_the_share_is_that_of_all_that_the_stage_sees(pools):
    """18 of its own and 2 of before make a tenth."""
    assert mix_in(*pools, 0.1, seed=1).subsets.count("before") == 2


def test_own_rows_all_stay_and_none_of_before_comes_twice(pools):
    """Replay adds; it takes nothing away."""
    mixed = mix_in(*pools, 0.5, seed=1)
    assert mixed.subsets[:18] == ("own",) * 18
    assert len({mixed.name(at) for at in range(len(mixed))}) == 36


def test_the_seed_decides_what_is_seen_again(pools):
    """The same seed draws the same rows, another one others."""
    drawn = [
        [m.name(at) for at in range(18, len(m))]
        for m in (mix_in(*pools, 0.3, seed=seed) for seed in (1, 1, 2))
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_pool_that_is_too_small_is_seen_whole(pools):
    """There is no more than there is."""
    assert mix_in(pools[1], pools[0], 0.9, seed=1).subsets.count("own") == 18


def test_replayed_dialogues_are_counted_and_told(tmp_path, exaone_base):
    """The manifest and the watcher say how many."""
    run, heard = make_run(tmp_path, talks=6, more=6), Heard()
    second = stage(name="second", data="more", steps=1, replay={"share": 0.25})
    manifests = train(run, options(exaone_base, stage(steps=1), second), heard)
    assert [m.notes["replayed"] for m in manifests] == [0, 2]
    assert "second 단계: more 6편, 앞 단계의 대화 2편" in heard.said


@pytest.mark.parametrize(
    ("stages", "what"),
    [
        ([{"name": "a", "data": "x", "replay": {"share": 0.1}}], "첫 단계"),
        (
            [{"name": "a", "data": "x"}, {"name": "b", "data": "x", "replay": {}}],
            "다시 볼 다른 대화가 없",
        ),
    ],
    ids=["first stage", "same data"],
)
def test_a_replay_of_nothing_is_refused(stages, what):
    """The recipe does not load."""
    with pytest.raises(ValidationError, match=what):
        TrainingOptions.model_validate({"base": "b", "stages": stages})
