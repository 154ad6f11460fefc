"""Stop a stage that no longer gets better, and keep its best weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback

from exagirl.record import Record
from exagirl.training.checkpoint import Checkpoints, load_learning, save_learning
from exagirl.training.options import EarlyStopOptions
from exagirl.training.processes import wait_for_all


class Measured(Record):
    """A validation loss at a step."""

    step: int
    loss: float


def best_of(history: Sequence[dict[str, Any]], min_delta: float) -> Measured | None:
    """The last validation loss that was lower by more than ``min_delta`` than the best before."""
    best: Measured | None = None
    for entry in history:
        loss = entry.get("eval_loss")
        if loss is not None and (best is None or loss < best.loss - min_delta):
            best = Measured(step=entry["step"], loss=loss)
    return best


class EarlyStop(TrainerCallback):  # type: ignore[misc]
    """Ends the stage after ``patience`` validations without a better loss.

    It remembers nothing: all is read from the history, which a checkpoint carries.
    """

    def __init__(self, options: EarlyStopOptions, checkpoints: Checkpoints) -> None:
        self._options = options
        self._checkpoints = checkpoints
        self.stopped_at: int | None = None

    def on_evaluate(self, _args: Any, state: Any, control: Any, **facts: Any) -> None:
        """Keep the weights when they are the best, or end when they have long not been."""
        best = best_of(state.log_history, self._options.min_delta)
        if best is None:
            return
        if best.step == state.global_step:
            save_learning(facts["model"], self._checkpoints.best(best.step))
            return
        later = {e["step"] for e in state.log_history if "eval_loss" in e and e["step"] > best.step}
        if len(later) >= self._options.patience:
            self.stopped_at = state.global_step
            control.should_training_stop = True

    def restore(self, model: Any, history: Sequence[dict[str, Any]]) -> Measured | None:
        """Give the model its best weights back."""
        best = best_of(history, self._options.min_delta)
        if best is not None and best.step != max(e["step"] for e in history):
            wait_for_all()
            load_learning(model, self._checkpoints.best(best.step))
        return best
