"""Which run to export, and where its parts stand."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from exagirl.export.choice import ExportChoice
from exagirl.record import Record


class ExportRequest(Record):
    """What to make, out of what."""

    choice: ExportChoice = Field(description="형식과 옵션.")
    name: str = Field(min_length=1, description="실행의 이름. 파일과 모델의 이름이 된다.")
    base: str = Field(min_length=1, description="기본 모델. 레시피에 적힌 그대로.")
    model: Path = Field(description="합친 모델의 폴더.")
    adapter: Path = Field(description="마지막 단계의 어댑터 폴더.")
    out: Path = Field(description="형식마다 폴더 하나가 생기는 곳. runs/이름/export.")
    default_system: str = Field(default="", description="대화 서식에 담을 캐릭터의 프롬프트.")
    character: str = Field(default="", description="캐릭터 YAML의 내용.")
    dtype: Literal["bfloat16", "float16", "float32", "keep"] = Field(
        default="keep", description="합친 모델의 가중치 형식."
    )
