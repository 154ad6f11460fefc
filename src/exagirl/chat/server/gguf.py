"""A GGUF file as a backend: llama.cpp in this process, which batches and keeps prompts itself."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from exagirl.chat.server.backend import Messages, Piece, Prompt
from exagirl.chat.server.proxy import Endpoint, ProxyBackend
from exagirl.chatmodel.sampling import Sampling
from exagirl.errors import MissingExtraError, ModelError
from exagirl.export.choice import INSTALL, has_llama_cpp


class GgufBackend:
    """Speaks with a GGUF file.

    Args:
        path: The file; its own chat template is used.
        name: What requests call it.
        slots: How many replies run side by side.
        context_tokens: Prompt and reply together, of each.
        sampling: Whose repetition penalty holds; OpenAI's requests do not know one.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: There is no such file, or llama.cpp refuses it.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        slots: int = 4,
        context_tokens: int = 4096,
        sampling: Sampling | None = None,
    ) -> None:
        self.name = name
        self.slots = slots
        self.context_tokens: int | None = context_tokens
        self._llama = _load(path, slots, context_tokens)
        penalty = (sampling or Sampling()).repetition_penalty
        endpoint = Endpoint(
            base_url=f"{self._llama.listening_address}/v1",
            model=name,
            extra={"repeat_penalty": penalty, "cache_prompt": True},
        )
        self._proxy = ProxyBackend(endpoint, name=name, slots=slots)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold the model; it is given back at the end."""
        async with self._proxy.running():
            yield
        self._llama = None

    def prepare(self, messages: Messages) -> Prompt:
        """The messages as they are; llama.cpp counts."""
        return self._proxy.prepare(messages)

    def speak(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Piece]:
        """Yield a reply.

        Raises:
            ApiFault: llama.cpp refused the request, as for a prompt beyond the context.
            BackendError: It failed.
        """
        return self._proxy.speak(prompt, sampling)


def _load(path: Path, slots: int, context_tokens: int) -> Any:
    if not has_llama_cpp():
        raise MissingExtraError(
            f"GGUF를 쓰는 데 필요한 xllamacpp가 없습니다. 설치하세요: {INSTALL}"
        )
    if not path.is_file():
        raise ModelError(
            f"{path}: 그런 파일이 없습니다. 'exagirl export RUN --to gguf'로 만드세요."
        )
    library: Any = importlib.import_module("xllamacpp")
    options = library.CommonParams()
    options.model.path = str(path)
    options.n_ctx = context_tokens * slots
    options.n_parallel = slots
    options.use_jinja = True
    options.warmup = False
    options.verbosity = -1
    try:
        return library.Server(options)
    except RuntimeError as error:
        raise ModelError(f"{path}: llama.cpp가 이 파일을 읽지 못했습니다({error}).") from error
