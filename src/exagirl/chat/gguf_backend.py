"""A GGUF file in this process: llama.cpp with the file's own chat template, streamed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from threading import Event
from typing import Any

import httpx2

from exagirl.chat.backend import Messages
from exagirl.chat.url_backend import ChatUrl, EndpointError, UrlBackend
from exagirl.chatmodel.sampling import Sampling
from exagirl.errors import MissingExtraError, ModelError
from exagirl.export.choice import INSTALL, has_llama_cpp

TIMEOUT_S = 600.0


class GgufBackend:
    """Speaks with a GGUF file; llama.cpp keeps what it has read.

    Args:
        path: The file.
        sampling: How replies are drawn.
        context_tokens: Prompt and reply together.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: There is no such file, or llama.cpp refuses it.
    """

    def __init__(self, path: Path, sampling: Sampling, *, context_tokens: int = 4096) -> None:
        self._server = open_gguf(path, context_tokens=context_tokens)
        address = self._server.listening_address
        url = ChatUrl(
            base_url=f"{address}/v1", model="gguf", timeout_s=TIMEOUT_S, extra=_extra(sampling)
        )
        self._line = UrlBackend(url, sampling)
        self._http = httpx2.Client(base_url=address, timeout=TIMEOUT_S, trust_env=False)

    @property
    def sampling(self) -> Sampling:
        """How replies are drawn."""
        return self._line.sampling

    def with_sampling(self, sampling: Sampling) -> GgufBackend:
        """The same loaded file with other dice; closing either closes both."""
        other = copy(self)
        other._line = self._line.with_sampling(sampling, extra=_extra(sampling))
        return other

    @property
    def template(self) -> str:
        """The chat template in the file."""
        return str(self._asked("GET", "/props").get("chat_template", ""))

    def prompt_tokens(self, messages: Messages) -> list[int]:
        """The exact tokens that the model is given before it speaks."""
        body = {"content": self._rendered(messages), "add_special": True, "parse_special": True}
        return [int(token) for token in self._asked("POST", "/tokenize", body)["tokens"]]

    def speak(self, messages: Messages, stop: Event) -> Iterator[str]:
        """Yield a reply.

        Raises:
            EndpointError: llama.cpp refused the prompt, or failed.
        """
        return self._line.speak(messages, stop)

    def go_on(self, messages: Messages, stop: Event) -> Iterator[str]:
        """Yield what follows the last message, which stays open.

        Raises:
            EndpointError: llama.cpp refused the prompt, or failed.
        """
        before = self._rendered(messages[:-1])
        return self._line.write_on(before + messages[-1]["content"], stop)

    def close(self) -> None:
        """Give the memory back."""
        self._line.close()
        self._http.close()
        self._server = None

    def _rendered(self, messages: Messages) -> str:
        return str(self._asked("POST", "/apply-template", {"messages": list(messages)})["prompt"])

    def _asked(self, how: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._http.request(how, path, json=body)
            answer.raise_for_status()
            return dict(answer.json())
        except (httpx2.HTTPError, ValueError) as error:
            raise EndpointError(f"llama.cpp가 {path}에 답하지 못했습니다({error}).") from error


def _extra(sampling: Sampling) -> dict[str, Any]:
    """What llama.cpp understands beside OpenAI's options."""
    return {"repeat_penalty": sampling.repetition_penalty, "cache_prompt": True}


def open_gguf(path: Path, *, context_tokens: int, slots: int = 1) -> Any:
    """Load a file; what comes back listens on a loopback port of its own (``listening_address``).

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: There is no such file, or llama.cpp refuses it.
    """
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
