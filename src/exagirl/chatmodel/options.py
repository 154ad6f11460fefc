"""Which chat model answers."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from exagirl.record import Record

# Names of headers and query values that carry a secret; those stay outside of a recipe.
_SECRET = re.compile(r"authorization|cookie|key|token|secret", re.IGNORECASE)
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class PriceOptions(Record):
    """What a million tokens cost, in US dollars."""

    input: float = Field(ge=0, description="입력 토큰 백만 개의 값(달러).")
    output: float = Field(ge=0, description="출력 토큰 백만 개의 값(달러).")


class TeacherOptions(Record):
    """A chat model that writes dialogues, plays the user, or judges.

    Keys stay outside: only the name of a variable or a file stands here.
    """

    kind: Literal["openai", "local", "bundled"] = Field(
        default="bundled",
        description="openai(호환 서버 포함), local(transformers 모델), bundled(함께 든 대화).",
    )
    model: str = Field(default="", description="모델 이름. local이면 폴더나 허브 이름.")
    base_url: str | None = Field(
        default=None, pattern=r"^https?://\S+$", description="OpenAI 호환 서버의 주소(…/v1)."
    )
    api_key_env: str = Field(default="OPENAI_API_KEY", description="키가 든 환경 변수의 이름.")
    api_key_file: str | None = Field(
        default=None, description="키가 든 파일. 적으면 환경 변수 대신 읽는다."
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="더 보낼 헤더. 비밀은 ${환경변수}로 적는다. 예: {api-key: '${AZURE_KEY}'}",
    )
    query: dict[str, str] = Field(
        default_factory=dict,
        description="주소에 붙일 값. 비밀은 ${환경변수}로 적는다. 예: {api-version: 2024-10-21}",
    )
    output: Literal["transcript", "json"] = Field(
        default="transcript", description="대화를 받는 꼴: human1:/gpt1: 글 또는 JSON."
    )
    temperature: float = Field(default=0.9, ge=0, le=2, description="표본 온도.")
    max_tokens: int = Field(default=1600, ge=16, le=32_000, description="답의 최대 토큰.")
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="최대 토큰을 보내는 이름. o 계열 모델은 뒤의 것."
    )
    seed: int | None = Field(
        default=None, ge=0, description="표본의 씨앗. 요청마다 다른 씨앗을 여기에서 만들어 보낸다."
    )
    timeout_s: float = Field(default=120.0, gt=0, le=3600, description="한 요청의 시간 한도(초).")
    batch_size: int = Field(
        default=8, ge=1, le=512, description="local 모델이 한 번에 쓰는 답의 수."
    )
    price: PriceOptions | None = Field(
        default=None, description="토큰 값. 비우면 알려진 모델의 값을 쓴다."
    )

    @field_validator("headers", "query")
    @classmethod
    def _no_secret_stands_here(cls, values: dict[str, str]) -> dict[str, str]:
        for name, value in values.items():
            if _SECRET.search(name) and not VARIABLE.search(value):
                raise ValueError(
                    f"'{name}'의 값은 레시피에 적지 않습니다. 환경 변수에 넣고 "
                    f"'${{변수이름}}'으로 적어 주세요."
                )
        return values
