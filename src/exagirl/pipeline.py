"""READ FIRST: the whole way, one call a stage.

    character → dialogues → dataset → two-stage LoRA → merged model → evaluation → chat

Every stage reads one artifact of the run folder and writes the next. A stage whose inputs have not
changed is not run again, so a run that was killed anywhere goes on from the last finished stage.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import AbstractAsyncContextManager
from importlib import resources, util
from pathlib import Path
from threading import Event

import yaml

from exagirl.artifact import Manifest, RunFolder, fingerprint, has_text, read_manifest, write_text
from exagirl.chat.session import Said, Session, speak_locally
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatModel, Message
from exagirl.dataset.build import build_dataset, read_messages
from exagirl.dialogue import outputs
from exagirl.dialogue.batch import generate_by_batch
from exagirl.dialogue.estimate import Estimate, estimate
from exagirl.dialogue.generate import generate_dialogues, reread_dialogues
from exagirl.dialogue.order import Order
from exagirl.dialogue.outputs import Form, read_dialogues
from exagirl.dialogue.plan import plan_slots
from exagirl.dialogue.report.write import Inspected, inspect_dialogues
from exagirl.errors import ArtifactError, MissingExtraError, ModelError, RecipeError
from exagirl.evaluation.evaluate import Heldout, Scores, evaluate_models
from exagirl.persona.character import read_character
from exagirl.persona.system_prompt import render_system_prompt
from exagirl.persona.yaml_file import dump_character
from exagirl.progress import Watcher
from exagirl.recipe import LoadedRecipe, dump_recipe, load_recipe
from exagirl.record import Record
from exagirl.training.launched import is_follower, launched_count

JOIN_S = 10.0
TRAIN_MODULES = ("torch", "transformers", "peft", "accelerate", "datasets", "safetensors")


class RunReport(Record):
    """What a whole run leaves behind to look at."""

    scores: dict[str, Scores]
    """``base`` and ``tuned``."""
    sample: tuple[Said, ...]
    """A short conversation with the character."""


class Job:
    """One recipe at work in one run folder."""

    def __init__(self, loaded: LoadedRecipe, runs: Path, watcher: Watcher) -> None:
        self.recipe = loaded.recipe
        self.character = loaded.character
        self.folder = RunFolder(runs / loaded.recipe.name)
        self.watcher = watcher

    @property
    def order(self) -> Order:
        """What is asked of the teacher."""
        recipe = self.recipe
        return Order(self.character, recipe.teacher, recipe.generation, recipe.seed)

    @property
    def system(self) -> str:
        """The character's system prompt, the same text in every stage."""
        return render_system_prompt(self.character, detail=self.recipe.dataset.system_prompt)

    @property
    def last_stage(self) -> Path:
        """The adapter after the last stage."""
        return self.folder.adapter(self.recipe.training.stages[-1].name)


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
        return RunReport(scores=evaluate(job), sample=sample(job))


def write_recipe(job: Job) -> None:
    """Keep the recipe and the character, as they were read, in the run folder."""
    for name, text in _papers(job).items():
        write_text(job.folder.root / name, text)


def _papers(job: Job) -> dict[str, str]:
    return {"recipe.yaml": dump_recipe(job.recipe), "character.yaml": dump_character(job.character)}


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


def open_local_teacher(options: TeacherOptions) -> AbstractAsyncContextManager[ChatModel]:
    """Load a ``local`` teacher: a folder, a merged model, or a name on the Hub.

    Raises:
        MissingExtraError: The libraries for models are not installed.
        ModelError: The model cannot be loaded.
    """
    need_train_extra()
    from exagirl.chatmodel.local import LocalModel
    from exagirl.chatmodel.local_teacher import LocalTeacher
    from exagirl.training.base_model import load_base
    from exagirl.training.train import quiet_libraries

    quiet_libraries()
    model, tokenizer = load_base(options.model, "auto")
    if tokenizer.chat_template is None:
        raise ModelError(
            f"{options.model}: 대화 서식이 없는 모델이라 교사가 될 수 없습니다. 이름에 Instruct나 "
            "chat이 든 모델을 쓰세요."
        )
    return LocalTeacher(LocalModel(model, tokenizer), options.batch_size)


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
    _need(job.folder.dialogues, f"exagirl generate {job.recipe.name}")
    subsets = job.recipe.generation.subsets
    build_dataset(
        {subset: read_dialogues(job.folder.dialogues, subset) for subset in subsets},
        job.character,
        job.recipe.dataset,
        seed=job.recipe.seed,
        folder=job.folder.dataset,
        watcher=job.watcher,
    )


