"""A GGUF file as a backend: llama.cpp in this process, which batches and keeps prompts itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from exagirl.chat.gguf_backend import open_gguf
from exagirl.chat.server.backend import Messages, Piece, Prompt
from exagirl.chat.server.proxy import Endpoint, ProxyBackend
from exagirl.chatmodel.sampling import Sampling


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
        self._llama: Any = open_gguf(path, context_tokens=context_tokens, slots=slots)
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
