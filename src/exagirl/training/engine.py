"""transformers' Trainer with the loss on replies alone, reading a plan that was made before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import Trainer

from exagirl.chatmodel.reply_loss import ReplyLoss
from exagirl.training.batch import collate, collate_packs
from exagirl.training.checkpoint import WEIGHTS, load_learning, save_learning
from exagirl.training.finite import Ledger
from exagirl.training.learner import Learner
from exagirl.training.order import Pack
from exagirl.training.rows import Rows


class Packs(Dataset):  # type: ignore[misc]
    """The packs of a stage in the order in which they are read; an item is its rows' positions."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = packs

    def __len__(self) -> int:
        return len(self._packs)

    def __getitem__(self, position: int) -> Pack:
        return self._packs[position]


class Batcher:
    """Makes a batch of packs: tensors, and the positions of the rows in it.

    Args:
        rows: All rows of the stage.
        pad: The token on padding.
        packing: Whether a pack may hold more than one row.
    """

    def __init__(self, rows: Rows, pad: int, *, packing: bool) -> None:
        self.rows = rows
        self.pad = pad
        self._packing = packing

    def __call__(self, packs: Sequence[Pack]) -> dict[str, Any]:
        """One batch; ``rows`` stays a list of numbers."""
        numbers = [row for pack in packs for row in pack]
        if self._packing:
            joined = collate_packs([[self.rows.row(i) for i in pack] for pack in packs], self.pad)
            return {**joined, "rows": numbers}
        return {**collate([self.rows.row(i) for i in numbers], self.pad), "rows": numbers}


def measure_rows(
    learner: Learner, batcher: Batcher, rows: Sequence[int], batch_size: int
) -> ReplyLoss:
    """How surprised a model is by the replies of rows; nothing is learned, nothing is drawn."""
    lengths = batcher.rows.lengths
    order = sorted(rows, key=lambda row: int(lengths[row]))
    was_training = learner.training
    learner.eval()
    nats, tokens = 0.0, 0
    # Not inference_mode: what the model caches here must serve the next step's gradient.
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            batch = batcher([(row,) for row in order[start : start + batch_size]])
            on_device = {k: v.to(learner.device) for k, v in batch.items() if k != "rows"}
            total, count = learner(**on_device)
            nats, tokens = nats + total.item(), tokens + int(count.item())
    learner.train(was_training)
    return ReplyLoss(nats=nats, tokens=tokens)


class ReplyTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer with the loss on replies alone.

    The sum of the losses over all labels of a step is divided by their number, so gradient
    accumulation weighs every reply token the same, however the rows are batched.

    Args:
        ledger: Told what goes into each step.
        validation: Rows to validate on.
    """

    def __init__(self, *, ledger: Ledger, validation: Batcher, **options: Any) -> None:
        super().__init__(**options)
        self.model_accepts_loss_kwargs = True
        self._ledger = ledger
        self._validation = validation
        self._lengths: list[int] = self.data_collator.rows.lengths.tolist()
        self._since = 0.0
        self.control: Any

    def training_step(
        self,
        model: Any,
        inputs: dict[str, Any],
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """One micro-batch; its rows and its loss go into the ledger."""
        if not self._ledger.parts:
            self._since = time.monotonic()
        rows = inputs.pop("rows")
        loss: Tensor = super().training_step(model, inputs, num_items_in_batch)
        self._ledger.parts.append((rows, loss))
        self._ledger.tokens += sum(self._lengths[row] for row in rows)
        return loss

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The loss on replies, per token of the whole step."""
        nats, count = model(**inputs)
        loss = nats / (count if num_items_in_batch is None else num_items_in_batch)
        if self.args.world_size > 1 and self.args.average_tokens_across_devices:
            loss = loss * self.args.world_size  # gradients are averaged over the processes
        return (loss, None) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the tokens of the step and their rate, padding left out."""
        if "loss" in logs:
            tokens = self._ledger.tokens
            if self.args.world_size > 1:
                counted = torch.tensor(tokens, device=self.args.device)
                tokens = int(self.accelerator.reduce(counted, "sum").item())
            logs["tokens"] = tokens
            logs["tokens_per_s"] = tokens / max(1e-9, time.monotonic() - self._since)
        super().log(logs, start_time)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The validation loss; every process measures all of it, so that all agree."""
        every = range(len(self._validation.rows))
        size = self.args.per_device_train_batch_size
        measured = measure_rows(self.model, self._validation, every, size)
        metrics = {"eval_loss": measured.per_token}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:  # noqa: ARG002
        """Nothing: counting walks through all parameters at every micro-batch."""
        return 0

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Into a checkpoint go the weights that learn; DeepSpeed has its own way.

        peft's own file would not do: an adapter may be saved in another form than it learns in.
        """
        if self.is_deepspeed_enabled:
            super().save_model(output_dir, _internal_call)
        else:
            save_learning(self.model, Path(output_dir or self.args.output_dir) / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_deepspeed_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            load_learning(self.model, Path(resume_from_checkpoint) / WEIGHTS)
