"""What the merged model looks like on disk."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from exagirl.record import Record


class ExportOptions(Record):
    """The merged model."""

    dtype: Literal["bfloat16", "float16", "float32", "keep"] = Field(
        default="keep", description="저장할 가중치 형식. keep은 기본 모델 그대로."
    )
    shard_gb: float = Field(
        default=5.0, gt=0, description="가중치 파일 하나의 크기 상한(GB, 10^9바이트)."
    )
