"""Any endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, a gateway."""

from __future__ import annotations

import asyncio
import email.utils
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx2
import openai
from pydantic import ValidationError

from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatReply, ChatRequest, TransportFault
from exagirl.chatmodel.secrets import fill_headers, find_key, hide
from exagirl.errors import TeacherError

MAX_REPLY_BYTES = 4_000_000
"""No dialogue is longer; an endpoint that sends more is cut off."""
REFUSED_WORDS_CHARS = 200


class OpenAICompatibleModel:
    """Asks an endpoint through the official SDK; the SDK's own retries are off.

    The engine above retries, so that every attempt is journalled and paced by one gate.
    """

    def __init__(self, options: TeacherOptions) -> None:
        if not options.model:
            raise TeacherError("teacher.model이 비어 있습니다. 예: model: gpt-4o")
        key = find_key(options)
        headers, secrets = fill_headers(options.headers)
        self._secrets = [secret for secret in (key, *secrets) if secret]
        self._options = options
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=options.base_url,
            max_retries=0,
            timeout=options.timeout_s,
            default_headers=headers,
            default_query=options.query,
            # aiohttp takes half the time a request that httpcore does (benchmarks/generation.py).
            http_client=openai.DefaultAioHttpClient(event_hooks={"response": [_bound]}),
        )

    @property
    def client(self) -> openai.AsyncOpenAI:
        """The SDK's client, for what is not a chat: files and batches."""
        return self._client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.close()

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Send one request.

        Raises:
            TransportFault: Timeout, dropped connection, 408, 409, 429, 5xx, or an answer that is
                no chat completion.
            TeacherError: Wrong key, unknown model, a request that the endpoint will never take.
        """
        try:
            # The SDK's own limit counts from byte to byte; a line that drips would never meet it.
            async with asyncio.timeout(self._options.timeout_s):
                body = await self._send(self.body(request))
        except TimeoutError as error:
            raise TransportFault(f"{self._options.timeout_s:g}초 안에 답이 없음") from error
        except openai.OpenAIError as error:
            raise self.fault(error) from error
        except httpx2.HTTPError as error:  # the line was cut in the middle of an answer
            raise TransportFault(type(error).__name__) from error
        return self.read(body)

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """A request as the endpoint takes it."""
        body: dict[str, Any] = {
            "model": self._options.model,
            "messages": [
                {"role": message.role, "content": message.content} for message in request.messages
            ],
            "temperature": request.temperature,
            self._options.max_tokens_name: request.max_tokens,
        }
        if request.seed is not None:
            body["seed"] = request.seed
        if request.as_json:
            body["response_format"] = {"type": "json_object"}
        return body

    async def _send(self, body: dict[str, Any]) -> bytes:
        # `chat.completions.create` walks over every message to rename keys that ours do not have,
        # which takes longer than the request; `post` is the SDK's own way past it.
        answer = await self._client.post("/chat/completions", cast_to=httpx2.Response, body=body)
        return answer.content

    def read(self, body: bytes) -> ChatReply:
        """Read a chat completion.

        Raises:
            TransportFault: The body is none.
        """
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise TransportFault("답이 JSON이 아님") from error
        return read_answer(answer, self._secrets)

    def fault(self, error: openai.OpenAIError) -> Exception:
        """Tell a fault of the line from a refusal for good."""
        if not isinstance(error, openai.APIStatusError):
            return TransportFault(type(error).__name__)
        where = self._options.base_url or "OpenAI"
        status = error.status_code
        reason = hide(_words(error), self._secrets)
        if status == 429 and "insufficient_quota" in _words(error, whole=True):
            return TeacherError(f"{where}: 계정의 한도나 잔액이 다했습니다(HTTP 429). {reason}")
        if status in (408, 409, 425, 429) or status >= 500:
            return TransportFault(f"HTTP {status}", _retry_after(error))
        if status in (401, 403):
            place = self._options.api_key_file or f"환경 변수 {self._options.api_key_env}"
            return TeacherError(
                f"{where}: 키가 받아들여지지 않았습니다(HTTP {status}). {place}의 키를 확인하세요."
            )
        if status == 404:
            return TeacherError(
                f"{where}: 모델 '{self._options.model}'을(를) 찾을 수 없습니다(HTTP 404). "
                "teacher.model과 teacher.base_url(보통 …/v1로 끝남)을 확인하세요."
            )
        return TeacherError(f"{where}: 요청이 거절되었습니다(HTTP {status}). {reason}")


class _Bounded(httpx2.AsyncByteStream):
    """An answer's bytes, up to a limit."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > MAX_REPLY_BYTES:
                raise TransportFault(f"답이 {MAX_REPLY_BYTES / 1e6:g} MB보다 큼")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _bound(response: httpx2.Response) -> None:
    """Set the limit, before the body is read."""
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)


def read_answer(answer: Any, secrets: list[str] | None = None) -> ChatReply:
    """Read the JSON of a chat completion; any field may be missing or of another type.

    Raises:
        TransportFault: It holds no message.
    """
    try:
        choice = answer["choices"][0]
        usage = answer.get("usage") or {}
        details = usage.get("prompt_tokens_details") or {}
        return ChatReply(
            content=hide(_whole_letters(choice["message"]["content"] or ""), secrets or ()),
            finish_reason=choice.get("finish_reason") or "stop",
            prompt_tokens=usage.get("prompt_tokens") or 0,
            cached_tokens=details.get("cached_tokens") or 0,
            completion_tokens=usage.get("completion_tokens") or 0,
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValidationError) as error:
        raise TransportFault("답에 choices가 없음") from error


def _whole_letters(text: str) -> str:
    """Half an emoji, cut at the token limit, cannot be written to any file: U+FFFD instead."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds to wait, from seconds or from a date.

    A date is read by the server's own clock (its ``Date`` header): this machine's may be wrong.
    """
    headers = error.response.headers
    given = headers.get("retry-after", "")
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(given)
        told = headers.get("date")
        now = email.utils.parsedate_to_datetime(told) if told else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _words(error: openai.APIStatusError, *, whole: bool = False) -> str:
    """What an endpoint said of its refusal."""
    if whole:
        return str(error.body)
    text = str(error.body.get("message", error.body)) if isinstance(error.body, dict) else ""
    return text[:REFUSED_WORDS_CHARS]
