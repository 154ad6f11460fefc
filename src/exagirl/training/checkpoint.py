"""Places to go on from: whole or not there, of just these inputs, the newest two.

A checkpoint is what transformers' Trainer saves (optimizer, scheduler, RNG, position; its ``.pt``
files are read with ``weights_only``), with the adapter's weights as they learn. It is written
aside, sealed with a manifest and renamed, so a kill at any moment leaves the one before it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import TrainerCallback

from exagirl.artifact import file_faults, is_complete, make_folder, seal
from exagirl.errors import ModelError
from exagirl.training.processes import agreed, is_main, wait_for_all

EVERY_S = 300.0
KEPT = 2
PARTIAL = "partial"
WEIGHTS = "learning.safetensors"
_PREFIX, _BEST = "checkpoint-", "best-"
_NEVER_READ = "training_args.bin"


def whole_weights(model: Any) -> dict[str, Tensor]:
    """The adapter's weights on the CPU, under the names that they have in the model.

    Where FSDP has cut them into parts they are put together, so every process has to call this.
    """
    return {
        name: _whole(weight).detach().contiguous().cpu()
        for name, weight in model.named_parameters()
        if weight.requires_grad or ".lora_" in name
    }


def _whole(weight: Tensor) -> Tensor:
    return weight.full_tensor() if isinstance(weight, DTensor) else weight


def save_learning(model: Any, path: Path) -> None:
    """Save the adapter's weights as they learn; every process calls it, the main one writes."""
    weights = whole_weights(model)
    if not is_main():
        return
    aside = path.with_name(f".{path.name}.partial")
    with file_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, aside)
        aside.replace(path)


def load_learning(model: Any, path: Path) -> None:
    """Put saved weights back into the model that they came from.

    Raises:
        ModelError: They are those of another model.
    """
    saved = load_file(path)
    learning = {n: w for n, w in model.named_parameters() if w.requires_grad or ".lora_" in n}
    if {n: w.shape for n, w in saved.items()} != {n: w.shape for n, w in learning.items()}:
        raise ModelError(
            f"{path}: 이 어댑터의 것이 아닙니다. {path.parent.parent} 폴더를 지우고 다시 "
            "실행하세요."
        )
    with torch.no_grad():
        for name, weight in learning.items():
            if isinstance(weight, DTensor):
                part = distribute_tensor(
                    saved[name].to(weight.device), weight.device_mesh, weight.placements
                )
                weight.copy_(part)
            else:
                weight.copy_(saved[name])


class Checkpoints(TrainerCallback):  # type: ignore[misc]
    """The checkpoints of one stage: decides when, keeps the newest two, finds the last.

    Args:
        folder: A hidden folder beside the stage's artifact.
        inputs: What the stage is made from; a checkpoint of other inputs is never read.
        every: Steps between two; None for one every five minutes.
    """

    def __init__(self, folder: Path, inputs: Mapping[str, str], every: int | None = None) -> None:
        self.folder = folder
        self.partial = folder / PARTIAL
        self._inputs = dict(inputs)
        self._every = every
        self._saved_at = time.monotonic()

    def newest(self) -> Path | None:
        """The last whole checkpoint of these inputs; what is half or of others is deleted."""
        whole: list[Path] = []
        for path in [*self.folder.glob(f"{_PREFIX}*"), self.partial]:
            if path != self.partial and is_complete(path, self._inputs):
                whole.append(path)
            elif is_main():
                shutil.rmtree(path, ignore_errors=True)
        if is_main() and not whole:
            shutil.rmtree(self.folder, ignore_errors=True)
        wait_for_all()
        make_folder(self.folder)
        return max(whole, key=_step, default=None)

    def best(self, step: int) -> Path:
        """Where the best weights up to now are kept, as they were at a step."""
        return self.folder / f"{_BEST}{step}.safetensors"

    def delete(self) -> None:
        """Throw all of it away: the stage is sealed."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Begin to count the minutes."""
        self._saved_at = time.monotonic()

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a checkpoint when it is time; the last step is sealed anyway."""
        if self._every is not None:
            due = state.global_step % self._every == 0
        else:
            due = agreed(time.monotonic() - self._saved_at >= EVERY_S)
        if due and state.global_step < state.max_steps:
            control.should_save = True

    def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Seal what was written aside, put it in its place, and delete all but the newest two."""
        wait_for_all()
        if is_main():
            with file_faults(self.folder):
                self._settle(f"{_PREFIX}{state.global_step}", state.global_step)
        wait_for_all()
        self._saved_at = time.monotonic()

    def _settle(self, name: str, step: int) -> None:
        aside, place = self.partial / name, self.folder / name
        (aside / _NEVER_READ).unlink(missing_ok=True)
        for path in aside.rglob("*"):
            if path.is_file():
                _flush(path)
        seal(aside, "checkpoint", self._inputs)
        shutil.rmtree(place, ignore_errors=True)
        aside.replace(place)
        kept = sorted(self.folder.glob(f"{_PREFIX}*"), key=_step)
        for old in kept[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        self._prune_best([*map(_step, kept[-KEPT:]), step])

    def _prune_best(self, steps: list[int]) -> None:
        """Keep the best weights as of each step that training may go on from."""
        bests = {_step(path): path for path in self.folder.glob(f"{_BEST}*")}
        needed = {max((b for b in bests if b <= step), default=None) for step in steps}
        for step, path in bests.items():
            if step not in needed:
                path.unlink()


def _step(path: Path) -> int:
    return int(path.name.split("-")[1].split(".")[0])


def _flush(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
