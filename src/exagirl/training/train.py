"""All stages of a recipe, one after the other, on one adapter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exagirl.artifact import (
    Manifest,
    RunFolder,
    fingerprint,
    is_complete,
    new_artifact,
    read_manifest,
    seal,
)
from exagirl.dataset.build import SPLITS, read_messages
from exagirl.errors import ModelError
from exagirl.progress import Watcher
from exagirl.training.base_model import fetch_base, give_template, load_base, read_config
from exagirl.training.lora import add_adapter, reload_adapter
from exagirl.training.options import TrainingOptions
from exagirl.training.stage import Student, train_stage


@dataclass(frozen=True)
class Training:
    """All that the stages of one recipe have in common."""

    options: TrainingOptions
    run: RunFolder
    default_system: str
    """The character's system prompt; goes into the chat template."""
    seed: int
    watcher: Watcher


def train_stages(training: Training) -> list[Manifest]:
    """Train every stage that is not finished yet; each starts from the one before it.

    Returns:
        The manifest of every stage, in order.

    Raises:
        ModelError: The base, the adapter or the data do not fit each other.
    """
    quiet_libraries()
    options, run = training.options, training.run
    dataset = read_manifest(run.dataset)
    if dataset is None:
        raise ModelError(f"{run.dataset}: 데이터셋이 없습니다. 'exagirl train'을 다시 실행하세요.")
    base = fetch_base(options.base, training.watcher)
    before = fingerprint([base_identity(base), options.dtype, options.max_length, training.seed])
    done: list[Manifest] = []
    for position, stage in enumerate(options.stages):
        inputs = {
            "before": before,
            "lora": fingerprint(options.lora),
            "stage": fingerprint(stage),
            "data": fingerprint(
                [file for name, file in dataset.files.items() if name.startswith(f"{stage.data}/")]
            ),
            "template": fingerprint(training.default_system),
        }
        manifest = read_manifest(run.adapter(stage.name))
        if manifest is None or not is_complete(run.adapter(stage.name), inputs):
            manifest = _run_stage(training, position, base, inputs)
        done.append(manifest)
        before = manifest.digest
    return done


def _run_stage(
    training: Training, position: int, base: Path, inputs: Mapping[str, str]
) -> Manifest:
    options, run, watcher = training.options, training.run, training.watcher
    stage = options.stages[position]
    watcher.start(f"{stage.name} 단계 준비")
    model, tokenizer = load_base(str(base), options.dtype)
    give_template(tokenizer, training.default_system)
    adapted: Any
    if position == 0:
        adapted = add_adapter(model, options.lora, training.seed)
    else:
        adapted = reload_adapter(model, run.adapter(options.stages[position - 1].name))
    with new_artifact(run.adapter(stage.name)) as folder:
        result = train_stage(
            Student(adapted, tokenizer, options.max_length),
            stage,
            {split: read_messages(run.dataset, stage.data, split) for split in SPLITS},
            seed=training.seed + position,
            folder=folder,
            watcher=watcher,
        )
        return seal(folder, "adapter", inputs, notes=result.model_dump())


def base_identity(folder: Path) -> str:
    """A hash of a base: its manifest's, or that of its files' names and sizes and its config."""
    manifest = read_manifest(folder)
    if manifest is not None:
        return manifest.digest
    files = sorted((p.name, p.stat().st_size) for p in folder.iterdir() if p.is_file())
    return fingerprint([files, read_config(folder)])


def quiet_libraries() -> None:
    """Keep the libraries' own bars and notices off the screen; faults still raise."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("peft").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft|torch)\b")
