"""One repository as it stands in a folder here, ready to be uploaded."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from exagirl.publish.choice import Kind, Part
from exagirl.record import Record


class PlannedFile(Record):
    """A file and what goes over the line for it."""

    path: str = Field(description="저장소 안의 이름, /로 나눈다.")
    size: int = Field(ge=0, description="바이트.")


class PlannedRepo(Record):
    """A folder and the repository that it becomes."""

    part: Part
    repo: str = Field(description="OWNER/NAME.")
    kind: Kind
    folder: Path
    files: tuple[PlannedFile, ...] = Field(description="폴더의 모든 파일, 이름 순서로.")

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def plan_repo(part: Part, repo: str, kind: Kind, folder: Path) -> PlannedRepo:
    """Look at a written folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = tuple(
        PlannedFile(path=path.relative_to(folder).as_posix(), size=path.stat().st_size)
        for path in paths
    )
    return PlannedRepo(part=part, repo=repo, kind=kind, folder=folder, files=files)
