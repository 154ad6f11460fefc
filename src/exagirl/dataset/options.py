"""How dialogues become training rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from exagirl.record import Record


class DatasetOptions(Record):
    """The dataset of a recipe."""

    system_prompt: Literal["brief", "normal", "full"] = Field(
        default="full", description="시스템 프롬프트를 얼마나 자세히 쓸지."
    )
    heldout: Literal["split", "bundled"] = Field(
        default="split",
        description="split(만든 대화에서 떼어 둠) 또는 bundled(함께 든 검증용 대화).",
    )
    validation_share: float = Field(
        default=0.05, gt=0, lt=0.5, description="split일 때 검증용으로 떼어 두는 비율."
    )
    heldout_dialogues: int | None = Field(
        default=None, ge=1, description="bundled일 때 서브셋마다 앞에서 몇 편만. 비우면 전부."
    )
