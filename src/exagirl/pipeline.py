"""READ FIRST: the whole way, one call a stage.

    character → dialogues → dataset → two-stage LoRA → merged model → evaluation → chat, publish

Every stage reads one artifact of the run folder and writes the next. A stage whose inputs have not
changed is not run again, so a run that was killed anywhere goes on from the last finished stage.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from importlib import resources, util
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import yaml

from exagirl.artifact import Manifest, RunFolder, fingerprint, has_text, write_text
from exagirl.chat.session import Said
from exagirl.chatmodel.protocol import Message
from exagirl.dataset.build import build_dataset
from exagirl.dialogue import outputs
from exagirl.dialogue.batch import generate_by_batch
from exagirl.dialogue.estimate import Estimate, estimate
from exagirl.dialogue.generate import generate_dialogues, reread_dialogues
from exagirl.dialogue.outputs import Form, read_dialogues
from exagirl.dialogue.plan import plan_slots
from exagirl.dialogue.report.write import Inspected, inspect_dialogues
from exagirl.errors import MissingExtraError, RecipeError
from exagirl.evaluation.scores import Evaluation
from exagirl.export.choice import ExportChoice, Exported
from exagirl.job import Job, find_run, need, need_train_extra
from exagirl.models import open_chat, open_local_teacher
from exagirl.persona.character import builtin_names
from exagirl.persona.yaml_file import dump_character
from exagirl.progress import Watcher
from exagirl.recipe import Recipe, dump_recipe, load_recipe
from exagirl.record import Record
from exagirl.scoring import score_run
from exagirl.training.launched import is_follower, launched_count

if TYPE_CHECKING:
    from exagirl.publish.cards.facts import AskedRun
    from exagirl.publish.hub.published import Published
    from exagirl.publish.plan import PublishPlan
    from exagirl.publish.wish import PublishWish

__all__ = ["Job", "RunReport", "find_run", "open_chat", "open_local_teacher", "run_recipe"]

JOIN_S = 10.0
CHARACTER = "character.yaml"


class RunReport(Record):
    """What a whole run leaves behind to look at."""

    evaluation: Evaluation
    """``base`` against ``tuned``."""
    sample: tuple[Said, ...]
    """A short conversation with the character."""


def run_recipe(job: Job) -> RunReport:
    """The whole way.

    Raises:
        ExagirlError: A stage cannot go on; the stages before it stay finished.
    """
    need_train_extra()
    if launched_count() > 1:
        raise RecipeError(
            f"여러 프로세스로는 학습만 합니다. 'exagirl generate {job.recipe.name}' 다음에 이 "
            "실행기로 'exagirl train'을 띄우고, 끝나면 'exagirl run'을 그냥 실행하세요."
        )
    with job.folder.locked():
        write_recipe(job)
        generate(job)
        train(job)
        merge(job)
        return RunReport(evaluation=evaluate(job), sample=sample(job))


def write_recipe(job: Job) -> None:
    """Keep the recipe and the character, as they were read, in the run folder."""
    for name, text in _papers(job).items():
        write_text(job.folder.root / name, text)


def _papers(job: Job) -> dict[str, str]:
    recipe = job.recipe
    if recipe.character not in builtin_names():
        # Its path counted from the recipe that was read; here the character lies beside it.
        recipe = recipe.model_copy(update={"character": CHARACTER})
    return {"recipe.yaml": dump_recipe(recipe), CHARACTER: dump_character(job.character)}


def join_run(job: Job) -> None:
    """Come to work in a run folder, where another process may be generating the same dialogues.

    Raises:
        ArtifactError: Another process works there on another recipe.
    """
    if _has_papers(job):
        return
    # Another process may be writing the same papers at this moment.
    with job.folder.locked(wait_s=JOIN_S):
        if not _has_papers(job):
            write_recipe(job)


def _has_papers(job: Job) -> bool:
    return all(has_text(job.folder.root / name, text) for name, text in _papers(job).items())


def plan(job: Job) -> Estimate:
    """What `generate` would do; nobody is asked and nothing is written."""
    return estimate(job.order, job.folder.dialogues)


def show_prompt(job: Job, key: str) -> tuple[Message, ...]:
    """What the teacher would be asked for one slot.

    Raises:
        RecipeError: The plan has no such slot.
    """
    slots = job.order.slots()
    for slot in slots:
        if slot.key == key:
            order = job.order
            return order.mode(order.prompt()).ask(slot, (), "").messages
    raise RecipeError(f"'{key}'라는 자리가 없습니다. 예: {slots[0].key}")


def generate(job: Job) -> Manifest:
    """Dialogues from the teacher: ``dialogues/``."""
    return generate_dialogues(
        job.order, folder=job.folder.dialogues, watcher=job.watcher, open_local=open_local_teacher
    )


def reparse(job: Job) -> Manifest:
    """Read every raw reply of the journal again; nobody is asked."""
    return reread_dialogues(job.order, folder=job.folder.dialogues, watcher=job.watcher)


def generate_in_batches(job: Job) -> Manifest:
    """Dialogues over the Batch API of OpenAI, for half the price: ``dialogues/``."""
    return generate_by_batch(job.order, folder=job.folder.dialogues, watcher=job.watcher)


def write_form(job: Job, form: Form) -> list[Path]:
    """The dialogues in a form for other tools: ``dialogues/FORM/SUBSET.jsonl``."""
    return outputs.write_form(job.folder.dialogues, job.recipe.generation.subsets, form)


def inspect(folder: RunFolder, watcher: Watcher) -> Inspected:
    """Statistics and pictures of a run's dialogues: ``dialogues/report.html``.

    Raises:
        ArtifactError: The run has no dialogues.
        MissingExtraError: matplotlib is not installed.
    """
    quotas: dict[tuple[str, str], int] = {}
    teacher = ""
    if (folder.root / "recipe.yaml").is_file():
        recipe = load_recipe(str(folder.root)).recipe
        slots = plan_slots(recipe.generation, recipe.seed)
        quotas = dict(Counter((slot.subset, slot.topic) for slot in slots))
        teacher = recipe.teacher.model or recipe.teacher.kind
    return inspect_dialogues(
        folder.root.name,
        folder.dialogues,
        quotas,
        dataset=folder.dataset,
        teacher=teacher,
        watcher=watcher,
    )


def train(job: Job) -> list[Manifest]:
    """The dataset, then every LoRA stage on one adapter: ``dataset/``, ``adapter/STAGE/``.

    Of several processes that a launcher started, the first makes the dataset and writes; the others
    wait for it and learn along.
    """
    need_train_extra()
    from exagirl.training.train import Training, train_stages

    if not is_follower():
        _make_dataset(job)
    return train_stages(
        Training(job.recipe.training, job.folder, job.system, job.recipe.seed, job.watcher)
    )


def _make_dataset(job: Job) -> None:
    need(job.folder.dialogues, f"exagirl generate {job.recipe.name}")
    subsets = job.recipe.generation.subsets
    build_dataset(
        {subset: read_dialogues(job.folder.dialogues, subset) for subset in subsets},
        job.character,
        job.recipe.dataset,
        seed=job.recipe.seed,
        folder=job.folder.dataset,
        watcher=job.watcher,
    )


def merge(job: Job, *, overwrite: bool = False) -> Manifest:
    """The adapter into the base, with the character in the chat template: ``model/``.

    Args:
        job: Whose adapter.
        overwrite: Also replace a folder that holds something else.
    """
    need_train_extra()
    from exagirl.export.merge import merge_unless_done
    from exagirl.export.model_files import Baked

    adapter = need(job.last_stage, f"exagirl train {job.recipe.name}")
    return merge_unless_done(
        job.recipe.training.base,
        job.last_stage,
        job.folder.model,
        baked=Baked(
            default_system=job.system,
            texts={"character.yaml": dump_character(job.character)},
            dtype=job.recipe.export.dtype,
            shard_gb=job.recipe.export.shard_gb,
        ),
        overwrite=overwrite,
        inputs={
            "adapter": adapter.digest,
            "export": fingerprint(job.recipe.export),
            "character": fingerprint([job.character, job.system]),
        },
        watcher=job.watcher,
    )


def export(folder: RunFolder, choice: ExportChoice, watcher: Watcher) -> Exported:
    """The merged model, or the adapter, in a form for other programs: ``export/FORM/``."""
    need_train_extra()
    from exagirl.export.forms import export_run
    from exagirl.export.request import ExportRequest
    from exagirl.training.train import quiet_libraries

    quiet_libraries()
    job = Job(load_recipe(str(folder.root)), folder.root.parent, watcher)
    training = job.recipe.training
    request = ExportRequest(
        choice=choice,
        name=folder.root.resolve().name,
        base=training.base,
        model=folder.model,
        adapter=folder.adapter(training.stages[-1].name),
        out=folder.export,
        default_system=job.system,
        character=dump_character(job.character),
        dtype=job.recipe.export.dtype,
    )
    with folder.locked():
        return export_run(request, watcher)


def plan_publish(folder: RunFolder, wish: PublishWish, watcher: Watcher) -> PublishPlan:
    """Everything that would be published, written into folders and looked through; nothing is sent.

    Forms that are missing are exported first.

    Raises:
        PublishError: A licence forbids it, or something in the files must not leave this machine.
        ArtifactError: The run has nothing to publish, or a part is not finished.
    """
    from exagirl.publish.publish import prepare
    from exagirl.publish.request import make_request

    loaded = load_recipe(str(folder.root))
    request = make_request(folder, wish, _asked(loaded.recipe), loaded.character)
    for form in request.forms:
        watcher.say(f"{form} 형식을 먼저 만듭니다: exagirl export {loaded.recipe.name} --to {form}")
        export(folder, ExportChoice(form=form), watcher)
    with folder.locked():
        return prepare(request, environment=os.environ, watcher=watcher)


def _asked(recipe: Recipe) -> AskedRun:
    """A recipe in the options of the layers below it."""
    from exagirl.publish.cards.facts import AskedRun

    return AskedRun(
        name=recipe.name,
        seed=recipe.seed,
        teacher=recipe.teacher,
        generation=recipe.generation,
        dataset=recipe.dataset,
        training=recipe.training,
        recipe_yaml=dump_recipe(recipe),
    )


def need_hub() -> None:
    """Make sure that an upload could begin, before the long work; nobody is asked.

    Raises:
        PublishError: There is no token.
        MissingExtraError: huggingface_hub is not installed.
    """
    from exagirl.publish.hub.upload import INSTALL

    if util.find_spec("huggingface_hub") is None:
        raise MissingExtraError(
            f"허깅페이스에 올리는 데 필요한 huggingface_hub가 없습니다. 설치하세요: {INSTALL}"
        )
    from exagirl.publish.hub.hub import find_hub

    find_hub()


def publish(plan: PublishPlan, watcher: Watcher) -> Published:
    """Upload what a plan shows, as it stands in its folders.

    Raises:
        PublishError: There is no token, the Hub refuses, or the line broke for good.
        MissingExtraError: huggingface_hub is not installed.
    """
    from exagirl.publish.hub.upload import upload

    return upload(
        plan.repos,
        private=plan.private,
        tag=plan.tag,
        title=plan.title,
        token=None,
        endpoint=None,
        watcher=watcher,
    )


def evaluate(job: Job) -> Evaluation:
    """Base against tuned on what no training read: ``evaluation/``."""
    return score_run(job)


def sample(job: Job) -> tuple[Said, ...]:
    """A short conversation with the merged model, for a person to read."""
    path = job.folder.evaluation / ".sample.json"
    model = need(job.folder.model, f"exagirl merge {job.recipe.name}")
    lines = yaml.safe_load(
        (resources.files("exagirl.evaluation") / "sample_lines.yaml").read_text("utf-8")
    )
    if path.is_file():
        kept = json.loads(path.read_text("utf-8"))
        if kept["model"] == model.digest:
            return tuple(Said.model_validate(turn) for turn in kept["turns"])
    job.watcher.start("짧게 이야기해 보기", len(lines))
    session = open_chat(job.folder, user="민준", seed=job.recipe.seed)
    for line in lines:
        for _ in session.say(line, Event()):
            pass
        job.watcher.advance(note=line)
    job.watcher.finish()
    turns = [turn.model_dump() for turn in session.turns]
    write_text(path, json.dumps({"model": model.digest, "turns": turns}, ensure_ascii=False))
    return tuple(session.turns)
