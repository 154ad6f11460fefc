"""A finished run that every part can be published from."""

import json
import shutil

import numpy
from safetensors.numpy import save_file

from exagirl.artifact import seal
from support.card_runs import make_run

HOME = "/home/alice"


def make_publishable(folder):
    """A run whose adapter can be exported, and in which names of folders stand where they may."""
    job = make_run(folder)
    for stage in job.recipe.training.stages:
        adapter = job.folder.adapter(stage.name)
        facts = {"r": 4, "base_model_name_or_path": f"{HOME}/models/exaone"}
        (adapter / "adapter_config.json").write_text(json.dumps(facts))
        weights = {"layer.lora_A.weight": numpy.ones((4, 8), "float32")}
        save_file(weights, adapter / "adapter_model.safetensors")
        seal(adapter, "adapter", {})
    shutil.rmtree(job.folder.dialogues / ".workers", ignore_errors=True)
    return job.folder
