"""A loss that is no number stops the stage before it spoils the adapter, and names the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from exagirl.errors import ModelError

NAMED = 3


@dataclass
class Ledger:
    """What went into the running step."""

    parts: list[tuple[list[int], Tensor]] = field(default_factory=list)
    """Rows of each micro-batch and its share of the loss."""
    tokens: int = 0

    def clear(self) -> None:
        """A new step begins."""
        self.parts.clear()
        self.tokens = 0


class Guard(TrainerCallback):  # type: ignore[misc]
    """Looks at the loss before every step of the optimizer, and at the gradient's norm after it.

    Args:
        stage: The stage's name.
        ledger: Filled by the trainer.
        loss_of: The loss of one row alone, by its position.
        name_of: What a person reads of a row.
    """

    def __init__(
        self,
        stage: str,
        ledger: Ledger,
        loss_of: Callable[[int], float],
        name_of: Callable[[int], str],
    ) -> None:
        self._stage = stage
        self._ledger = ledger
        self._loss_of = loss_of
        self._name_of = name_of

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Forget the step before."""
        self._ledger.clear()

    def on_pre_optimizer_step(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Stop where a micro-batch gave no number; one synchronisation a step."""
        losses = torch.stack([loss for _, loss in self._ledger.parts])
        if bool(losses.isfinite().all()):
            return
        at_fault = [
            row
            for (rows, _), loss in zip(self._ledger.parts, losses.tolist(), strict=True)
            if not math.isfinite(loss)
            for row in rows
        ]
        alone = [row for row in at_fault if not math.isfinite(self._loss_of(row))]
        self._stop(state.global_step + 1, "손실이", alone or at_fault)

    def on_log(self, _args: Any, state: Any, _control: Any, **facts: Any) -> None:
        """Stop where the gradient or the validation loss is no number."""
        logs = facts.get("logs") or {}
        for key, what in (("grad_norm", "기울기가"), ("eval_loss", "검증 손실이")):
            if not math.isfinite(logs.get(key, 0.0)):
                rows = [row for part, _ in self._ledger.parts for row in part]
                self._stop(state.global_step, what, rows)

    def _stop(self, step: int, what: str, rows: Sequence[int]) -> None:
        named = "; ".join(self._name_of(row) for row in rows[:NAMED])
        more = f" 등 {len(rows)}편" if len(rows) > NAMED else ""
        raise ModelError(
            f"{self._stage} 단계의 {step}번째 걸음에서 {what} 수가 아니게 되었습니다"
            f"(NaN 또는 무한대). 그 걸음의 대화: {named}{more}. learning_rate를 절반으로 "
            "줄이거나 dtype을 float32로 바꿔 보고, 그래도 같은 대화에서 멈추면 그 대화를 빼세요."
        )
