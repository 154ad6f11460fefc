"""The base model: from a folder, the Hub, or the quickstart's package; never with remote code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
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
from exagirl.training.checkpoint_files import weight_files
from exagirl.training.exaone import HEAD, MODEL_TYPE, RENAMED, llama_config
from exagirl.training.exaone_layout import exaone_name
from exagirl.training.quantization import Quantize, four_bit_config

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
OTHER_SENSES = re.compile(r"image|audio|video|vision")
"""Tokens of models that also see or hear; no text holds them. Gemma 3 has one beyond its rows."""


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
    name_or_path: str | Path,
    dtype: str | torch.dtype = "auto",
    *,
    quantize: Quantize | None = None,
    watcher: Watcher | None = None,
) -> tuple[Any, Any]:
    """Load a base model and its tokenizer.

    EXAONE 3.x checkpoints come as the Llama architecture; all others through transformers. Tensors
    go one by one from the file to their place, so the model is in memory once.

    Args:
        name_or_path: A folder, a Hub name, or ``gemma3-270m``.
        dtype: A torch dtype or its name; ``auto`` fits the machine.
        quantize: ``4bit`` for QLoRA, on CUDA.
        watcher: Told about downloads and conversions.

    Returns:
        The model, in eval mode on the best device, and the tokenizer.

    Raises:
        ModelError: The checkpoint is missing, damaged, a pickle, or of an unknown kind; the
            tokenizer does not fit it; or this machine cannot compute in that dtype.
        MissingExtraError: ``quantize`` needs a library that is not installed.
    """
    folder = fetch_base(str(name_or_path), watcher)
    device = best_device()
    chosen = _dtype(dtype, device)
    config = base_config(folder)
    weight_files(folder)
    tokenizer = load_tokenizer(folder)
    _check_vocabulary(tokenizer, config, folder)
    options: dict[str, Any] = {"dtype": chosen}
    if quantize:
        options["quantization_config"] = four_bit_config(device, chosen)
    if device != "cpu":
        options["device_map"] = {"": device}
    try:
        model = _load_model(folder, config, options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{folder}: 기본 모델을 읽을 수 없습니다({_first_line(error)})."
        ) from error
    return model.eval(), tokenizer


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]


def _dtype(asked: str | torch.dtype, device: str) -> torch.dtype:
    chosen = best_dtype(device) if asked == "auto" else asked
    if isinstance(chosen, str):
        chosen = getattr(torch, chosen)
    if chosen == torch.float16 and device == "cpu":
        raise ModelError(
            "training.dtype: CPU에서는 float16으로 학습할 수 없습니다(값이 쉽게 넘칩니다). "
            "auto, bfloat16 또는 float32를 쓰세요."
        )
    return chosen


def base_config(folder: Path) -> Any:
    """The transformers configuration of a checkpoint; EXAONE 3.x as Llama's.

    Raises:
        ModelError: It cannot be read, or names an architecture that transformers does not have.
    """
    facts = read_config(folder)
    kind = facts.get("model_type")
    try:
        if kind == MODEL_TYPE:
            return llama_config(facts, has_head=_has_head(folder))
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        StrictDataclassError,
    ) as error:
        raise ModelError(
            f"{folder / 'config.json'}: 이 설정({kind})으로는 모델을 만들 수 없습니다"
            f"({_first_line(error)}). 체크포인트에 든 코드는 실행하지 않으므로, 설치된 "
            f"transformers {transformers.__version__}이 아는 구조여야 합니다."
        ) from error


def _has_head(folder: Path) -> bool:
    """True where a checkpoint brings an output layer of its own."""
    for file in weight_files(folder):
        with safe_open(file, framework="pt") as tensors:
            if HEAD in tensors.keys():  # noqa: SIM118 (no mapping: it has only keys())
                return True
    return False


def _check_vocabulary(tokenizer: Any, config: Any, folder: Path) -> None:
    rows = config.get_text_config().vocab_size
    beyond = {
        token: number
        for token, number in tokenizer.get_vocab().items()
        if number >= rows and not OTHER_SENSES.search(token)
    }
    if beyond:
        token, number = max(beyond.items(), key=lambda item: item[1])
        raise ModelError(
            f"{folder}: 토크나이저가 모델에 맞지 않습니다. 임베딩은 {rows}행인데 토큰 "
            f"{token!r}의 번호가 {number}입니다(넘는 토큰 {len(beyond)}개). 이 모델과 함께 나온 "
            "토크나이저 파일을 폴더에 넣으세요."
        )


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


def _load_model(folder: Path, config: Any, options: dict[str, Any]) -> Any:
    kind, renamed = AutoModelForCausalLM, None
    if read_config(folder).get("model_type") == MODEL_TYPE:
        kind, renamed = LlamaForCausalLM, RENAMED
    model, info = kind.from_pretrained(
        folder,
        config=config,
        key_mapping=renamed,
        trust_remote_code=False,
        use_safetensors=True,
        ignore_mismatched_sizes=True,  # told below, by name
        output_loading_info=True,
        **options,
    )
    shown: Callable[[str], str] = exaone_name if renamed else str
    missing = [key for key in info["missing_keys"] if not _is_tied(key, model)]
    misshapen = [
        f"{shown(key)} {tuple(found)} → {tuple(wanted)}"
        for key, found, wanted in info["mismatched_keys"]
    ]
    for what, names in (
        ("크기가 다른", misshapen),
        ("없는", [shown(key) for key in missing]),
        ("모르는", list(info["unexpected_keys"])),
    ):
        if names:
            raise ValueError(
                f"체크포인트에 {what} 텐서 {len(names)}개: {', '.join(sorted(names)[:3])}. "
                "config.json과 가중치가 같은 모델의 것인지 보고 다시 받으세요"
            )
    return model


def _is_tied(key: str, model: Any) -> bool:
    return key == HEAD and bool(model.config.get_text_config().tie_word_embeddings)


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
