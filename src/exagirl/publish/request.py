"""A wish made certain: which parts there are, under which names, and whether that is allowed."""

from __future__ import annotations

import re
from importlib import util
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from exagirl.artifact import RunFolder, read_manifest
from exagirl.persona.character import Character
from exagirl.publish.cards.facts import AskedRun
from exagirl.publish.cards.licences import Licence, licence_of, propose_repo
from exagirl.publish.cards.teachers import check_names, teachers_of
from exagirl.publish.choice import PARTS, Part, PublishChoice
from exagirl.publish.faults import PublishError
from exagirl.publish.tree import finished
from exagirl.publish.wish import PublishWish
from exagirl.record import Record, explain

OWNER = "OWNER"
"""Stands in cards where nobody said under whose name they will be."""
_LONGEST_DEFAULT = 60


class PublishRequest(Record):
    """A run, and what is to become of it."""

    choice: PublishChoice = Field(description="저장소의 이름과, 올릴 것 모두.")
    folder: Path = Field(description="실행 폴더.")
    out: Path = Field(description="저장소마다 폴더 하나가 생기는 곳.")
    is_hub: bool = Field(description="허브로 가는가. 아니면 out이 곧 결과.")
    asked: AskedRun
    character: Character
    licence: Licence | None = Field(description="모델의 라이선스. 모델을 올리지 않으면 None.")
    forms: tuple[Literal["adapter", "gguf"], ...] = Field(
        default=(), description="먼저 내보내야 하는 형식."
    )


def make_request(
    folder: RunFolder, wish: PublishWish, asked: AskedRun, character: Character
) -> PublishRequest:
    """Settle parts and names, and make sure that licences allow them.

    Args:
        folder: The run.
        wish: What a person typed.
        asked: The run's recipe.
        character: Who it is about.

    Raises:
        PublishError: There is nothing to publish, the name is none, or a licence forbids it.
        ArtifactError: A part was asked for that is not finished.
    """
    stage = asked.training.stages[-1].name
    parts = wish.parts or parts_of(folder, stage)
    if not parts:
        raise PublishError(
            f"{folder.root}: 아직 올릴 것이 없습니다. 먼저 'exagirl run {asked.name}'을 실행하세요."
        )
    licence = None
    if set(parts) - {"dataset"}:
        finished(folder.model, f"exagirl merge {asked.name}")
        licence = licence_of(asked.training.base, folder.model, wish.licence)
    choice = _choice(wish, parts, asked.name, licence)
    if licence is not None:
        check_names(licence, choice, teachers_of(asked))
    return PublishRequest(
        choice=choice,
        folder=folder.root,
        out=wish.folder if wish.folder is not None else folder.root / "publish",
        is_hub=wish.folder is None,
        asked=asked,
        character=character,
        licence=licence,
        forms=_forms(folder, stage, parts),
    )


def parts_of(folder: RunFolder, stage: str) -> tuple[Part, ...]:
    """Everything that a run has to publish.

    Args:
        folder: The run.
        stage: Its last stage.
    """
    has_model = read_manifest(folder.model) is not None
    has: dict[Part, bool] = {
        "model": has_model,
        "adapter": has_model and read_manifest(folder.adapter(stage)) is not None,
        "gguf": is_gguf_of_model(folder),
        "dataset": read_manifest(folder.dataset) is not None,
        "space": has_model and util.find_spec("gradio") is not None,
    }
    return tuple(part for part in PARTS if has[part])


def is_gguf_of_model(folder: RunFolder) -> bool:
    """True where the GGUF files were made from the model that stands there now."""
    model, gguf = read_manifest(folder.model), read_manifest(folder.export / "gguf")
    return model is not None and gguf is not None and gguf.inputs.get("model") == model.digest


def _forms(
    folder: RunFolder, stage: str, parts: tuple[Part, ...]
) -> tuple[Literal["adapter", "gguf"], ...]:
    forms: list[Literal["adapter", "gguf"]] = []
    if "adapter" in parts and not _has_adapter(folder, stage):
        forms.append("adapter")
    if "gguf" in parts and not is_gguf_of_model(folder):
        forms.append("gguf")
    return tuple(forms)


def _has_adapter(folder: RunFolder, stage: str) -> bool:
    """True where the adapter was exported from what stands there now, in transformers' names."""
    made = read_manifest(folder.export / "adapter")
    adapter, model = read_manifest(folder.adapter(stage)), read_manifest(folder.model)
    if made is None or adapter is None or model is None or made.notes.get("layout") != "llama":
        return False
    inputs = made.inputs
    return (inputs.get("adapter"), inputs.get("model")) == (adapter.digest, model.digest)


def _choice(
    wish: PublishWish, parts: tuple[Part, ...], run: str, licence: Licence | None
) -> PublishChoice:
    if wish.repo:
        try:
            return PublishChoice(repo=wish.repo, parts=parts, private=wish.private)
        except ValidationError as error:
            raise PublishError(explain(PublishChoice, error, "--repo")) from error
    if wish.folder is None:
        raise PublishError(
            "허브의 어디에 올릴지 모릅니다. --repo OWNER/NAME을 붙이세요. 이를테면 "
            f"--repo 내이름/{_plain(run)}"
        )
    choice = PublishChoice(repo=f"{OWNER}/{_plain(run)}", parts=parts, private=wish.private)
    if licence is None or choice.name.startswith(licence.name_prefix):
        return choice
    repo = propose_repo(choice, licence.name_prefix, licence.base_name)
    return choice.model_copy(update={"repo": repo})


def _plain(run: str) -> str:
    """A run's name in letters that the Hub takes."""
    return (
        re.sub(r"[^A-Za-z0-9]+", "-", run).strip("-")[:_LONGEST_DEFAULT].strip("-") or "character"
    )
