"""Random adapters on tiny bases, strong enough to show; also as a program that merges and dies.

Run: python -m support.adapters BASE ADAPTER OUT STEPS   (kills itself after so many tensors)
"""

import os
import signal
import sys

import torch

from exagirl.export.merge import Baked, merge_adapter
from exagirl.progress import Nobody
from exagirl.training.base_model import load_base
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions


def save_adapter(base, folder, seed=0, **options):
    """Save a random adapter on all layers of a base; gives back the model with it on."""
    model, _ = load_base(base, "float32")
    chosen = {"rank": 4, "alpha": 8, "targets": "attention+mlp"} | options
    adapted = add_adapter(model, LoraOptions(**chosen), seed).eval()
    dice = torch.Generator().manual_seed(seed)
    for _, weight in adapted.named_parameters():
        if weight.requires_grad:
            weight.data += torch.randn(weight.shape, generator=dice) * 0.05
    adapted.save_pretrained(folder)
    return adapted


class Killer(Nobody):
    """Kills its own process after so many steps, as SIGKILL from outside would."""

    def __init__(self, steps):
        self._left = steps

    def advance(self, steps=1, note=""):
        """Count tensors and passes."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    base, adapter, out, steps = sys.argv[1:]
    killer = Killer(int(steps))
    merge_adapter(base, adapter, out, baked=Baked(shard_gb=1e-4), watcher=killer)
