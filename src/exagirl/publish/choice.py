"""What a person asks to be published; plain words, so that asking costs nothing."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from exagirl.record import Record

Part = Literal["model", "adapter", "gguf", "dataset", "space"]
Kind = Literal["model", "dataset", "space"]
PARTS: tuple[Part, ...] = ("model", "adapter", "gguf", "dataset", "space")
KINDS: dict[Part, Kind] = {
    "model": "model",
    "adapter": "model",
    "gguf": "model",
    "dataset": "dataset",
    "space": "space",
}
ENDINGS: dict[Part, str] = {
    "model": "",
    "adapter": "-adapter",
    "gguf": "-GGUF",
    "dataset": "-data",
    "space": "-demo",
}
"""What the name of a part's repository has behind the model's."""
LONGEST_NAME = 96
"""Characters of a repository's name that the Hub takes."""
_REPO = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?/[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
)


class PublishChoice(Record):
    """Where to, and which parts."""

    repo: str = Field(description="모델 저장소의 이름, OWNER/NAME.")
    parts: tuple[Part, ...] = Field(
        default=(), description="올릴 것. 비우면 이 실행에 있는 것 모두."
    )
    private: bool = Field(default=False, description="저장소를 비공개로 만든다.")

    @field_validator("repo")
    @classmethod
    def _is_name(cls, repo: str) -> str:
        name = repo.rpartition("/")[2]
        longest = LONGEST_NAME - max(map(len, ENDINGS.values()))
        if not _REPO.fullmatch(repo) or "--" in repo or ".." in repo or len(name) > longest:
            raise ValueError(
                f"'{repo}': OWNER/NAME 꼴로 씁니다. 영문자와 숫자, 사이에 - _ . 만 쓰고(--와 ..은 "
                f"안 됨), NAME은 {longest}자까지입니다."
            )
        return repo

    @property
    def name(self) -> str:
        """The model's name without its owner."""
        return self.repo.rpartition("/")[2]

    def repo_of(self, part: Part) -> str:
        """The repository of a part."""
        return self.repo + ENDINGS[part]
