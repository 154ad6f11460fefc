"""A folder that vLLM serves: the merged model, and the adapter for serving it on the base."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

from exagirl.artifact import MANIFEST, make_folder, write_text
from exagirl.export.adapter_folder import copy_adapter, read_adapter_config
from exagirl.export.gguf_tokenizer import EXAONE_MARK
from exagirl.export.papers import link_or_copy, write_readme
from exagirl.training.base_model import load_tokenizer, read_config
from exagirl.training.checkpoint_files import weight_files
from exagirl.training.exaone import MODEL_TYPE
from exagirl.training.exaone_layout import save_adapter_as_exaone

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's ``--max-lora-rank`` takes. Source: `LoRAConfig` in vLLM's documentation."""
MOST_CONTEXT = 8192


class Commands(NamedTuple):
    """How to start vLLM."""

    merged: str
    lora: str
    """Empty where vLLM takes no rank that is large enough."""


def launch_commands(name: str, *, base: str, rank: int, context_tokens: int) -> Commands:
    """The command lines that serve the merged model, and the base with the adapter.

    Args:
        name: What clients call the model.
        base: The base's Hub name or folder.
        rank: The adapter's rank.
        context_tokens: The longest conversation that the model can hold.
    """
    length = f"--max-model-len {min(MOST_CONTEXT, context_tokens)}"
    called = shlex.quote(name)
    merged = f"vllm serve ./model --served-model-name {called} {length}"
    fitting = next((known for known in RANKS if known >= rank), None)
    lora = (
        f"vllm serve {shlex.quote(base)} --enable-lora --lora-modules {called}=./adapter "
        f"--max-lora-rank {fitting} --chat-template ./model/chat_template.jinja {length}"
        if fitting
        else ""
    )
    return Commands(merged, lora)


def write_vllm(adapter: Path, model: Path, folder: Path, *, name: str, base: str) -> Commands:
    """Fill a folder: ``model/``, ``adapter/``, ``serve.sh`` and a page that explains.

    The model's files are hard links where the file system allows, so they take no room.

    Raises:
        ModelError: The model or the adapter is damaged.
    """
    weight_files(model)
    served = make_folder(folder / "model")
    for path in sorted(model.iterdir()):
        if path.is_file() and path.name != MANIFEST and not path.name.startswith("."):
            # Small files are copied: who edits them here must not change the merged model.
            put = link_or_copy if path.suffix == ".safetensors" else shutil.copyfile
            put(path, served / path.name)
    is_exaone = _is_exaone(model)
    if is_exaone:
        # vLLM's own EXAONE has the published checkpoint's layer names, not Llama's.
        save_adapter_as_exaone(adapter, folder / "renamed")
    source = folder / "renamed" if is_exaone else adapter
    copy_adapter(source, make_folder(folder / "adapter"), base)
    shutil.rmtree(folder / "renamed", ignore_errors=True)
    facts = read_adapter_config(adapter)
    commands = launch_commands(
        name,
        base=base,
        rank=facts["r"],
        context_tokens=int(read_config(model)["max_position_embeddings"]),
    )
    script = f'#!/bin/sh\ncd "$(dirname "$0")" || exit 1\nexec {commands.merged} "$@"\n'
    write_text(folder / "serve.sh", script).chmod(0o755)
    write_readme(
        folder,
        "vllm",
        name=name,
        base=base,
        rank=facts["r"],
        is_exaone=is_exaone,
        commands=commands,
    )
    return commands


def _is_exaone(model: Path) -> bool:
    """True for a merged EXAONE 3.x, which is a Llama that knows EXAONE's turn marks."""
    if read_config(model).get("model_type") not in ("llama", MODEL_TYPE):
        return False
    return EXAONE_MARK in load_tokenizer(model).get_vocab()
