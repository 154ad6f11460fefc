"""How a recipe trains."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from exagirl.record import Record

Dtype = Literal["auto", "bfloat16", "float16", "float32"]


class LoraOptions(Record):
    """The adapter."""

    rank: int = Field(default=16, ge=1, le=4096, description="LoRA 계수 r.")
    alpha: float = Field(
        default=32,
        gt=0,
        description="LoRA 배율 alpha; 실제 배율은 alpha / rank (rslora면 alpha / √rank).",
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="LoRA 드롭아웃.")
    targets: Literal["attention", "attention+mlp", "all-linear"] | tuple[str, ...] = Field(
        default="attention", description="붙일 곳. 뜻으로(attention …) 또는 모듈 이름 목록으로."
    )
    rslora: bool = Field(
        default=False, description="배율을 alpha / √rank로 한다. 큰 rank에서 쓴다."
    )
    dora: bool = Field(
        default=False,
        description="DoRA: 가중치의 크기와 방향을 따로 배운다. 느리고, 층마다 가중치 크기의 "
        "메모리가 더 든다.",
    )
    init: Literal[
        "default",
        "gaussian",
        "orthogonal",
        "mica",
        "olora",
        "pissa",
        "pissa_niter_4",
        "pissa_niter_16",
    ] = Field(
        default="default",
        description="시작값. pissa와 olora는 기본 모델의 큰 성분에서 시작하고, 저장하면 계수가 "
        "두 배인 보통 LoRA가 된다. pissa_niter_16은 빠른 근사다.",
    )
    quantize: Literal["4bit"] | None = Field(
        default=None, description="4bit면 QLoRA. CUDA와 bitsandbytes가 있어야 한다."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.targets == ():
            raise ValueError("targets가 비어 있습니다. 뜻이나 모듈 이름을 하나 이상 적으세요.")
        if self.init == "orthogonal" and self.rank % 2:
            raise ValueError(
                f"init: orthogonal에서는 rank가 짝수여야 합니다. {self.rank} 대신 "
                f"{self.rank + 1}을(를) 쓰세요."
            )
        if self.init == "mica" and self.dora:
            raise ValueError("init: mica와 dora는 함께 쓸 수 없습니다. 하나를 지우세요.")
        if self.quantize and self.init not in ("default", "gaussian", "orthogonal"):
            raise ValueError(
                f"init: {self.init}은(는) 기본 모델의 가중치를 나누므로 quantize: 4bit와 함께 "
                "쓸 수 없습니다. init을 default로 하거나 quantize를 지우세요."
            )
        return self


class ReplayOptions(Record):
    """Dialogues of earlier stages among those of a later one, against forgetting."""

    share: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="이 단계가 보는 대화 가운데 앞 단계들의 대화가 차지하는 비율.",
    )


class EarlyStopOptions(Record):
    """When a stage ends before its time."""

    patience: int = Field(
        default=3, ge=1, description="검증 손실이 몇 번 잇따라 나아지지 않으면 멈출지."
    )
    min_delta: float = Field(
        default=0.0, ge=0, description="이만큼(토큰당 nats)은 줄어야 나아진 것으로 본다."
    )


class StageOptions(Record):
    """One LoRA pass over one subset."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,40}$", description="단계 이름. adapter/이름에 남는다."
    )
    data: str = Field(description="배울 서브셋. generation.subsets의 이름.")
    epochs: float = Field(default=1, gt=0, le=1000, description="데이터를 몇 번 볼지.")
    steps: int | None = Field(default=None, ge=1, description="epochs 대신, 가중치를 몇 번 고칠지.")
    learning_rate: float = Field(default=1e-4, gt=0, lt=1, description="학습률.")
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        default="cosine", description="학습률 일정."
    )
    warmup_ratio: float = Field(
        default=0.0, ge=0, lt=1, description="처음 이 비율 동안 학습률을 올린다."
    )
    batch_size: int = Field(default=1, ge=1, description="한 번에 넣는 대화 수.")
    gradient_accumulation: int = Field(default=1, ge=1, description="몇 번 모아 한 걸음 갈지.")
    replay: ReplayOptions | None = Field(
        default=None, description="앞 단계들의 대화를 섞어 다시 보기. 예: {share: 0.1}."
    )
    validate_every: float | None = Field(
        default=None,
        gt=0,
        description="검증 손실을 재는 간격. 1 이상이면 걸음 수, 1보다 작으면 단계 전체에 대한 "
        "비율. 비우면 끝에서 한 번.",
    )
    early_stop: EarlyStopOptions | None = Field(
        default=None,
        description="검증 손실이 나아지지 않으면 멈추고 가장 좋았던 어댑터를 남긴다. "
        "예: {patience: 3, min_delta: 0.01}.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.steps is not None and "epochs" in self.model_fields_set:
            raise ValueError("epochs와 steps가 함께 적혀 있습니다. 하나만 남겨 주세요.")
        every = self.validate_every
        if every is not None and every >= 1 and every != int(every):
            raise ValueError(
                f"validate_every가 {every}입니다. 걸음 수는 정수(예: 20)로, 비율은 1보다 작게"
                "(예: 0.25) 적어 주세요."
            )
        if self.early_stop is not None and every is None:
            raise ValueError(
                "early_stop은 학습 도중의 검증 손실을 봅니다. validate_every도 적어 주세요"
                "(예: 0.1)."
            )
        return self


class TrainingOptions(Record):
    """The whole training: a base, one adapter, stages one after the other."""

    base: str = Field(min_length=1, description="허브 이름, 폴더, 또는 gemma3-270m.")
    dtype: Dtype = Field(default="auto", description="가중치 형식. auto는 기계에 맞춘다.")
    max_length: int = Field(
        default=4096,
        ge=64,
        description="한 대화의 최대 토큰. 더 긴 대화는 앞쪽 차례부터 통째로 덜어 낸다.",
    )
    packing: bool = Field(
        default=False,
        description="짧은 대화 여럿을 max_length까지 이어 한 줄로 넣는다. 서로는 보지 못한다.",
    )
    length_buckets: bool = Field(
        default=True,
        description="batch_size가 2 이상일 때 길이가 비슷한 대화끼리 묶어 빈칸을 줄인다.",
    )
    checkpoint_every: int | None = Field(
        default=None,
        ge=1,
        description="몇 걸음마다 이어 갈 자리를 남길지. 비우면 5분마다.",
    )
    report_to: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        default=(), description="학습 기록을 함께 보낼 곳. 예: [tensorboard]."
    )
    lora: LoraOptions = Field(default=LoraOptions(), description="어댑터.")
    stages: tuple[StageOptions, ...] = Field(min_length=1, description="단계들, 차례로.")

    @field_validator("stages")
    @classmethod
    def _names_differ(cls, stages: tuple[StageOptions, ...]) -> tuple[StageOptions, ...]:
        names = [stage.name for stage in stages]
        if len(set(names)) != len(names):
            raise ValueError("단계 이름이 겹칩니다. 서로 다른 name을 쓰세요.")
        return stages

    @field_validator("stages")
    @classmethod
    def _replay_has_a_past(cls, stages: tuple[StageOptions, ...]) -> tuple[StageOptions, ...]:
        if stages[0].replay:
            raise ValueError(
                f"'{stages[0].name}'은 첫 단계라 다시 볼 앞 단계가 없습니다. replay를 지우세요."
            )
        for position, stage in enumerate(stages):
            if stage.replay and all(before.data == stage.data for before in stages[:position]):
                raise ValueError(
                    f"'{stage.name}' 단계의 replay: 앞 단계들이 모두 같은 {stage.data}를 "
                    "배웠으므로 다시 볼 다른 대화가 없습니다. replay를 지우세요."
                )
        return stages
