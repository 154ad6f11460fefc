"""One stage: one pass of LoRA training over one subset."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from exagirl.artifact import write_text
from exagirl.chatmodel.encoding import HIDDEN, Conversation, Encoded, encode_conversation
from exagirl.chatmodel.reply_loss import reply_loss, total_loss
from exagirl.errors import ModelError
from exagirl.progress import Watcher
from exagirl.record import Record
from exagirl.training.options import StageOptions


class StageResult(Record):
    """How a stage went."""

    steps: int
    train_loss: float
    """Mean loss on replies over the stage, nats a token."""
    validation_loss: float
    """Loss on the replies of the validation split after the stage, nats a token."""
    tokens: int
    """Tokens that went through the model, padding left out."""
    reply_tokens: int
    turns_cut: int


class _ReplyTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer with the loss on replies alone.

    The sum of the losses over all labels of a step is divided by their number, so gradient
    accumulation weighs every reply token the same, however the rows are batched.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.model_accepts_loss_kwargs = True
        self._dtype = options["model"].get_input_embeddings().weight.dtype

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        ids = inputs["input_ids"]
        # The adapter's weights are float32, the base's may be bfloat16: compute in the base's.
        with torch.autocast(ids.device.type, self._dtype, enabled=self._dtype != torch.float32):
            nats, count = reply_loss(model, ids, inputs["labels"], inputs["attention_mask"])
        loss = nats / (count if num_items_in_batch is None else num_items_in_batch)
        return (loss, None) if return_outputs else loss


class _Watching(TrainerCallback):  # type: ignore[misc]
    """Tells the watcher about every step, and stops at a loss that is no number."""

    def __init__(self, stage: StageOptions, watcher: Watcher) -> None:
        self._stage = stage
        self._watcher = watcher

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._watcher.start(f"{self._stage.name} 단계 학습", state.max_steps)

    def on_log(self, _args: Any, state: Any, _control: Any, **facts: Any) -> None:
        loss = (facts.get("logs") or {}).get("loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            raise ModelError(
                f"{self._stage.name} 단계의 {state.global_step}번째 걸음에서 손실이 {loss}이 "
                "되었습니다. learning_rate를 절반으로 줄이거나 dtype을 float32로 바꿔 보세요."
            )
        self._watcher.advance(0, note=f"손실 {loss:.3f}")

    def on_step_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        self._watcher.advance(1)


def collate(rows: Sequence[dict[str, Sequence[int]]], pad: int) -> dict[str, Tensor]:
    """Pad rows on the right to one width.

    Returns:
        ``input_ids``, ``labels`` and ``attention_mask``, each of shape (rows, tokens), int64.
    """
    width = max(len(row["input_ids"]) for row in rows)

    def padded(key: str, filler: int) -> Tensor:
        return torch.tensor([[*row[key], *[filler] * (width - len(row[key]))] for row in rows])

    mask = [[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in rows]
    return {
        "input_ids": padded("input_ids", pad),
        "labels": padded("labels", HIDDEN),
        "attention_mask": torch.tensor(mask),
    }


@dataclass(frozen=True)
class Student:
    """What learns: a base model with its adapter on, and how it reads."""

    model: Any
    tokenizer: Any
    """Carries the character's chat template."""
    max_length: int
    """Longest conversation in tokens; longer ones lose turns at the front."""


def train_stage(
    student: Student,
    stage: StageOptions,
    conversations: Mapping[str, Sequence[Conversation]],
    *,
    seed: int,
    folder: Path,
    watcher: Watcher,
) -> StageResult:
    """Train the adapter on one subset and save it into ``folder``.

    Args:
        student: Learns in place.
        stage: Epochs, learning rate, batch.
        conversations: ``train`` and ``validation``, system message first.
        seed: Seeds the order of the data and the dropout.
        folder: Gets ``adapter_model.safetensors``, ``adapter_config.json``, ``metrics.jsonl``.
        watcher: Told about every step.

    Raises:
        ModelError: A loss that is no number, or memory that does not suffice.
    """
    encoded = {
        split: [encode_conversation(student.tokenizer, c, student.max_length) for c in chosen]
        for split, chosen in conversations.items()
    }
    model = student.model
    trainer = _trainer(student, stage, encoded["train"], seed, folder, watcher)
    try:
        outcome = trainer.train()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(
            f"{stage.name} 단계: 메모리가 모자랍니다. batch_size를 줄이고 "
            "gradient_accumulation을 늘리거나, "
            "training.max_length 또는 lora.rank를 줄이세요."
        ) from error
    model.save_pretrained(folder)
    _write_metrics(folder, trainer.state.log_history)
    model.eval()
    result = StageResult(
        steps=trainer.state.global_step,
        train_loss=float(outcome.training_loss),
        validation_loss=total_loss(model, encoded["validation"]).per_token,
        tokens=round(sum(len(e.token_ids) for e in encoded["train"]) * stage.epochs),
        reply_tokens=round(
            sum(sum(x != HIDDEN for x in e.labels) for e in encoded["train"]) * stage.epochs
        ),
        turns_cut=sum(e.turns_cut for e in encoded["train"]),
    )
    watcher.finish(f"손실 {result.train_loss:.3f}, 검증 {result.validation_loss:.3f}")
    return result


def _trainer(
    student: Student,
    stage: StageOptions,
    rows: Sequence[Encoded],
    seed: int,
    folder: Path,
    watcher: Watcher,
) -> _ReplyTrainer:
    pad = student.tokenizer.pad_token_id or 0
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=stage.epochs,
        per_device_train_batch_size=stage.batch_size,
        gradient_accumulation_steps=stage.gradient_accumulation,
        learning_rate=stage.learning_rate,
        lr_scheduler_type=stage.scheduler,
        warmup_steps=stage.warmup_ratio,
        seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    trainer = _ReplyTrainer(
        model=student.model,
        args=arguments,
        train_dataset=[{"input_ids": e.token_ids, "labels": e.labels} for e in rows],
        data_collator=lambda batch: collate(batch, pad),
        callbacks=[_Watching(stage, watcher)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _write_metrics(folder: Path, history: Sequence[dict[str, Any]]) -> None:
    rows = [entry for entry in history if "loss" in entry]
    write_text(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
