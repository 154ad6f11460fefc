"""The whole way, once, on real dialogues and a tiny random base."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

from exagirl import pipeline
from exagirl.artifact import MANIFEST, read_manifest
from exagirl.chatmodel.encoding import encode_conversation
from exagirl.errors import ArtifactError
from exagirl.persona.card import write_card
from exagirl.persona.character import load_character
from exagirl.pipeline import Job, find_run, open_chat, run_recipe
from exagirl.progress import Nobody
from exagirl.recipe import load_recipe
from exagirl.training.base_model import give_template, load_tokenizer
from support.recipes import write_recipe

ARTIFACTS = ("dialogues", "dataset", "adapter/general", "adapter/character", "model", "evaluation")


@pytest.fixture(scope="module")
def done(tmp_path_factory, exaone_base):
    """A finished run: its job and its report."""
    folder = tmp_path_factory.mktemp("run")
    job = Job(load_recipe(str(write_recipe(folder, exaone_base))), folder / "runs", Nobody())
    return job, run_recipe(job)


def test_every_stage_leaves_a_sealed_artifact(done):
    """Each folder of the way has its manifest."""
    job, _ = done
    assert all((job.folder.root / name / MANIFEST).is_file() for name in ARTIFACTS)


def test_the_report_compares_base_and_tuned(done):
    """Both were measured, and training lowered the loss on held-out replies."""
    _, report = done
    base, tuned = (report.evaluation.model(name) for name in ("base", "tuned"))
    assert tuned.measure("bits_per_character").value < base.measure("bits_per_character").value


def test_the_sample_is_a_conversation(done):
    """Three questions, with the names filled in."""
    _, report = done
    assert [turn.role for turn in report.sample][::2] == ["user"] * (len(report.sample) // 2)
    assert not any("{유저}" in turn.shown for turn in report.sample)


def test_the_dataset_loads_with_datasets(done, tmp_path):
    """Two configs, two splits; `text` is the same list as `messages`, system first."""
    job, _ = done
    for subset, rows in (("gf-persona-data", 6), ("exa-data", 8)):
        loaded = load_dataset(str(job.folder.dataset), subset, cache_dir=str(tmp_path))
        assert set(loaded) == {"train", "validation"}
        assert len(loaded["train"]) == rows
        row = loaded["train"][0]
        assert row["text"] == row["messages"]
        assert row["messages"][0]["role"] == "system"


def test_the_tokens_of_a_conversation_are_the_same_everywhere(done, exaone_base, tmp_path):
    """Training, evaluation, chat and the saved model read one conversation alike."""
    job, _ = done
    loaded = load_dataset(str(job.folder.dataset), "exa-data", cache_dir=str(tmp_path))
    trained_with = give_template(load_tokenizer(exaone_base), job.system)
    saved = AutoTokenizer.from_pretrained(job.folder.model)
    chatting = open_chat(job.folder, user="민준").backend
    for row in loaded["validation"]:
        talk = row["messages"]
        assert talk[0]["content"] == job.system
        expected = encode_conversation(trained_with, talk).token_ids
        assert tuple(saved.apply_chat_template(talk)["input_ids"]) == expected
        assert tuple(saved.apply_chat_template(talk[1:])["input_ids"]) == expected
        prompt = chatting.prompt_tokens(talk[1:-1])
        assert tuple(prompt) == expected[: len(prompt)]


def test_the_model_loads_with_plain_transformers(done):
    """No remote code, and it answers."""
    job, _ = done
    model = AutoModelForCausalLM.from_pretrained(job.folder.model)
    tokenizer = AutoTokenizer.from_pretrained(job.folder.model)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "엑사야 뭐하고있니?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    out = model.generate(**ids, max_new_tokens=4, do_sample=False)
    assert out.shape[1] > ids["input_ids"].shape[1]


def test_a_second_run_does_nothing_again(done, exaone_base):
    """With unchanged inputs no artifact is written anew."""
    job, report = done
    before = {name: (job.folder.root / name / MANIFEST).stat().st_mtime_ns for name in ARTIFACTS}
    again = run_recipe(job)
    after = {name: (job.folder.root / name / MANIFEST).stat().st_mtime_ns for name in ARTIFACTS}
    assert (again, after) == (report, before)


def test_a_run_finds_its_character_wherever_it_is_read_from(tmp_path, exaone_base):
    """A path that counted from the recipe's own folder means nothing in the run's."""
    recipe = write_recipe(tmp_path / "mine", exaone_base)
    (tmp_path / "mine/people").mkdir()
    character = load_character("exa").model_copy(update={"name": "나비"})
    write_card(character, tmp_path / "mine/people/nabi.yaml")
    text = recipe.read_text("utf-8").replace("character: exa\n", "character: people/nabi.yaml\n")
    recipe.write_text(text, encoding="utf-8")
    job = Job(load_recipe(str(recipe)), tmp_path / "runs", Nobody())
    pipeline.join_run(job)
    again = load_recipe(str(job.folder.root))
    assert again.character == job.character
    pipeline.join_run(Job(again, tmp_path / "runs", Nobody()))
    assert load_recipe(str(job.folder.root)).character.name == "나비"


def test_a_changed_last_stage_keeps_what_came_before(tmp_path, exaone_base):
    """Only what depends on the change is made again."""
    first = Job(load_recipe(str(write_recipe(tmp_path, exaone_base))), tmp_path / "runs", Nobody())
    run_recipe(first)
    general = read_manifest(first.folder.adapter("general"))
    character = read_manifest(first.folder.adapter("character"))
    changed = load_recipe(str(write_recipe(tmp_path, exaone_base, epochs=2)))
    run_recipe(Job(changed, tmp_path / "runs", Nobody()))
    assert read_manifest(first.folder.adapter("general")) == general
    assert read_manifest(first.folder.adapter("character")).inputs != character.inputs


def test_a_lost_manifest_is_never_taken_for_finished(tmp_path, exaone_base):
    """Without its manifest a model is made again."""
    job = Job(load_recipe(str(write_recipe(tmp_path, exaone_base))), tmp_path / "runs", Nobody())
    run_recipe(job)
    (job.folder.model / MANIFEST).unlink()
    with pytest.raises(ArtifactError, match="exagirl run tiny"):
        open_chat(job.folder, user="민준")
    run_recipe(job)
    assert read_manifest(job.folder.model) is not None


@pytest.mark.parametrize("milestone", ["dataset", "adapter/general", "model"])
def test_a_killed_run_goes_on_from_the_last_finished_stage(tmp_path, exaone_base, milestone):
    """SIGKILL after a stage; run again, it ends, and that stage was not repeated."""
    recipe = write_recipe(tmp_path, exaone_base, heldout="split")
    command = [sys.executable, "-m", "exagirl", "run", str(recipe), "--runs", str(tmp_path / "r")]
    manifest = tmp_path / "r" / "tiny" / milestone / MANIFEST
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not manifest.exists() and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = manifest.read_bytes()
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert manifest.read_bytes() == before
    scores = json.loads((tmp_path / "r" / "tiny" / "evaluation" / "scores.json").read_text())
    assert [model["name"] for model in scores["models"]] == ["base", "tuned"]


def test_a_run_that_is_nowhere_names_those_that_are(done, tmp_path):
    """The message lists the runs, or how to make one."""
    job, _ = done
    with pytest.raises(ArtifactError, match="tiny"):
        find_run("other", job.folder.root.parent)
    with pytest.raises(ArtifactError, match="exagirl run quickstart"):
        find_run("other", tmp_path / "none")
