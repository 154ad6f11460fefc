"""What would go where, whole enough for a person to say yes to it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pydantic import Field

from exagirl.publish.repo import PlannedFile, PlannedRepo
from exagirl.record import Record

MOST_LINES = 12
"""Lines of one repository on the screen; what is beyond is summed up."""
_SHARD = re.compile(r"(.*?)-\d{5}-of-(\d{5})(\.[a-z]+)")


class PublishPlan(Record):
    """Every file that would leave, where it would go, and what to think of before."""

    run: str = Field(description="실행의 이름.")
    to: str = Field(description="'hub', 또는 써 둔 폴더.")
    title: str = Field(description="모음의 이름.")
    base: str = Field(description="기본 모델.")
    licence: str = Field(description="모델의 라이선스.")
    licence_link: str = Field(default="", description="그 글이 있는 곳.")
    data_licence: str = Field(default="", description="데이터셋의 라이선스.")
    tag: str = Field(description="이 실행에 붙는 태그.")
    private: bool = Field(description="비공개로 만드는가.")
    repos: tuple[PlannedRepo, ...]
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(repo.size for repo in self.repos)

    @property
    def count(self) -> int:
        """How many files there are."""
        return sum(len(repo.files) for repo in self.repos)

    @property
    def asked_name(self) -> str:
        """What a person types to agree: the name of the first repository, without its owner."""
        return self.repos[0].repo.rpartition("/")[2]

    def facts(self) -> dict[str, Any]:
        """The whole plan for machines."""
        return self.model_dump(mode="json") | {"size": self.size, "count": self.count}


class Line(NamedTuple):
    """One line of a plan on the screen."""

    name: str
    size: int


def folded(files: tuple[PlannedFile, ...], most: int = MOST_LINES) -> list[Line]:
    """A list of files that fits a screen: shards and folders in one line, the rest summed up.

    No file is left out of the sizes: they add up to those of the files.

    Args:
        files: All files of a repository.
        most: Lines, at least 2.
    """
    lines = _grouped(files)
    if len(lines) <= most:
        return lines
    largest = sorted(lines, key=lambda line: -line.size)[: most - 1]
    shown = [line for line in lines if line in largest][: most - 1]
    rest = [line for line in lines if line not in shown]
    return [*shown, Line(f"… 그 밖 {len(rest)}줄", sum(line.size for line in rest))]


def _grouped(files: tuple[PlannedFile, ...]) -> list[Line]:
    groups: dict[str, list[PlannedFile]] = {}
    for file in files:
        groups.setdefault(_group(file.path), []).append(file)
    return [
        Line(
            name if len(group) == 1 and not name.endswith("/") else f"{name} ({len(group)}개)",
            sum(file.size for file in group),
        )
        for name, group in groups.items()
    ]


def _group(path: str) -> str:
    folder = path.partition("/")
    if folder[0] == "exagirl" and folder[1]:
        return "exagirl/"
    shard = _SHARD.fullmatch(path)
    return f"{shard[1]}-*-of-{shard[2]}{shard[3]}" if shard else path


def shown_size(size: int) -> str:
    """Bytes for a person, in powers of ten as the Hub counts."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= one:
            return f"{size / one:.1f} {unit}"
    return f"{size} B"
