"""A GGUF file at work: llama.cpp in this process, asked over its own loopback port."""

from __future__ import annotations

import importlib
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from exagirl.errors import MissingExtraError, ModelError
from exagirl.export.choice import INSTALL, has_llama_cpp
from exagirl.record import Record

TIMEOUT_S = 600.0
SPARE_TOKENS = 16


class Continued(Record):
    """What llama.cpp said after a prompt."""

    token_ids: tuple[int, ...]
    """Without the token that ended it."""
    is_ended: bool
    """It ended of itself, before the limit."""


class LlamaCpp:
    """A loaded GGUF file; it is on the CPU, with a float32 cache, so that it repeats itself."""

    def __init__(self, path: Path, *, context_tokens: int) -> None:
        """Load a file.

        Args:
            path: The GGUF file.
            context_tokens: The longest prompt with its continuation.

        Raises:
            MissingExtraError: xllamacpp is not installed.
            ModelError: llama.cpp refuses the file.
        """
        if not has_llama_cpp():
            raise MissingExtraError(
                f"GGUF를 돌려 보는 데 필요한 xllamacpp가 없습니다. 설치하세요: {INSTALL}"
            )
        library: Any = importlib.import_module("xllamacpp")
        options = library.CommonParams()
        options.model.path = str(path)
        options.n_ctx = context_tokens + SPARE_TOKENS
        options.n_parallel = 1
        options.n_gpu_layers = 0
        options.cpuparams.n_threads = torch.get_num_threads()
        options.cache_type_k = options.cache_type_v = library.ggml_type.GGML_TYPE_F32
        options.flash_attn_type = library.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        options.warmup = False
        options.use_jinja = True
        options.verbosity = -1
        try:
            self._server = library.Server(options)
        except RuntimeError as error:
            raise ModelError(f"{path}: llama.cpp가 이 파일을 읽지 못했습니다({error}).") from error
        self._address = self._server.listening_address
        # A proxy in the environment must not stand between this process and itself.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def render(self, messages: Sequence[dict[str, str]]) -> str:
        """A conversation in the file's own chat template, up to where the character speaks."""
        return str(self._ask("/apply-template", {"messages": list(messages)})["prompt"])

    def tokenize(self, text: str) -> list[int]:
        """A text's tokens, special ones by their names; what begins every text is put before."""
        body = {"content": text, "add_special": True, "parse_special": True}
        return [int(token) for token in self._ask("/tokenize", body)["tokens"]]

    def follow(self, prompt: Sequence[int], most: int) -> Continued:
        """The likeliest token after the prompt, then the likeliest after that, and so on."""
        body = {
            "prompt": list(prompt),
            "n_predict": most,
            "temperature": 0.0,
            "samplers": ["temperature"],
            "cache_prompt": True,
            "return_tokens": True,
        }
        said = self._ask("/completion", body)
        tokens = tuple(int(token) for token in said["tokens"])
        return Continued(token_ids=tokens, is_ended=said.get("stop_type") == "eos")

    def close(self) -> None:
        """Give the memory back."""
        self._server = None

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self._address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as reply:
                return dict(json.load(reply))
        except (OSError, ValueError) as error:
            told = str(error)
            if isinstance(error, urllib.error.HTTPError):
                told = error.read().decode("utf-8", "replace")
            raise ModelError(f"llama.cpp가 {path}에 답하지 못했습니다({told[:300]}).") from error