def merge(job: Job) -> Manifest:
    """The adapter into the base, with the character in the chat template: ``model/``."""
    need_train_extra()
    from exagirl.export.merge import Baked, merge_unless_done

    adapter = _need(job.last_stage, f"exagirl train {job.recipe.name}")
    return merge_unless_done(
        job.recipe.training.base,
        job.last_stage,
        job.folder.model,
        baked=Baked(
            default_system=job.system,
            texts={"character.yaml": dump_character(job.character)},
            dtype=job.recipe.export.dtype,
        ),
        inputs={
            "adapter": adapter.digest,
            "export": fingerprint(job.recipe.export),
            "character": fingerprint([job.character, job.system]),
        },
        watcher=job.watcher,
    )


def evaluate(job: Job) -> dict[str, Scores]:
    """Base against tuned on held-out dialogues: ``evaluation/``."""
    need_train_extra()
    from exagirl.chatmodel.local import LocalModel
    from exagirl.training.base_model import give_template, load_base
    from exagirl.training.train import quiet_libraries

    quiet_libraries()
    recipe = job.recipe
    model = _need(job.folder.model, f"exagirl merge {recipe.name}")
    dataset = _need(job.folder.dataset, f"exagirl train {recipe.name}")
    subset = recipe.evaluation.data or recipe.training.stages[-1].data

    def base() -> LocalModel:
        loaded, tokenizer = load_base(recipe.training.base, recipe.training.dtype)
        return LocalModel(loaded, give_template(tokenizer, job.system))

    return evaluate_models(
        {"base": base, "tuned": lambda: LocalModel.load(job.folder.model)},
        Heldout(
            conversations=read_messages(job.folder.dataset, subset, "validation"),
            rules=job.character.check_rules(),
            options=recipe.evaluation,
            seed=recipe.seed,
        ),
        folder=job.folder.evaluation,
        inputs={
            "model": model.digest,
            "dataset": dataset.digest,
            "options": fingerprint([recipe.evaluation, subset, recipe.seed]),
        },
        watcher=job.watcher,
    )


def sample(job: Job) -> tuple[Said, ...]:
    """A short conversation with the merged model, for a person to read."""
    path = job.folder.evaluation / ".sample.json"
    model = _need(job.folder.model, f"exagirl merge {job.recipe.name}")
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


def open_chat(folder: RunFolder, *, user: str, seed: int | None = None) -> Session:
    """A session with a run's merged model.

    Raises:
        ArtifactError: The run has no finished model.
    """
    need_train_extra()
    from exagirl.chatmodel.local import LocalModel, Sampling
    from exagirl.training.train import quiet_libraries

    _need(folder.model, f"exagirl run {folder.root.name}")
    quiet_libraries()
    character = read_character(folder.model / "character.yaml")
    backend = speak_locally(LocalModel.load(folder.model), Sampling(seed=seed))
    return Session(character, backend, user=user)


def find_run(name_or_path: str, runs: Path) -> RunFolder:
    """The run folder of a name or a path.

    Raises:
        ArtifactError: There is none.
    """
    for root in (runs / name_or_path, Path(name_or_path).expanduser()):
        if root.is_dir():
            return RunFolder(root)
    found = sorted(p.name for p in runs.iterdir() if p.is_dir()) if runs.is_dir() else []
    have = f"있는 실행: {', '.join(found)}." if found else f"{runs} 폴더에는 아직 실행이 없습니다."
    raise ArtifactError(
        f"'{name_or_path}'이라는 실행을 찾을 수 없습니다. {have} 'exagirl run quickstart'로 만들 "
        "수 있습니다."
    )


def need_train_extra() -> None:
    """Make sure that the libraries for training are installed.

    Raises:
        MissingExtraError: One is missing; the message names the extra.
    """
    missing = [name for name in TRAIN_MODULES if util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"학습과 로컬 모델에 필요한 {', '.join(missing)}이(가) 없습니다. 설치하세요: "
            "pip install 'exagirl[train]'"
        )


def _need(folder: Path, command: str) -> Manifest:
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactError(f"{folder}: 아직 만들어지지 않았습니다. 먼저 '{command}'을 실행하세요.")
    return manifest
