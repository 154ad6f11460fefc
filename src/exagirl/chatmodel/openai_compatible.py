"""Any endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, a gateway."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self

import openai
from pydantic import ValidationError

from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatReply, ChatRequest, TransportFault
from exagirl.errors import TeacherError


class OpenAICompatibleModel:
    """Asks an endpoint through the official SDK; the SDK's own retries are off.

    The engine above retries, so that every attempt is journalled and paced by one gate.
    """

    def __init__(self, options: TeacherOptions) -> None:
        key = os.environ.get(options.api_key_env, "").strip()
        if not key and options.base_url is None:
            raise TeacherError(
                f"환경 변수 {options.api_key_env}에 키가 없습니다. 'export "
                f"{options.api_key_env}=…'로 "
                "넣거나, 레시피의 teacher.api_key_env를 키가 든 변수의 이름으로 바꾸세요."
            )
        if not (key.isascii() and key.isprintable()):
            raise TeacherError(
                f"환경 변수 {options.api_key_env}에 든 것은 키가 아닙니다. 한글이나 줄바꿈이 "
                "섞이지 않았는지 확인하세요."
            )
        if not options.model:
            raise TeacherError("teacher.model이 비어 있습니다. 예: model: gpt-4o")
        self._key = key
        self._options = options
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=options.base_url,
            max_retries=0,
            timeout=options.timeout_s,
        )

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
            answer = await self._client.chat.completions.create(
                model=self._options.model,
                messages=[message.model_dump() for message in request.messages],  # type: ignore[misc]
                temperature=request.temperature,
                max_tokens=request.max_tokens,
                seed=request.seed,
            )
        except openai.APIStatusError as error:
            raise self._status_fault(error) from error
        except (openai.APIConnectionError, openai.APIResponseValidationError) as error:
            raise TransportFault(f"{type(error).__name__}") from error
        except ValueError as error:  # the SDK lets a body through that is no JSON
            raise TransportFault("답이 JSON이 아님") from error
        return _read_answer(answer)

    def _status_fault(self, error: openai.APIStatusError) -> Exception:
        where = self._options.base_url or "OpenAI"
        status = error.status_code
        if status in (408, 409, 429) or status >= 500:
            return TransportFault(f"HTTP {status}", _retry_after(error))
        if status in (401, 403):
            return TeacherError(
                f"{where}: 키가 받아들여지지 않았습니다(HTTP {status}). 환경 변수 "
                f"{self._options.api_key_env}의 키를 확인하세요."
            )
        if status == 404:
            return TeacherError(
                f"{where}: 모델 '{self._options.model}'을(를) 찾을 수 없습니다(HTTP 404). "
                "teacher.model과 teacher.base_url(보통 …/v1로 끝남)을 확인하세요."
            )
        reason = _short(error, self._key)
        return TeacherError(f"{where}: 요청이 거절되었습니다(HTTP {status}). {reason}")


def _read_answer(answer: Any) -> ChatReply:
    # The SDK builds its records without validation: any field may be missing or of another type.
    usage = getattr(answer, "usage", None)
    try:
        choice = answer.choices[0]
        return ChatReply(
            content=_whole_letters(choice.message.content or ""),
            finish_reason=choice.finish_reason or "stop",
            prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
            completion_tokens=getattr(usage, "completion_tokens", 0) or 0,
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValidationError) as error:
        raise TransportFault("답에 choices가 없음") from error


def _whole_letters(text: str) -> str:
    """Half an emoji, cut at the token limit, cannot be written to any file: U+FFFD instead."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _retry_after(error: openai.APIStatusError) -> float | None:
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _short(error: openai.APIStatusError, key: str) -> str:
    body = error.body
    text = str(body.get("message", body)) if isinstance(body, dict) else ""
    # Some gateways repeat the key that they were given.
    return (text.replace(key, "***") if key else text)[:200]
