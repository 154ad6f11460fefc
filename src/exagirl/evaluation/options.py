"""What is measured."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from exagirl.evaluation.judging.options import JudgingOptions
from exagirl.record import Record


class EvaluationOptions(Record):
    """The measuring of a recipe."""

    data: str | None = Field(default=None, description="잴 서브셋. 비우면 마지막 단계의 데이터.")
    replies: int = Field(default=24, ge=0, le=10_000, description="검증 대화에서 받아 볼 답의 수.")
    probes: int = Field(
        default=24, ge=0, le=1000, description="물어볼 질문지(인사, 신분, 위로, 거절 …)의 수."
    )
    facts: int = Field(
        default=12, ge=0, le=1000, description="긴 대화 속에서 물어볼 캐릭터 사실의 수."
    )
    fact_turns: tuple[int, ...] = Field(
        default=(1, 5, 10, 20), description="사실을 긴 대화의 몇 번째 차례에 물을지."
    )
    drifts: int = Field(default=1, ge=0, le=100, description="나눌 긴 대화의 수.")
    drift_turns: int = Field(default=20, ge=1, le=20, description="긴 대화에서 받을 답의 수.")
    plain_texts: int = Field(
        default=12,
        ge=0,
        le=1000,
        description="한국어를 얼마나 잊었는지 재려고 읽힐 평범한 문단의 수.",
    )
    max_new_tokens: int = Field(default=64, ge=8, le=1024, description="답 하나의 최대 토큰.")
    batch_size: int = Field(default=12, ge=1, le=512, description="한 번에 만드는 답의 수.")
    judging: JudgingOptions | None = Field(
        default=None, description="면접, 맞대결, 심사의 시험. 비우면 규칙과 가능도만 잰다."
    )

    @field_validator("fact_turns")
    @classmethod
    def _turns_ascend(cls, turns: tuple[int, ...]) -> tuple[int, ...]:
        if any(turn < 1 for turn in turns) or list(turns) != sorted(set(turns)):
            raise ValueError(
                f"fact_turns: {list(turns)}. 1부터 세는 차례를 작은 것부터 한 번씩 적으세요. "
                "예: [1, 5, 10, 20]."
            )
        return turns

    @model_validator(mode="after")
    def _drift_reaches_facts(self) -> EvaluationOptions:
        reach = self.drift_turns if self.drifts else 1
        if self.facts and self.fact_turns and self.fact_turns[-1] > reach:
            raise ValueError(
                f"fact_turns에 {self.fact_turns[-1]}이(가) 있지만 긴 대화는 {reach}번째 차례까지만 "
                "갑니다. drifts와 drift_turns를 늘리거나 fact_turns를 줄이세요."
            )
        return self
