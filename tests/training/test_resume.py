"""A stage that was stopped anywhere ends as if it had never been."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from exagirl.artifact import is_complete, read_manifest
from exagirl.training.options import LoraOptions
from support.training_runs import Heard, Impatient, make_run, metrics, options, stage, train

TESTS = Path(__file__).parents[1]
TIMES = ("tokens_per_s",)


def two_stages(base):
    """The second one replays the first and may stop early."""
    second = stage(
        name="character",
        data="more",
        steps=8,
        validate_every=2,
        replay={"share": 0.3},
        early_stop={"patience": 4},
    )
    return options(base, stage(steps=6), second)


def curve(run, name="general"):
    """A stage's metrics without its times."""
    return [{k: v for k, v in row.items() if k not in TIMES} for row in metrics(run, name)]


def same(found, expected):
    """Two curves agree to 1e-4, step by step."""
    assert [row["step"] for row in found] == list(range(1, len(expected) + 1))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, exaone_base):
    """A run of two stages that nothing interrupted."""
    run = make_run(tmp_path_factory.mktemp("whole"), talks=10, more=7)
    train(run, two_stages(exaone_base))
    return run


@pytest.fixture(scope="module")
def single(tmp_path_factory, exaone_base):
    """A run of one stage that nothing interrupted."""
    run = make_run(tmp_path_factory.mktemp("single"), talks=10)
    train(run, options(exaone_base))
    return run


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 5, 11], ids=["no checkpoint yet", "stage 1", "stage 2"])
def test_a_killed_training_ends_with_the_curve_of_one_that_was_not(
    tmp_path, exaone_base, whole, steps
):
    """SIGKILL, then train again: the same losses and weights to 1e-4, dropout included."""
    run = make_run(tmp_path, talks=10, more=7)
    chosen = tmp_path / "options.json"
    chosen.write_text(two_stages(exaone_base).model_dump_json(exclude_defaults=True), "utf-8")
    killed = subprocess.run(
        [sys.executable, "-m", "support.training_runs", str(run.root), str(chosen), str(steps)],
        cwd=TESTS,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    train(run, two_stages(exaone_base))
    for name in ("general", "character"):
        same(curve(run, name), curve(whole, name))
        ours, theirs = (
            load_file(r.adapter(name) / "adapter_model.safetensors") for r in (run, whole)
        )
        assert all((ours[key] - theirs[key]).abs().max() < 1e-4 for key in theirs)


def test_it_goes_on_from_the_last_checkpoint(tmp_path, exaone_base, single):
    """Steps before the checkpoint are not walked again, and no step stands twice."""
    run, heard = make_run(tmp_path, talks=10), Heard()
    with pytest.raises(KeyboardInterrupt):
        train(run, options(exaone_base), Impatient(7))
    train(run, options(exaone_base), heard)
    assert (6, "이어서") in heard.notes
    same(curve(run), curve(single))


def test_the_newest_two_checkpoints_are_kept_and_none_after_the_stage(tmp_path, exaone_base):
    """They stand hidden beside the adapter, and go when it is sealed."""
    run = make_run(tmp_path, talks=10)
    with pytest.raises(KeyboardInterrupt):
        train(run, options(exaone_base), Impatient(9))
    hidden = run.adapters / ".general.checkpoints"
    assert {p.name for p in hidden.glob("checkpoint-*")} == {"checkpoint-6", "checkpoint-8"}
    train(run, options(exaone_base))
    assert not hidden.exists()
    assert {p.name for p in run.adapters.iterdir()} == {"general", ".tokens"}


def test_a_damaged_checkpoint_is_passed_over(tmp_path, exaone_base, single):
    """The one before it is gone on from."""
    run, heard = make_run(tmp_path, talks=10), Heard()
    with pytest.raises(KeyboardInterrupt):
        train(run, options(exaone_base), Impatient(9))
    file = run.adapters / ".general.checkpoints" / "checkpoint-8" / "optimizer.pt"
    file.write_bytes(file.read_bytes()[:-9])
    train(run, options(exaone_base), heard)
    assert (6, "이어서") in heard.notes
    same(curve(run), curve(single))


def test_a_checkpoint_of_other_inputs_is_never_gone_on_from(tmp_path, exaone_base):
    """A changed learning rate begins anew."""
    run, heard = make_run(tmp_path, talks=10), Heard()
    with pytest.raises(KeyboardInterrupt):
        train(run, options(exaone_base), Impatient(7))
    train(run, options(exaone_base, stage(learning_rate=0.02)), heard)
    assert "이어서" not in [note for _, note in heard.notes]
    assert [row["step"] for row in metrics(run)] == list(range(1, 13))


def test_an_adapter_that_is_saved_in_another_form_goes_on_too(tmp_path, exaone_base):
    """PiSSA learns at one rank and is saved at twice that."""
    lora = LoraOptions(rank=4, alpha=8, dropout=0.1, init="pissa")
    runs = [make_run(tmp_path / name, talks=10) for name in ("whole", "stopped")]
    train(runs[0], options(exaone_base, lora=lora))
    with pytest.raises(KeyboardInterrupt):
        train(runs[1], options(exaone_base, lora=lora), Impatient(7))
    train(runs[1], options(exaone_base, lora=lora))
    same(curve(runs[1]), curve(runs[0]))


def test_packed_rows_go_on_too(tmp_path, exaone_base):
    """The plan of packs is the same after a stop."""
    runs = [make_run(tmp_path / name, talks=10) for name in ("whole", "stopped")]
    chosen = options(exaone_base, stage(batch_size=1, steps=6), packing=True, max_length=160)
    train(runs[0], chosen)
    with pytest.raises(KeyboardInterrupt):
        train(runs[1], chosen, Impatient(3))
    train(runs[1], chosen)
    same(curve(runs[1]), curve(runs[0]))


def test_a_finished_stage_is_not_trained_again(single, exaone_base):
    """Reports may be thrown away without making the adapter another."""
    before = read_manifest(single.adapter("general"))
    assert is_complete(single.adapter("general"), before.inputs)
    assert not {"curves.png", "metrics.jsonl"} & set(before.files)
    assert train(single, options(exaone_base)) == [before]
