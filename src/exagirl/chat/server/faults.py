"""What a request is told when it cannot be answered, in OpenAI's form."""

from __future__ import annotations

from typing import Any

from exagirl.errors import ExagirlError

INVALID = "invalid_request_error"


class ServeError(ExagirlError):
    """The server cannot be started as asked; the message says what to do."""


class PromptError(ExagirlError):
    """A backend cannot make a prompt of the messages."""


class BackendError(ExagirlError):
    """A backend failed in the middle; asking again may help."""


class ApiFault(Exception):  # noqa: N818 (a state of a request, not a fault of ours)
    """A request that is refused, with its status."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with the status."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def wrong_key() -> ApiFault:
    """401; it does not say what was wrong with the key, nor what the key is."""
    return ApiFault(
        401,
        "API 키가 없거나 맞지 않습니다. 'Authorization: Bearer 키' 헤더를 확인하세요.",
        code="invalid_api_key",
    )


def wrong_host(asked: str) -> ApiFault:
    """403 for a name that this server does not go by, as a page that rebinds its name sends it."""
    return ApiFault(
        403,
        f"'{asked[:100]}'(이)라는 이름으로는 이 서버를 부를 수 없습니다. 이 컴퓨터에서는 "
        "127.0.0.1이나 localhost로 부르세요. 이름을 더 받으려면 서버를 --allow-host 이름과 함께 "
        "실행하세요.",
        code="host_not_allowed",
    )


def unknown_model(asked: str, have: str) -> ApiFault:
    """404 for a model that is not here."""
    return ApiFault(
        404,
        f"모델 '{asked[:100]}'이(가) 없습니다. 있는 모델: {have}.",
        param="model",
        code="model_not_found",
    )


def too_large(most: int) -> ApiFault:
    """413 for a body beyond the limit."""
    return ApiFault(
        413,
        f"요청 본문이 한도({most:,}바이트)보다 큽니다. 대화를 줄여서 보내세요.",
        code="request_too_large",
    )


def too_long(tokens: int, most: int) -> ApiFault:
    """400 for a prompt that does not fit."""
    return ApiFault(
        400,
        f"프롬프트가 {tokens:,}토큰입니다. {most:,}토큰까지 받습니다. 오래된 대화를 빼고 보내세요.",
        param="messages",
        code="context_length_exceeded",
    )


def queue_is_full(retry_after_s: int) -> ApiFault:
    """429 while too many wait."""
    return ApiFault(
        429,
        f"기다리는 요청이 너무 많습니다. {retry_after_s}초 뒤에 다시 보내세요.",
        kind="rate_limit_error",
        code="queue_full",
        retry_after_s=retry_after_s,
    )


def shutting_down() -> ApiFault:
    """503 once the server was told to stop."""
    return ApiFault(
        503,
        "서버가 꺼지는 중입니다. 잠시 뒤에 다시 보내세요.",
        kind="service_unavailable",
        code="shutting_down",
        retry_after_s=5,
    )


def broken() -> ApiFault:
    """500 for a fault of ours or of the model; what it was stays here."""
    return ApiFault(
        500,
        "답을 만들다가 문제가 생겼습니다. 다시 보내 보세요.",
        kind="server_error",
        code="internal_error",
    )
