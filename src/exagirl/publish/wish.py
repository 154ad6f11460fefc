"""What a person wishes of ``exagirl publish``; plain words, so that wishing costs nothing."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from exagirl.publish.choice import PARTS, Part
from exagirl.record import Record


class PublishWish(Record):
    """Where to, under which name, and which parts."""

    repo: str = Field(
        default="", description="모델 저장소의 이름, OWNER/NAME. 폴더에는 비워도 된다."
    )
    parts: tuple[Part, ...] = Field(default=(), description="비우면 이 실행에 있는 것 모두.")
    private: bool = Field(default=False, description="저장소를 비공개로 만든다.")
    licence: str = Field(default="", description="모르는 기본 모델의 라이선스.")
    folder: Path | None = Field(default=None, description="허브 대신 여기에 쓴다.")

    @field_validator("parts")
    @classmethod
    def _in_order(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(part for part in PARTS if part in parts)


def read_parts(text: str) -> tuple[Part, ...]:
    """Parts as they are typed: ``model,adapter``.

    Raises:
        ValueError: One is unknown; the message is for a person.
    """
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in PARTS]
    if unknown:
        raise ValueError(
            f"--parts {unknown[0]}: 그런 것은 없습니다. 쓸 수 있는 것: {', '.join(PARTS)}."
        )
    return tuple(part for part in PARTS if part in words)
