"""A run folder as a finished run leaves it, with real dialogues and tiny random models."""

import json
import shutil

from exagirl.artifact import RunFolder, seal
from exagirl.dataset.build import build_dataset
from exagirl.dialogue.outputs import read_dialogues
from exagirl.pipeline import Job, generate, write_recipe
from exagirl.progress import Nobody
from exagirl.publish.cards.facts import AskedRun, gather_facts
from exagirl.publish.cards.licences import licence_of
from exagirl.publish.choice import PublishChoice
from exagirl.recipe import dump_recipe, load_recipe
from support import recipes
from support.evaluations import evaluation, model
from support.merged_models import save_exaone_kind

EXAONE = "LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct"
CHOICE = PublishChoice(repo="moa/EXAONE-3.5-2.4B-exa")
NOTES = {"dialogues": 8, "steps": 4, "tokens": 900, "train_loss": 3.25, "validation_loss": 3.5}


def make_run(folder, base=EXAONE):
    """A run with everything that is published; returns its job."""
    loaded = load_recipe(str(recipes.write_recipe(folder, base)))
    job = Job(loaded, folder / "runs", Nobody())
    job.folder.root.mkdir(parents=True)
    write_recipe(job)
    generate(job)
    make_dataset(job)
    for stage in job.recipe.training.stages:
        adapter = job.folder.adapter(stage.name)
        adapter.mkdir(parents=True)
        (adapter / "adapter_config.json").write_text("{}")
        seal(adapter, "adapter", {}, notes=NOTES)
    save_exaone_kind(job.folder.model)
    (job.folder.model / "LICENSE").write_text("EXAONE AI Model License Agreement 1.1 - NC\n")
    manifest = seal(job.folder.model, "model", {})
    write_scores(job.folder, manifest.digest)
    turns = [
        {"role": "user", "raw": "안녕", "shown": "안녕! 뭐 해?"},
        {"role": "assistant", "raw": "응", "shown": "*책을 덮으며* 민준아~ 왔어? <b>^_^</b>"},
    ]
    sample = {"model": manifest.digest, "turns": turns}
    (job.folder.evaluation / ".sample.json").write_text(json.dumps(sample))
    return job


def copy_run(job, folder):
    """The same run elsewhere, to be changed."""
    shutil.copytree(job.folder.root, folder / "runs" / job.folder.root.name)
    return Job(load_recipe(str(job.folder.root)), folder / "runs", Nobody())


def make_dataset(job):
    """The data set of a run's dialogues."""
    build_dataset(
        {
            name: read_dialogues(job.folder.dialogues, name)
            for name in job.recipe.generation.subsets
        },
        job.character,
        job.recipe.dataset,
        seed=job.recipe.seed,
        folder=job.folder.dataset,
        watcher=Nobody(),
    )


def write_scores(folder: RunFolder, digest, **changes):
    """``scores.json`` of made-up numbers, measured with a model of this digest."""
    folder.evaluation.mkdir(exist_ok=True)
    scores = evaluation(run=folder.root.name, **changes)
    tuned = model("tuned", "학습 후", "7a9e", 1).model_copy(update={"digest": digest})
    scores = scores.model_copy(update={"models": (scores.models[0], tuned)})
    (folder.evaluation / "scores.json").write_text(scores.model_dump_json(), "utf-8")
    return scores


def add_gguf(job, names=("tiny-q8_0.gguf",)):
    """GGUF files that hold nothing, as an export notes them."""
    folder = job.folder.export / "gguf"
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"prompts": 10, "same_prompts": 10, "tokens": 240, "same_tokens": 228}
    facts |= {"worst_gap_nats": 0.125, "gap_limit_nats": 0.5, "is_good": True}
    for name in names:
        (folder / name).write_bytes(b"GGUF")
    seal(folder, "gguf", {}, notes={"verified": dict.fromkeys(names, facts)})


def asked_of(job):
    """The run's recipe, as whoever reads recipes hands it to `gather_facts`."""
    recipe = job.recipe
    return AskedRun(
        name=recipe.name,
        seed=recipe.seed,
        teacher=recipe.teacher,
        generation=recipe.generation,
        dataset=recipe.dataset,
        training=recipe.training,
        recipe_yaml=dump_recipe(recipe),
    )


def facts_of(job):
    """The facts of a run."""
    return gather_facts(job.folder, asked_of(job), job.character)


def licence_for(job):
    """The licence of a run's model."""
    return licence_of(job.recipe.training.base, job.folder.model)
