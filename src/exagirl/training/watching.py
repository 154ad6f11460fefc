"""How a stage is watched: a note at every step, one line of ``metrics.jsonl`` a step."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from exagirl.artifact import file_faults, write_lines
from exagirl.dialogue.tally import clock
from exagirl.progress import Watcher
from exagirl.training.processes import is_main

KEYS = ("step", "loss", "learning_rate", "grad_norm", "tokens", "tokens_per_s")


def metric_rows(history: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """One row a step: loss, learning rate, gradient norm, tokens, and what validation gave.

    Args:
        history: The trainer's log, in which a step's validation stands apart.
    """
    rows: dict[int, dict[str, float]] = {}
    for entry in history:
        row = rows.setdefault(entry["step"], {"step": entry["step"]})
        if "loss" in entry:
            row |= {key: entry[key] for key in KEYS if key in entry}
        if "eval_loss" in entry:
            row["validation_loss"] = entry["eval_loss"]
    return [row for row in rows.values() if "loss" in row]


class Watching(TrainerCallback):  # type: ignore[misc]
    """Tells the watcher about every step and writes ``metrics.jsonl`` as it goes."""

    def __init__(self, title: str, metrics: Path, watcher: Watcher) -> None:
        self._title = title
        self._metrics = metrics
        self._watcher = watcher
        self._validation: float | None = None
        self._begun = (0, 0.0)
        self._written = 0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Show the bar, from where a checkpoint left off."""
        self._begun = (state.global_step, time.monotonic())
        losses = [e["eval_loss"] for e in state.log_history if "eval_loss" in e]
        self._validation = losses[-1] if losses else None
        if is_main():
            rows = metric_rows(state.log_history)
            write_lines(self._metrics, [json.dumps(row) for row in rows])
        self._written = state.global_step
        self._watcher.start(self._title, state.max_steps)
        if state.global_step:
            self._watcher.advance(state.global_step, note="이어서")

    def on_log(self, _args: Any, state: Any, _control: Any, **facts: Any) -> None:
        """Say how it goes."""
        logs = facts.get("logs") or {}
        self._validation = logs.get("eval_loss", self._validation)
        if "loss" in logs:
            self._watcher.advance(1, note=self._note(logs, state))
        elif "eval_loss" in logs:
            self._watcher.advance(0, note=f"검증 손실 {self._validation:.3f}")

    def on_step_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Write the step before, which is now complete with its validation."""
        self._write(state)

    def on_train_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Write the last step."""
        self._write(state)

    def _write(self, state: Any) -> None:
        if state.global_step == self._written or not is_main():
            return
        # Two entries of the log at most belong to a step.
        rows = [r for r in metric_rows(state.log_history[-4:]) if r["step"] > self._written]
        with file_faults(self._metrics), self._metrics.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)
        self._written = state.global_step

    def _note(self, logs: dict[str, Any], state: Any) -> str:
        first, since = self._begun
        took = time.monotonic() - since
        left = took / max(1, state.global_step - first) * (state.max_steps - state.global_step)
        parts = [
            f"손실 {logs['loss']:.3f}",
            f"검증 {self._validation:.3f}" if self._validation is not None else "",
            f"{logs.get('tokens_per_s', 0):,.0f}토큰/초",
            f"메모리 {memory_bytes() / 1e9:.1f} GB",
            f"남은 시간 {clock(left)}",
        ]
        return " · ".join(filter(None, parts))


def memory_bytes() -> int:
    """The most memory that was in use so far: the accelerator's where there is one, else ours."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
