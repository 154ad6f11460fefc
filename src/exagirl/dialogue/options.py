"""What dialogues are ordered, and how hard to try."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

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


class GenerationOptions(Record):
    """The order of a recipe."""

    workers: int = Field(default=32, ge=1, le=1024, description="동시에 보낼 요청 수.")
    rejected_retries: int = Field(
        default=3, ge=0, le=20, description="검사에서 떨어진 답을 한 편에 몇 번 다시 받을지."
    )
    transport_retries: int = Field(
        default=5, ge=0, le=50, description="끊김·429·5xx를 한 편에 몇 번 견딜지."
    )
    turns: tuple[int, int] = Field(default=(2, 5), description="한쪽이 말하는 횟수의 범위.")
    subsets: dict[SubsetName, SubsetOptions] = Field(
        min_length=1, description="서브셋 이름과 그 계획."
    )

    @field_validator("turns")
    @classmethod
    def _turns_are_a_range(cls, turns: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= turns[0] <= turns[1] <= MAX_TURNS:
            raise ValueError(
                f"[{turns[0]}, {turns[1]}]은 범위가 아닙니다. 작은 수부터 1 이상 {MAX_TURNS} "
                "이하로 적으세요. 예: [2, 5]"
            )
        return turns
