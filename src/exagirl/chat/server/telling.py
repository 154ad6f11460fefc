"""Faults of any kind told as refusals."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from exagirl.chat.server.faults import ApiFault, BackendError, broken, too_large

_WORDS = {
    "missing": "빠져 있습니다",
    "string_type": "글이어야 합니다",
    "value_error": "올바른 유니코드 글이어야 합니다",
    "string_unicode": "올바른 유니코드 글이어야 합니다",
    "int_type": "정수여야 합니다",
    "int_parsing": "정수여야 합니다",
    "int_from_float": "정수여야 합니다",
    "float_type": "숫자여야 합니다",
    "float_parsing": "숫자여야 합니다",
    "finite_number": "숫자여야 합니다",
    "bool_type": "true 또는 false여야 합니다",
    "bool_parsing": "true 또는 false여야 합니다",
    "list_type": "목록이어야 합니다",
    "too_short": "비어 있습니다",
    "literal_error": "쓸 수 있는 값이 아닙니다",
    "greater_than": "너무 작습니다",
    "greater_than_equal": "너무 작습니다",
    "less_than": "너무 큽니다",
    "less_than_equal": "너무 큽니다",
}


def explain(error: Exception) -> ApiFault:
    """Whatever went wrong while a reply was made; what is ours stays ours."""
    if isinstance(error, ApiFault):
        return error
    if isinstance(error, BackendError):
        return ApiFault(500, str(error), kind="server_error", code="model_failed")
    return broken()


def explain_invalid(error: RequestValidationError) -> ApiFault:
    """A body that is no request."""
    fault = error.errors()[0]
    # pydantic puts the members of a union in between, by their types.
    parts = [str(part) for part in fault["loc"] if part != "body"]
    place = ".".join(part for part in parts if part != "str" and not part.endswith(("]", ")")))
    if fault["type"] == "json_invalid":
        return ApiFault(400, "본문을 JSON으로 읽을 수 없습니다. 따옴표와 쉼표를 확인하세요.")
    if not place:
        return ApiFault(
            400,
            "본문이 JSON 묶음({…})이 아닙니다. 'Content-Type: application/json' 헤더와 함께 "
            "보내세요.",
        )
    words = _WORDS.get(fault["type"], "알맞은 값이 아닙니다")
    return ApiFault(400, f"{place}: {words}.", param=place)


def explain_http(error: HTTPException, max_body_bytes: int) -> ApiFault:
    """A path, a method or a body that the framework refuses."""
    if error.status_code == 413:
        return too_large(max_body_bytes)
    if error.status_code == 404:
        return ApiFault(404, "그런 주소는 없습니다. /openapi.json에서 있는 것을 보세요.")
    if error.status_code == 405:
        return ApiFault(405, "이 주소는 그 방법(GET, POST)으로 부를 수 없습니다.")
    return ApiFault(error.status_code, "요청을 읽을 수 없습니다.")
