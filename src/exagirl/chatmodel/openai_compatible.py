"""Any endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, a gateway."""

from __future__ import annotations

import asyncio
import email.utils
import json
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx2
from pydantic import ValidationError

from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatReply, ChatRequest, TransportFault
from exagirl.chatmodel.secrets import fill_variables, find_key, hide
from exagirl.errors import TeacherError

if TYPE_CHECKING:
    import openai

MAX_REPLY_BYTES = 4_000_000
"""No dialogue is longer; an endpoint that sends more is cut off."""
REFUSED_WORDS_CHARS = 200
MOST_TOKENS = 10**9
"""More than any model reads or writes at once."""


class OpenAICompatibleModel:
    """Asks an endpoint through the official SDK; the SDK's own retries are off.

    The engine above retries, so that every attempt is journalled and paced by one gate.
    """

    def __init__(self, options: TeacherOptions) -> None:
        import openai

        if not options.model:
            raise TeacherError("teacher.model이 비어 있습니다. 예: model: gpt-4o")
        _check_address(options.base_url)
        key = find_key(options)
        headers, secrets = fill_variables(options.headers, "headers")
        query, more = fill_variables(options.query, "query")
        self._secrets = [secret for secret in (key, *secrets, *more) if secret]
        self._options = options
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=options.base_url,
            max_retries=0,
            timeout=options.timeout_s,
            default_headers=headers,
            default_query=query,
            # aiohttp takes half the time a request that httpcore does (benchmarks/generation.py).
            http_client=openai.DefaultAioHttpClient(event_hooks={"response": [_bound]}),
        )

    @property
    def secrets(self) -> list[str]:
        """What must not stand in any message: the key, and what headers and address carry."""
        return self._secrets

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
        import openai

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
        import openai

        if not isinstance(error, openai.APIStatusError):
            return TransportFault(type(error).__name__)
        where = self._options.base_url or "OpenAI"
        status = error.status_code
        # Hidden before it is cut: a cut may go through the middle of a secret.
        reason = hide(_words(error), self._secrets)[:REFUSED_WORDS_CHARS]
        if status == 429 and "insufficient_quota" in str(error.body):
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


def _check_address(address: str | None) -> None:
    """Make sure that an address can be asked at all.

    Raises:
        TeacherError: Its host or port is none.
    """
    try:
        httpx2.URL(address or "").host.encode("idna")
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise TeacherError(
            f"teacher.base_url({address})은 주소가 아닙니다. 예: http://127.0.0.1:8000/v1"
        ) from error


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
        usage = _object(answer.get("usage"))
        details = _object(usage.get("prompt_tokens_details"))
        return ChatReply(
            content=hide(_whole_letters(choice["message"]["content"] or ""), secrets or ()),
            finish_reason=choice.get("finish_reason") or "stop",
            prompt_tokens=_count(usage.get("prompt_tokens")),
            cached_tokens=_count(details.get("cached_tokens")),
            completion_tokens=_count(usage.get("completion_tokens")),
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValidationError) as error:
        raise TransportFault("답에 choices가 없음") from error


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int:
    """A count of tokens; 0 for what can be none. A reply is not lost for a bad count."""
    return int(value) if isinstance(value, int | float) and 0 <= value <= MOST_TOKENS else 0


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
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if math.isfinite(seconds):
        return max(0.0, seconds)
    try:
        until = email.utils.parsedate_to_datetime(given)
        told = headers.get("date")
        now = email.utils.parsedate_to_datetime(told) if told else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _words(error: openai.APIStatusError) -> str:
    """What an endpoint said of its refusal."""
    return str(error.body.get("message", error.body)) if isinstance(error.body, dict) else ""
