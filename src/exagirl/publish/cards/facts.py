"""All that the cards say of a run, gathered once from its folder; nothing is filled in."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from exagirl.artifact import Manifest, RunFolder, read_manifest
from exagirl.chatmodel.options import TeacherOptions
from exagirl.dataset.options import DatasetOptions
from exagirl.dialogue.corpus import read_heldout
from exagirl.dialogue.generate import topic_names
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.outputs import read_dialogues
from exagirl.dialogue.plan import plan_slots
from exagirl.dialogue.report.accounts import Accounts, read_accounts
from exagirl.evaluation.scores import FORMAT, Evaluation
from exagirl.persona.character import Character
from exagirl.publish.cards.licences import hub_base
from exagirl.publish.cards.public_recipe import public_recipe
from exagirl.publish.cards.samples import Spoken, read_sample
from exagirl.record import Record
from exagirl.training.options import StageOptions, TrainingOptions


class AskedRun(Record):
    """What a run's recipe asks for; whoever reads recipes fills it in."""

    name: str
    seed: int
    teacher: TeacherOptions
    generation: GenerationOptions
    dataset: DatasetOptions
    training: TrainingOptions
    recipe_yaml: str = Field(description="recipe.yaml의 내용.")


class StageFacts(Record):
    """One LoRA stage: what was asked, and what came of it."""

    asked: StageOptions
    dialogues: int | None = None
    steps: int | None = None
    tokens: int | None = None
    train_loss: float | None = None
    validation_loss: float | None = None
    digest: str = ""


class TopicFacts(Record):
    """One topic of a subset."""

    name: str
    ordered: int
    accepted: int
    refused: int | None = Field(description="버린 답. 저널이 없으면 None.")


class SubsetFacts(Record):
    """One subset as it stands in the data set."""

    name: str
    plan: str
    train: int
    validation: int
    is_validation_shipped: bool = Field(
        default=False, description="검증용이 함께 든 대화인지. 아니면 같은 대화에서 뽑은 것."
    )
    topics: tuple[TopicFacts, ...] = ()


class Refused(Record):
    """Why replies of the teacher were thrown away."""

    code: str
    times: int
    message: str


class GgufFacts(Record):
    """One GGUF file of the export."""

    name: str
    size: int
    quant: str = Field(description="Q8_0처럼 대문자로.")
    compared: dict[str, Any] = Field(default_factory=dict, description="transformers와 비교한 것.")


class RunFacts(Record):
    """What the cards are written from."""

    asked: AskedRun
    character: Character
    recipe_yaml: str = Field(description="경로와 주소를 덜어 낸 레시피.")
    hub_base: str = Field(description="허브에서 부르는 기본 모델의 이름. 폴더면 빈 글.")
    parameters: int | None = None
    model_bytes: int | None = None
    stages: tuple[StageFacts, ...] = ()
    subsets: tuple[SubsetFacts, ...] = ()
    replies: int | None = Field(default=None, description="교사에게서 받은 답. 저널이 없으면 None.")
    judged: int = Field(default=0, description="심사 모델에게서 받은 답.")
    refused: tuple[Refused, ...] = ()
    evaluation: Evaluation | None = None
    evaluation_note: str = Field(default="", description="점수가 없으면 그 까닭.")
    sample: tuple[Spoken, ...] = ()
    gguf: tuple[GgufFacts, ...] = ()
    digests: dict[str, str] = Field(default_factory=dict, description="산출물과 그 해시.")
    versions: dict[str, str] = Field(default_factory=dict)
    created: str = ""


def gather_facts(folder: RunFolder, asked: AskedRun, character: Character) -> RunFacts:
    """Read what a run left behind.

    What is not there yet is left out; nothing is asked of a model, and nothing is written but what
    SQLite does on opening the journal.

    Args:
        folder: The run.
        asked: Its recipe, in the options of the layers below.
        character: Who it is about.

    Raises:
        ArtifactError: The journal cannot be read.
    """
    manifests = _manifests(folder, asked)
    model = manifests.get("model")
    accounts = _accounts(folder)
    evaluation, note = _evaluation(folder, model)
    newest = next(reversed(manifests.values()), None) if model is None else model
    return RunFacts(
        asked=asked,
        character=character,
        recipe_yaml=public_recipe(asked.recipe_yaml),
        hub_base=hub_base(asked.training.base),
        parameters=count_parameters(folder.model),
        model_bytes=sum(f.size for f in model.files.values()) if model else None,
        stages=tuple(_stage(one, manifests) for one in asked.training.stages),
        subsets=_subsets(folder, asked, manifests.get("dataset"), accounts),
        replies=accounts.replies if accounts else None,
        judged=accounts.judgements if accounts else 0,
        refused=_refused(accounts),
        evaluation=evaluation,
        evaluation_note=note,
        sample=read_sample(folder.evaluation, model),
        gguf=_ggufs(folder.export / "gguf"),
        digests={name: manifest.digest for name, manifest in manifests.items()},
        versions=newest.versions if newest else {},
        created=newest.created if newest else "",
    )


