"""Any endpoint that speaks OpenAI's chat completions as a backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx2
import openai
from pydantic import Field, SecretStr

from exagirl.chat.server.backend import Messages, Piece, Prompt
from exagirl.chat.server.faults import ApiFault, BackendError
from exagirl.chat.url_backend import SEEDS, TOLD_CHARS, ChatUrl, UrlBackend
from exagirl.chatmodel.sampling import Sampling
from exagirl.chatmodel.secrets import hide
from exagirl.record import Record


class Endpoint(Record):
    """Where the replies come from."""

    base_url: str = Field(pattern=r"^https?://\S+$", description="주소(…/v1).")
    model: str = Field(description="그곳에서 부르는 모델 이름.")
    api_key: SecretStr | None = Field(default=None, description="그곳의 키.")
    timeout_s: float = Field(default=600.0, gt=0, description="조각 하나를 기다리는 시간(초).")
    extra: dict[str, Any] = Field(default_factory=dict, description="요청에 더할 값.")


class ProxyBackend:
    """Hands requests on; limits, queue and names stay here.

    Args:
        endpoint: Where to.
        name: What requests call the model here.
        slots: How many are handed on at once.
        context_tokens: Prompt and reply together, where it is known.
    """

    def __init__(
        self, endpoint: Endpoint, *, name: str, slots: int = 16, context_tokens: int | None = None
    ) -> None:
        self.name = name
        self.slots = slots
        self.context_tokens = context_tokens
        self._endpoint = endpoint
        self._key = endpoint.api_key.get_secret_value() if endpoint.api_key else "none"
        self._client: openai.AsyncOpenAI | None = None

    @classmethod
    def of(cls, url: ChatUrl, *, slots: int = 16) -> ProxyBackend:
        """The model at an address; requests call it here as they would there.

        Raises:
            EndpointError: The address is none, the key is missing, or the model is not named and
                cannot be chosen.
        """
        behind = UrlBackend(url, Sampling())
        behind.close()
        endpoint = Endpoint(
            base_url=url.base_url,
            model=behind.model,
            api_key=SecretStr(behind.key) if behind.key else None,
            timeout_s=url.timeout_s,
            extra=url.extra,
        )
        return cls(endpoint, name=behind.model, slots=slots)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold the connections."""
        client = openai.AsyncOpenAI(
            api_key=self._key,
            base_url=self._endpoint.base_url,
            max_retries=0,
            timeout=self._endpoint.timeout_s,
            # What the machine's proxy settings say must not stand before a loopback address.
            http_client=openai.DefaultAioHttpClient(trust_env=not self._is_local),
        )
        async with client:
            self._client = client
            yield
        self._client = None

    def prepare(self, messages: Messages) -> Prompt:
        """The messages as they are; only the endpoint can count their tokens."""
        return Prompt(messages, None)

    async def speak(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Piece]:
        """Yield what the endpoint yields.

        Raises:
            ApiFault: It refused the request.
            BackendError: It cannot be reached, or failed.
        """
        finish, usage = "stop", None
        try:
            async with aclosing(self._chunks(prompt.content, sampling)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    usage = chunk.usage or usage
                    for choice in chunk.choices[:1]:
                        finish = choice.finish_reason or finish
                        if choice.delta.content:
                            yield Piece(choice.delta.content)
        except openai.APIStatusError as error:
            raise self._refusal(error) from error
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            raise BackendError(
                f"뒤에 있는 모델 서버가 답하지 못했습니다({type(error).__name__})."
            ) from error
        details = usage.prompt_tokens_details if usage else None
        yield Piece(
            "",
            "length" if finish == "length" else "stop",
            usage.prompt_tokens if usage else 0,
            usage.completion_tokens if usage else 0,
            (details.cached_tokens or 0) if details else 0,
        )

    @property
    def _is_local(self) -> bool:
        return httpx2.URL(self._endpoint.base_url).host in ("127.0.0.1", "localhost", "::1")

    async def _chunks(self, messages: Messages, sampling: Sampling) -> AsyncIterator[Any]:
        assert self._client is not None, "the server runs"
        asked: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": messages,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "extra_body": self._endpoint.extra,
        }
        if sampling.seed is not None:
            asked["seed"] = sampling.seed % SEEDS
        stream: Any = await self._client.chat.completions.create(**asked)
        async with stream:
            async for chunk in stream:
                yield chunk

    def _refusal(self, error: openai.APIStatusError) -> Exception:
        told = error.body.get("message", "") if isinstance(error.body, dict) else ""
        words = hide(str(told), [self._key])[:TOLD_CHARS]
        if error.status_code in (400, 413, 422):
            return ApiFault(400, f"뒤에 있는 모델 서버가 거절했습니다. {words}".strip())
        if error.status_code in (429, 503):
            return ApiFault(
                503,
                "뒤에 있는 모델 서버가 바쁩니다. 잠시 뒤에 다시 보내세요.",
                kind="service_unavailable",
                code="backend_busy",
                retry_after_s=5,
            )
        return BackendError(f"뒤에 있는 모델 서버가 답하지 못했습니다(HTTP {error.status_code}).")
