"""The base model: from a folder, the Hub, or the quickstart's package; never with remote code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from exagirl.chatmodel.local import best_device, best_dtype
from exagirl.dataset.chat_template import bake_template, family_of
from exagirl.errors import ModelError
from exagirl.progress import Nobody, Watcher
from exagirl.training import gemma_package
from exagirl.training.exaone import MODEL_TYPE, RENAMED, llama_config

HUB_FILES = (
    "*.safetensors",
    "*.json",
    "*.txt",
    "*.model",
    "LICENSE*",
    "NOTICE*",
    "*.md",
    "*.jinja",
)


def fetch_base(name_or_path: str, watcher: Watcher | None = None) -> Path:
    """The folder of a base model; a Hub name is downloaded to the Hub's own cache.

    Raises:
        ModelError: There is no such model, or it cannot be fetched.
    """
    watcher = watcher or Nobody()
    if name_or_path == gemma_package.NAME:
        return gemma_package.prepare_gemma(watcher)
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return folder
    if name_or_path.count("/") != 1 or name_or_path.startswith((".", "/", "~")):
        raise ModelError(
            f"training.base: '{name_or_path}' 폴더가 없습니다. 모델 폴더의 경로, 허브의 "
            f"'소유자/이름', 또는 {gemma_package.NAME}을 적으세요."
        )
    return _download(name_or_path, watcher)


def _download(repo: str, watcher: Watcher) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    watcher.say(f"허브에서 {repo}를 받습니다. 이미 받은 파일은 다시 받지 않습니다.")
    try:
        return Path(snapshot_download(repo, allow_patterns=list(HUB_FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"{repo}: 허브에서 받을 수 없습니다({str(error).splitlines()[0][:200]}). 이름과 "
            "인터넷 연결, 접근 권한이 필요한 모델이면 'hf auth login'을 확인하세요."
        ) from error


def load_base(
    name_or_path: str,
    dtype: str | torch.dtype = "auto",
    *,
    watcher: Watcher | None = None,
) -> tuple[Any, Any]:
    """Load a base model and its tokenizer.

    EXAONE 3.x checkpoints come as the Llama architecture; all others through transformers.

    Args:
        name_or_path: A folder, a Hub name, or ``gemma3-270m``.
        dtype: A torch dtype or its name; ``auto`` fits the machine.
        watcher: Told about downloads and conversions.

    Returns:
        The model, in eval mode on the best device, and the tokenizer.

    Raises:
        ModelError: The checkpoint is missing, damaged, a pickle, or of an unknown kind.
    """
    folder = fetch_base(name_or_path, watcher)
    device = best_device()
    chosen = best_dtype(device) if dtype == "auto" else dtype
    if isinstance(chosen, str):
        chosen = getattr(torch, chosen)
    facts = read_config(folder)
    if not list(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder}: safetensors 파일이 없습니다. pickle(.bin, .pt) 체크포인트는 코드를 "
            "실행할 수 있어 읽지 않습니다. safetensors로 바꾼 모델을 쓰세요."
        )
    try:
        model = _load_model(folder, facts, chosen)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"{folder}: 기본 모델을 읽을 수 없습니다({str(error).splitlines()[0][:300]})."
        ) from error
    return model.to(device).eval(), load_tokenizer(folder)


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's ``config.json``.

    Raises:
        ModelError: There is none, or it is no JSON object.
    """
    path = folder / "config.json"
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: 읽을 수 없습니다({error}). 모델 폴더가 맞는지 확인하세요."
        ) from error
    if not isinstance(facts, dict):
        raise ModelError(f"{path}: JSON 객체가 아닙니다. 모델 폴더가 맞는지 확인하세요.")
    return facts


def _load_model(folder: Path, facts: dict[str, Any], dtype: torch.dtype) -> Any:
    options: dict[str, Any] = {"dtype": dtype, "output_loading_info": True}
    if facts.get("model_type") == MODEL_TYPE:
        model, info = LlamaForCausalLM.from_pretrained(
            folder, config=llama_config(facts), key_mapping=RENAMED, **options
        )
    else:
        model, info = AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=False, **options
        )
    missing = [key for key in info["missing_keys"] if not _is_tied(key, model)]
    for what, keys in (("없는", missing), ("모르는", list(info["unexpected_keys"]))):
        if keys:
            raise ValueError(
                f"체크포인트에 {what} 텐서 {len(keys)}개: {', '.join(sorted(keys)[:3])}"
            )
    return model


def _is_tied(key: str, model: Any) -> bool:
    return key == "lm_head.weight" and bool(model.config.tie_word_embeddings)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a checkpoint, without remote code.

    Raises:
        ModelError: There is none that can be read.
    """
    kind = PreTrainedTokenizerFast if read_config(folder).get("model_type") == MODEL_TYPE else None
    try:
        return (kind or AutoTokenizer).from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder}: 토크나이저를 읽을 수 없습니다({str(error).splitlines()[0][:200]})."
        ) from error


def give_template(tokenizer: Any, default_system: str) -> Any:
    """Put the family's chat template, with the character baked in, on a tokenizer."""
    family = family_of(tokenizer.get_vocab(), is_chat_model=tokenizer.chat_template is not None)
    tokenizer.chat_template = bake_template(family, default_system)
    return tokenizer


def stop_token_ids(tokenizer: Any) -> list[int]:
    """The tokens that end a reply: the family's stop token, and the tokenizer's own eos.

    To be asked before `give_template`, which hides whether the base was a chat model.
    """
    family = family_of(tokenizer.get_vocab(), is_chat_model=tokenizer.chat_template is not None)
    stops = {tokenizer.eos_token_id}
    if family.stop:
        stops.add(tokenizer.convert_tokens_to_ids(family.stop))
    return sorted(stops - {None})
