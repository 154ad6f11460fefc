"""The folder for vLLM: model, adapter, and command lines that vLLM's documentation allows."""

import os
import re
import shlex

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from exagirl.export.vllm import launch_commands, write_vllm
from exagirl.training.base_model import load_base
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions
from support.merged_models import save_exaone_kind

OPTIONS = {
    "--served-model-name",
    "--max-model-len",
    "--enable-lora",
    "--lora-modules",
    "--max-lora-rank",
    "--chat-template",
}
"""Those of vLLM's `vllm serve` page that are used here."""


@pytest.fixture
def made(exaone_base, tmp_path):
    """A folder out of a tiny EXAONE."""
    model, _ = load_base(exaone_base, "float32")
    adapted = add_adapter(model, LoraOptions(rank=6, alpha=8), 0)
    adapted.save_pretrained(tmp_path / "adapter")
    merged = save_exaone_kind(tmp_path / "model")
    out = tmp_path / "out"
    out.mkdir()
    commands = write_vllm(tmp_path / "adapter", merged, out, name="exa", base="OWNER/base")
    return merged, out, commands


def test_the_model_takes_no_second_room(made):
    """Its weights are hard links, its small files are copies; transformers loads it."""
    merged, out, _ = made
    assert (merged / "model.safetensors").samefile(out / "model/model.safetensors")
    assert not (merged / "config.json").samefile(out / "model/config.json")
    AutoModelForCausalLM.from_pretrained(out / "model")
    AutoTokenizer.from_pretrained(out / "model")


def test_the_adapter_has_the_names_of_vllms_exaone(made):
    """They are the published checkpoint's."""
    _, out, _ = made
    names = load_file(out / "adapter/adapter_model.safetensors").keys()
    assert all(name.startswith("base_model.model.transformer.") for name in names)
    assert not (out / "renamed").exists()


def test_the_script_is_the_command(made):
    """It starts in its own folder and hands options on."""
    _, out, commands = made
    assert os.access(out / "serve.sh", os.X_OK)
    assert f'exec {commands.merged} "$@"' in (out / "serve.sh").read_text()
    page = (out / "README.md").read_text("utf-8")
    assert commands.merged in page
    assert commands.lora in page


@pytest.mark.parametrize(("rank", "served"), [(6, 8), (16, 16), (200, 256), (512, 512)])
def test_the_rank_is_one_that_vllm_takes(rank, served):
    """The next larger one of its list."""
    commands = launch_commands("exa", base="o/b", rank=rank, context_tokens=32768)
    assert f"--max-lora-rank {served} " in commands.lora
    assert launch_commands("exa", base="o/b", rank=513, context_tokens=9).lora == ""


def test_only_documented_options_are_used():
    """And names with spaces stay one word."""
    commands = launch_commands("엑사 1", base="/a b", rank=4, context_tokens=4096)
    for line in commands:
        words = shlex.split(line)
        assert words[:2] == ["vllm", "serve"]
        assert {word for word in words if re.match("--", word)} <= OPTIONS
    assert "엑사 1=./adapter" in shlex.split(commands.lora)
