"""How a recipe trains."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from exagirl.record import Record

Dtype = Literal["auto", "bfloat16", "float16", "float32"]


class LoraOptions(Record):
    """The adapter."""

    rank: int = Field(default=16, ge=1, le=4096, description="LoRA 계수 r.")
    alpha: float = Field(default=32, gt=0, description="LoRA 배율 alpha; 실제 배율은 alpha / rank.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="LoRA 드롭아웃.")
    targets: Literal["attention", "attention+mlp", "all-linear"] | tuple[str, ...] = Field(
        default="attention", description="붙일 곳. 뜻으로(attention …) 또는 모듈 이름 목록으로."
    )


class StageOptions(Record):
    """One LoRA pass over one subset."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,40}$", description="단계 이름. adapter/이름에 남는다."
    )
    data: str = Field(description="배울 서브셋. generation.subsets의 이름.")
    epochs: float = Field(default=1, gt=0, le=1000, description="데이터를 몇 번 볼지.")
    learning_rate: float = Field(default=1e-4, gt=0, lt=1, description="학습률.")
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        default="cosine", description="학습률 일정."
    )
    warmup_ratio: float = Field(
        default=0.0, ge=0, lt=1, description="처음 이 비율 동안 학습률을 올린다."
    )
    batch_size: int = Field(default=1, ge=1, description="한 번에 넣는 대화 수.")
    gradient_accumulation: int = Field(default=1, ge=1, description="몇 번 모아 한 걸음 갈지.")


class TrainingOptions(Record):
    """The whole training: a base, one adapter, stages one after the other."""

    base: str = Field(min_length=1, description="허브 이름, 폴더, 또는 gemma3-270m.")
    dtype: Dtype = Field(default="auto", description="가중치 형식. auto는 기계에 맞춘다.")
    max_length: int = Field(default=4096, ge=64, description="한 대화의 최대 토큰.")
    lora: LoraOptions = Field(default=LoraOptions(), description="어댑터.")
    stages: tuple[StageOptions, ...] = Field(min_length=1, description="단계들, 차례로.")

    @field_validator("stages")
    @classmethod
    def _names_differ(cls, stages: tuple[StageOptions, ...]) -> tuple[StageOptions, ...]:
        names = [stage.name for stage in stages]
        if len(set(names)) != len(names):
            raise ValueError("단계 이름이 겹칩니다. 서로 다른 name을 쓰세요.")
        return stages
