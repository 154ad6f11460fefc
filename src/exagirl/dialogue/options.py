"""What dialogues are ordered, and how hard to try."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from exagirl.chatmodel.options import TeacherOptions
from exagirl.record import Record

MAX_TURNS = 50

# A subset's name is a file's name.
SubsetName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9가-힣][A-Za-z0-9가-힣._-]{0,63}$")
]


class SubsetOptions(Record):
    """One subset of dialogues."""

    plan: Literal["exa", "gf-persona", "corpus"] = Field(
        description="exa(19가지 주제), gf-persona(연인 × 상황), corpus(함께 든 대화 그대로)."
    )
    dialogues: int | None = Field(
        default=None, ge=1, le=1_000_000, description="몇 편. 비우면 계획에 적힌 수 전부."
    )


class Criterion(Record):
    """One thing that a judge looks at."""

    name: str = Field(min_length=1, description="기준의 이름. 예: 말투.")
    question: str = Field(min_length=1, description="무엇을 보는지 한 문장.")


class JudgeOptions(Record):
    """A model that reads every dialogue before it is accepted."""

    teacher: TeacherOptions = Field(description="심사하는 모델.")
    threshold: float = Field(default=3.5, ge=1, le=5, description="평균 몇 점부터 받을지(1–5).")
    rubric: tuple[Criterion, ...] = Field(
        default=(), description="심사 기준. 비우면 함께 든 기준을 쓴다."
    )


class GenerationOptions(Record):
    """The order of a recipe."""

    mode: Literal["script", "simulation"] = Field(
        default="script",
        description="script(한 번에 대본 하나), simulation(사람 역과 캐릭터 역이 번갈아 말함).",
    )
    user_teacher: TeacherOptions | None = Field(
        default=None, description="simulation에서 사람을 맡는 모델. 비우면 교사가 둘 다 맡는다."
    )
    workers: int = Field(default=32, ge=1, le=1024, description="동시에 보낼 요청 수.")
    rejected_retries: int = Field(
        default=3, ge=0, le=20, description="검사에서 떨어진 답을 한 편에 몇 번 다시 받을지."
    )
    transport_retries: int = Field(
        default=5, ge=0, le=50, description="끊김·429·5xx를 한 요청에 몇 번 견딜지."
    )
    max_attempts: int | None = Field(
        default=None, ge=1, description="이 실행에서 받을 답의 수. 다 쓰면 멈춘다."
    )
    max_dollars: float | None = Field(
        default=None, gt=0, description="이 실행에서 쓸 돈(달러). 넘길 요청은 보내지 않는다."
    )
    requests_per_minute: int | None = Field(
        default=None, ge=1, description="1분에 보낼 요청의 수(RPM)."
    )
    tokens_per_minute: int | None = Field(
        default=None, ge=1, description="1분에 보낼 토큰의 수(TPM)."
    )
    min_yield: float = Field(
        default=0.1, ge=0, lt=1, description="한 주제에서 이 비율보다 적게 합격하면 일찍 멈춘다."
    )
    turns: tuple[int, int] = Field(default=(2, 5), description="한쪽이 말하는 횟수의 범위.")
    long_turns: tuple[int, int] = Field(default=(8, 15), description="긴 대화의 횟수 범위.")
    long_share: float = Field(default=0.0, ge=0, le=1, description="긴 대화의 비율.")
    few_shots: int = Field(default=2, ge=0, le=8, description="교사에게 보일 보기 대화의 수.")
    near_dialogue: float | None = Field(
        default=0.5,
        gt=0,
        le=1,
        description="받은 대화와 이만큼 닮으면 버린다(3글자 조각의 자카드). null이면 보지 않는다.",
    )
    near_opening: float | None = Field(
        default=0.7, gt=0, le=1, description="첫마디가 이만큼 닮으면 버린다. null이면 보지 않는다."
    )
    judge: JudgeOptions | None = Field(default=None, description="심사. 비우면 하지 않는다.")
    subsets: dict[SubsetName, SubsetOptions] = Field(
        min_length=1, description="서브셋 이름과 그 계획."
    )

    @field_validator("turns", "long_turns")
    @classmethod
    def _turns_are_a_range(cls, turns: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= turns[0] <= turns[1] <= MAX_TURNS:
            raise ValueError(
                f"[{turns[0]}, {turns[1]}]은 범위가 아닙니다. 작은 수부터 1 이상 {MAX_TURNS} "
                "이하로 적으세요. 예: [2, 5]"
            )
        return turns