def _manifests(folder: RunFolder, asked: AskedRun) -> dict[str, Manifest]:
    places = {"dialogues": folder.dialogues, "dataset": folder.dataset}
    places |= {f"adapter/{one.name}": folder.adapter(one.name) for one in asked.training.stages}
    places |= {"model": folder.model, "evaluation": folder.evaluation}
    found = {name: read_manifest(place) for name, place in places.items()}
    return {name: manifest for name, manifest in found.items() if manifest is not None}


def _stage(asked: StageOptions, manifests: dict[str, Manifest]) -> StageFacts:
    manifest = manifests.get(f"adapter/{asked.name}")
    if manifest is None:
        return StageFacts(asked=asked)
    known = ("dialogues", "steps", "tokens", "train_loss", "validation_loss")
    notes = {name: manifest.notes.get(name) for name in known}
    return StageFacts(asked=asked, digest=manifest.digest, **notes)


def _accounts(folder: RunFolder) -> Accounts | None:
    path = folder.dialogues / "journal.sqlite"
    return read_accounts(path) if path.is_file() else None


def _refused(accounts: Accounts | None) -> tuple[Refused, ...]:
    reasons = accounts.reasons if accounts else []
    return tuple(Refused(code=one.code, times=one.times, message=one.message) for one in reasons)


def _subsets(
    folder: RunFolder, asked: AskedRun, dataset: Manifest | None, accounts: Accounts | None
) -> tuple[SubsetFacts, ...]:
    rows = dataset.notes.get("rows", {}) if dataset else {}
    ordered = Counter(
        (slot.subset, slot.topic) for slot in plan_slots(asked.generation, asked.seed)
    )
    refused = {(one.subset, one.topic): one.refused for one in accounts.topics} if accounts else {}
    found = []
    for name, wanted in asked.generation.subsets.items():
        if name not in rows:
            continue
        accepted = _topics_of(folder.dialogues, name)
        topics = [topic for subset, topic in ordered if subset == name]
        found.append(
            SubsetFacts(
                name=name,
                plan=wanted.plan,
                train=int(rows[name]["train"]),
                validation=int(rows[name]["validation"]),
                is_validation_shipped=asked.dataset.heldout == "bundled"
                and bool(read_heldout(name)),
                topics=tuple(
                    TopicFacts(
                        name=topic_names().get(topic, topic),
                        ordered=ordered[name, topic],
                        accepted=accepted[topic],
                        refused=refused.get((name, topic), 0) if accounts else None,
                    )
                    for topic in topics
                ),
            )
        )
    return tuple(found)


def _topics_of(dialogues: Path, subset: str) -> Counter[str]:
    if not (dialogues / f"{subset}.jsonl").is_file():
        return Counter()
    return Counter(one.topic for one in read_dialogues(dialogues, subset))


def _evaluation(folder: RunFolder, model: Manifest | None) -> tuple[Evaluation | None, str]:
    """The scores, unless they are of another model: then the reason why there are none."""
    path = folder.evaluation / "scores.json"
    if not path.is_file():
        return None, "아직 재지 않았습니다."
    try:
        found = Evaluation.model_validate_json(path.read_bytes())
    except (ValidationError, ValueError):
        return None, "점수 파일을 읽을 수 없습니다."
    tuned = found.model("tuned")
    if found.format > FORMAT or tuned is None:
        return None, "점수 파일이 이 판의 것이 아닙니다."
    if model is not None and tuned.digest != model.digest:
        return None, "재어 둔 점수는 이 모델의 것이 아닙니다. 다시 재지 않았습니다."
    return found, ""


def _ggufs(folder: Path) -> tuple[GgufFacts, ...]:
    manifest = read_manifest(folder)
    if manifest is None:
        return ()
    compared = manifest.notes.get("verified") or {}
    return tuple(
        GgufFacts(
            name=name,
            size=file.size,
            quant=Path(name).stem.rpartition("-")[2].upper(),
            compared=dict(compared.get(name) or {}),
        )
        for name, file in sorted(manifest.files.items())
        if name.endswith(".gguf")
    )


def count_parameters(model: Path) -> int | None:
    """How many numbers a folder's safetensors hold; None where there are none to be read."""
    files = sorted(model.glob("*.safetensors")) if model.is_dir() else []
    total = 0
    for path in files:
        try:
            total += _count(path)
        except (OSError, ValueError, KeyError, AttributeError):
            return None
    return total or None


def _count(path: Path) -> int:
    """Source: the layout of a safetensors file: eight bytes of length, then JSON of shapes."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    shapes: Sequence[list[int]] = [
        tensor["shape"] for name, tensor in header.items() if name != "__metadata__"
    ]
    return sum(math.prod(shape) for shape in shapes)
