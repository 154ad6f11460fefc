"""Which chat model answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from exagirl.record import Record


class TeacherOptions(Record):
    """The teacher of a recipe. Keys stay outside: only the name of a variable stands here."""

    kind: Literal["openai", "bundled"] = Field(
        default="bundled", description="openai(호환 서버 포함) 또는 bundled(함께 든 대화)."
    )
    model: str = Field(default="", description="모델 이름. openai에 필요하다.")
    base_url: str | None = Field(
        default=None, pattern=r"^https?://\S+$", description="OpenAI 호환 서버의 주소(…/v1)."
    )
    api_key_env: str = Field(default="OPENAI_API_KEY", description="키가 든 환경 변수의 이름.")
    temperature: float = Field(default=0.9, ge=0, le=2, description="표본 온도.")
    max_tokens: int = Field(default=1600, ge=16, le=32_000, description="답의 최대 토큰.")
    timeout_s: float = Field(default=120.0, gt=0, le=3600, description="한 요청의 시간 한도(초).")
