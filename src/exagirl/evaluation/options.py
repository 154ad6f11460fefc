"""What is measured."""

from __future__ import annotations

from pydantic import Field

from exagirl.record import Record


class EvaluationOptions(Record):
    """The measuring of a recipe."""

    data: str | None = Field(default=None, description="잴 서브셋. 비우면 마지막 단계의 데이터.")
    replies: int = Field(default=24, ge=1, le=10_000, description="검증 대화에서 받아 볼 답의 수.")
    max_new_tokens: int = Field(default=64, ge=8, le=1024, description="답 하나의 최대 토큰.")
    batch_size: int = Field(default=12, ge=1, le=512, description="한 번에 만드는 답의 수.")
