"""Several processes learn what one learns, and leave one set of artifacts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from exagirl.artifact import RunFolder
from exagirl.training.options import LoraOptions
from support.recipes import write_recipe
from support.training_runs import make_run, metrics, options, stage

TESTS = Path(__file__).parents[1]
CALM = {
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "src")]),
}
FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
}


def launch(processes, *command, **more):
    """Run a Python module in so many processes; gives back the finished launcher."""
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run(
        [sys.executable, "-m", *launcher, "-m", *map(str, command)],
        env=os.environ | CALM | more,
        capture_output=True,
        text=True,
        check=False,
    )


def files_of(folder):
    """Every file below a folder, locks and caches left out."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    )


@pytest.fixture(scope="module")
def through_the_command_line(tmp_path_factory, exaone_base):
    """Two runs of one recipe: by one process, and by two with half the accumulation."""
    found = []
    for processes in (1, 2):
        folder = tmp_path_factory.mktemp("run")
        recipe = write_recipe(folder, exaone_base, epochs=2)
        text = recipe.read_text("utf-8")
        recipe.write_text(
            text.replace("gradient_accumulation: 2", f"gradient_accumulation: {4 // processes}"),
            "utf-8",
        )
        where = (recipe, "--runs", folder / "runs")
        made = launch(1, "exagirl", "generate", *where)
        assert made.returncode == 0, made.stderr
        done = launch(processes, "exagirl", "train", *where)
        assert done.returncode == 0, done.stderr
        found.append((folder / "runs" / "tiny", done))
    return found


def test_two_processes_have_the_losses_of_one(through_the_command_line):
    """Step by step to 1e-3, training and validation, at an equal number of dialogues a step."""
    for name in ("general", "character"):
        curves = [metrics(RunFolder(run), name) for run, _ in through_the_command_line]
        assert len(curves[0]) == len(curves[1]) > 1
        for one, two in zip(*curves, strict=True):
            assert two["loss"] == pytest.approx(one["loss"], abs=1e-3)
            assert two.get("validation_loss") == pytest.approx(one.get("validation_loss"), abs=1e-3)
            assert two["tokens"] == one["tokens"]


def test_two_processes_leave_one_set_of_artifacts(through_the_command_line):
    """The same files as one process leaves, and none aside."""
    one, two = (files_of(run) for run, _ in through_the_command_line)
    assert one == two


def test_only_the_first_process_speaks(through_the_command_line):
    """Every line stands on the screen once."""
    (_, one), (_, two) = through_the_command_line
    assert two.stdout.count("끝났습니다") == 1
    assert len(two.stdout.splitlines()) == len(one.stdout.splitlines())


def test_the_whole_way_is_not_for_a_launcher(tmp_path, exaone_base):
    """`run` under torchrun says what to do instead."""
    recipe = write_recipe(tmp_path, exaone_base)
    done = launch(2, "exagirl", "run", recipe, "--runs", tmp_path / "runs")
    assert done.returncode != 0
    assert "여러 프로세스로는 학습만" in done.stderr
    assert not (tmp_path / "runs").exists()


def learn(root, base, steps, program, **more):
    """Two processes learn twelve steps without dropout and die after some; their run and launcher.

    A checkpoint stands at every second step.
    """
    run = RunFolder(root) if root.exists() else make_run(root, talks=10)
    chosen = root / "options.json"
    early = stage(gradient_accumulation=1, early_stop={"patience": 9})
    plain = options(base, early, lora=LoraOptions(rank=4, alpha=8))
    chosen.write_text(plain.model_dump_json(exclude_defaults=True), "utf-8")
    return run, launch(2, program, run.root, chosen, steps, **more)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "environment"),
    [("support.training_runs", {}), ("support.fsdp_on_cpu", FSDP)],
    ids=["DDP", "FSDP2"],
)
def test_killed_processes_go_on_together(tmp_path, exaone_base, program, environment):
    """SIGKILL after five steps, then again: curve and adapter of a run that was not killed."""
    whole, done = learn(tmp_path / "whole", exaone_base, 99, "support.training_runs")
    assert done.returncode == 0, done.stderr
    cut, killed = learn(tmp_path / "cut", exaone_base, 5, program, **environment)
    assert killed.returncode != 0
    assert list(cut.adapters.glob(".general.checkpoints/checkpoint-4"))
    cut, done = learn(tmp_path / "cut", exaone_base, 99, program, **environment)
    assert done.returncode == 0, done.stderr
    losses = [[row["loss"] for row in metrics(run)] for run in (whole, cut)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    ours, theirs = (
        load_file(run.adapter("general") / "adapter_model.safetensors") for run in (cut, whole)
    )
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        assert (ours[name] - weight).abs().max() < 1e-4
