"""What a stage learns, how, and where it leaves what; and the trainer that does it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback, TrainingArguments
from transformers.integrations import TensorBoardCallback

from exagirl.chatmodel.local import best_device
from exagirl.errors import MissingExtraError
from exagirl.progress import Watcher
from exagirl.training.checkpoint import Checkpoints
from exagirl.training.engine import Batcher, Packs, ReplyTrainer, measure_rows
from exagirl.training.finite import Guard, Ledger
from exagirl.training.learner import Learner
from exagirl.training.options import StageOptions
from exagirl.training.order import Pack, Reading
from exagirl.training.processes import process_count
from exagirl.training.rows import Rows
from exagirl.training.watching import Watching

METRICS = "metrics.jsonl"
SHOWN_TOKENS = 24


@dataclass(frozen=True)
class Student:
    """What learns: a base model with its adapter on, and how it reads."""

    model: Any
    tokenizer: Any
    """Carries the character's chat template."""
    max_length: int
    """Longest conversation in tokens; longer ones lose turns at the front."""


@dataclass(frozen=True)
class StageJob:
    """What a stage learns, how, and where it leaves what."""

    stage: StageOptions
    train: Rows
    validation: Rows
    seed: int
    """Seeds the order of the data and the dropout."""
    folder: Path
    """Gets the adapter, ``metrics.jsonl`` and ``curves.png``."""
    checkpoints: Checkpoints
    watcher: Watcher
    packing: bool = False
    length_buckets: bool = True
    report_to: Sequence[str] = ()
    logs: Path | None = None
    """Where TensorBoard's files go."""

    def reading(self, max_length: int) -> Reading:
        """How the stage reads its rows."""
        stage = self.stage
        return Reading(
            epochs=stage.epochs,
            steps=stage.steps,
            batch_size=stage.batch_size,
            accumulation=stage.gradient_accumulation * process_count(),
            length_buckets=self.length_buckets,
            capacity=max_length if self.packing else None,
            seed=self.seed,
        )


class _Validating(TrainerCallback):  # type: ignore[misc]
    """Asks for a validation every so often, and at the end."""

    def __init__(self, every: float | None) -> None:
        self._every = every

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        every = self._every or state.max_steps
        if every < 1:
            every = max(1, round(every * state.max_steps))
        if state.global_step % int(every) == 0 or state.global_step == state.max_steps:
            control.should_evaluate = True


def make_trainer(
    student: Student, job: StageJob, packs: Sequence[Pack], more: Sequence[TrainerCallback]
) -> ReplyTrainer:
    """The trainer of a stage, with everything that watches it.

    Raises:
        MissingExtraError: ``report_to`` names something that is not installed.
    """
    pad = student.tokenizer.pad_token_id or 0
    batcher = Batcher(job.train, pad, packing=job.packing)
    validation = Batcher(job.validation, pad, packing=job.packing)
    ledger = Ledger()

    learner = Learner(student.model)

    def loss_of(row: int) -> float:
        return measure_rows(learner, batcher, [row], 1).nats

    def name_of(row: int) -> str:
        ids = job.train.row(row)
        spoken = ids["input_ids"][ids["labels"] == ids["input_ids"]][:SHOWN_TOKENS]
        return f"{job.train.name(row)}(“{student.tokenizer.decode(spoken)}…”)"

    trainer = ReplyTrainer(
        ledger=ledger,
        validation=validation,
        model=learner,
        args=_arguments(job),
        train_dataset=Packs(packs),
        data_collator=batcher,
        callbacks=[
            Guard(job.stage.name, ledger, loss_of, name_of),
            _Validating(job.stage.validate_every),
            *more,
            job.checkpoints,
            Watching(f"{job.stage.name} 단계 학습", job.folder / METRICS, job.watcher),
            *_reporters(job),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(job: StageJob) -> TrainingArguments:
    stage = job.stage
    return TrainingArguments(
        output_dir=str(job.checkpoints.partial),
        # The plan is one pass, however many epochs it holds: a place in it is a count of batches.
        num_train_epochs=1,
        train_sampling_strategy="sequential",
        per_device_train_batch_size=stage.batch_size,
        gradient_accumulation_steps=stage.gradient_accumulation,
        learning_rate=stage.learning_rate,
        lr_scheduler_type=stage.scheduler,
        warmup_steps=stage.warmup_ratio,
        seed=job.seed,
        use_cpu=best_device() == "cpu",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[name for name in job.report_to if name != "tensorboard"],
        run_name=f"{job.folder.name.strip('.').removesuffix('.partial')}",
        project="exagirl",
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,  # every weight of the adapter is in every step
        dataloader_pin_memory=False,
    )


def _reporters(job: StageJob) -> list[TrainerCallback]:
    for name in job.report_to:
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(
                f"training.report_to: {name}이(가) 설치되어 있지 않습니다. pip install {name}을 "
                "실행하거나 이 이름을 지우세요."
            )
    if "tensorboard" not in job.report_to or job.logs is None:
        return []
    from torch.utils.tensorboard import SummaryWriter

    return [TensorBoardCallback(SummaryWriter(log_dir=str(job.logs)))]
