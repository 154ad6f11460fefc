"""All stages of a recipe, one after the other, on one adapter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exagirl.artifact import (
    Manifest,
    RunFolder,
    fingerprint,
    hash_file,
    is_complete,
    new_artifact,
    read_manifest,
    seal,
    versions,
)
from exagirl.chatmodel.encoding import Conversation
from exagirl.dataset.build import SPLITS, read_messages
from exagirl.errors import ModelError
from exagirl.progress import Watcher
from exagirl.training.base_model import (
    fetch_base,
    give_template,
    load_base,
    load_tokenizer,
    read_config,
)
from exagirl.training.checkpoint import Checkpoints
from exagirl.training.job import METRICS, StageJob, Student
from exagirl.training.lora import add_adapter, reload_adapter
from exagirl.training.options import TrainingOptions
from exagirl.training.processes import is_main, process_count, wait_for_all
from exagirl.training.replay import mix_in
from exagirl.training.rows import LAYOUT, Rows, cached_rows, encode_rows, join_rows
from exagirl.training.stage import CURVES, learn


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

    A stage that was killed goes on from its last checkpoint.

    Returns:
        The manifest of every stage, in order.

    Raises:
        ModelError: The base, the adapter or the data do not fit each other.
    """
    quiet_libraries()
    options, run = training.options, training.run
    wait_for_all()  # the first process may still be making the dataset
    dataset = read_manifest(run.dataset)
    if dataset is None:
        raise ModelError(f"{run.dataset}: 데이터셋이 없습니다. 'exagirl train'을 다시 실행하세요.")
    base = fetch_base(options.base, training.watcher)
    way = [options.dtype, options.max_length, options.packing, options.length_buckets]
    before = fingerprint([base_identity(base), *way, training.seed])
    done: list[Manifest] = []
    for position, stage in enumerate(options.stages):
        inputs = {
            "before": before,
            "lora": fingerprint(options.lora),
            "stage": fingerprint(stage),
            "data": _data(dataset, [stage.data]),
            "template": fingerprint(training.default_system),
        }
        if stage.replay:
            inputs["replay"] = _data(dataset, _earlier(options, position))
        manifest = read_manifest(run.adapter(stage.name))
        if manifest is None or not is_complete(run.adapter(stage.name), inputs):
            manifest = _run_stage(training, position, base, inputs)
        done.append(manifest)
        before = manifest.digest
    return done


def _data(dataset: Manifest, subsets: Sequence[str]) -> str:
    return fingerprint(
        [file for name, file in dataset.files.items() if name.split("/")[0] in subsets]
    )


def _earlier(options: TrainingOptions, position: int) -> list[str]:
    """The subsets of the stages before one, each once, without its own."""
    own = options.stages[position].data
    return [
        name
        for name in dict.fromkeys(stage.data for stage in options.stages[:position])
        if name != own
    ]


def _run_stage(
    training: Training, position: int, base: Path, inputs: Mapping[str, str]
) -> Manifest:
    options, run, watcher = training.options, training.run, training.watcher
    stage = options.stages[position]
    watcher.start(f"{stage.name} 단계 준비")
    # Faults of the data come before the base is loaded, which takes minutes.
    rows = _stage_rows(training, position, base)
    model, tokenizer = load_base(
        str(base), options.dtype, quantize=options.lora.quantize, watcher=watcher
    )
    give_template(tokenizer, training.default_system)
    adapted: Any
    if position == 0:
        adapted = add_adapter(model, options.lora, training.seed)
    else:
        adapted = reload_adapter(model, run.adapter(options.stages[position - 1].name))
    target = run.adapter(stage.name)
    checkpoints = Checkpoints(
        target.with_name(f".{stage.name}.checkpoints"),
        {**inputs, "processes": str(process_count())},
        options.checkpoint_every,
    )
    with _made_by_one(target) as folder:
        job = StageJob(
            stage=stage,
            train=rows["train"],
            validation=rows["validation"],
            seed=training.seed + position,
            folder=folder,
            checkpoints=checkpoints,
            watcher=watcher,
            packing=options.packing,
            length_buckets=options.length_buckets,
            report_to=options.report_to,
            logs=run.root / "tensorboard" / stage.name,
        )
        result = learn(Student(adapted, tokenizer, options.max_length), job)
        if is_main():
            # Reports differ in their times, and may go, without making the adapter another.
            notes = result.model_dump()
            seal(folder, "adapter", inputs, notes=notes, leave_out=(METRICS, CURVES))
    if is_main():
        checkpoints.delete()
    wait_for_all()
    manifest = read_manifest(target)
    if manifest is None:
        raise ModelError(f"{target}: 어댑터가 저장되지 않았습니다. 같은 명령을 다시 실행하세요.")
    return manifest


@contextmanager
def _made_by_one(target: Path) -> Iterator[Path]:
    """A new artifact that the main process makes; the others only know where it grows."""
    if is_main():
        with new_artifact(target) as folder:
            yield folder
    else:
        yield target.with_name(f".{target.name}.partial")


def _stage_rows(training: Training, position: int, base: Path) -> dict[str, Rows]:
    """The rows of a stage, and of earlier ones where it replays them."""
    options, stage = training.options, training.options.stages[position]
    tokenizer = give_template(load_tokenizer(base), training.default_system)
    reads = fingerprint([base_identity(base), tokenizer.chat_template, options.max_length])

    def rows_of(subset: str, split: str) -> Rows:
        path = training.run.dataset / subset / f"{split}.parquet"
        if not path.is_file():
            read_messages(training.run.dataset, subset, split)  # says what to do
        return cached_rows(
            training.run.adapters / ".tokens" / f"{subset}-{split}.safetensors",
            fingerprint([reads, hash_file(path), versions().get("transformers"), LAYOUT]),
            subset,
            lambda: encode_rows(
                tokenizer,
                _read(training.run.dataset, subset, split),
                subset=subset,
                max_length=options.max_length,
            ),
        )

    rows = {split: rows_of(stage.data, split) for split in SPLITS}
    if stage.replay:
        pool = join_rows([rows_of(name, "train") for name in _earlier(options, position)])
        seed = training.seed + position
        rows["train"] = mix_in(rows["train"], pool, stage.replay.share, seed)
    return rows


def _read(dataset: Path, subset: str, split: str) -> Sequence[Conversation]:
    try:
        return read_messages(dataset, subset, split)
    except ValueError:  # what datasets raises for a file without rows
        return []


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
