"""What an upload came to."""

from __future__ import annotations

from pydantic import Field

from exagirl.publish.choice import Kind, Part
from exagirl.record import Record


class PublishedRepo(Record):
    """One repository as it stands on the Hub after the upload."""

    part: Part
    repo: str = Field(description="OWNER/NAME.")
    kind: Kind
    url: str = Field(description="웹 주소.")
    commit: str = Field(description="올린 것이 담긴 커밋의 sha.")
    tag: str = Field(description="실행의 꼬리표.")
    files: tuple[str, ...] = Field(description="새로 올렸거나 바뀐 파일, 이름 순서로.")
    size: int = Field(ge=0, description="그 파일들의 바이트.")
    deleted: tuple[str, ...] = Field(
        default=(), description="앞서 exagirl이 올렸고 이제는 없어서 지운 파일."
    )
    is_tag_moved: bool = Field(
        default=False, description="같은 꼬리표가 앞선 커밋에서 이 커밋으로 옮겨졌다."
    )

    @property
    def was_unchanged(self) -> bool:
        """True where nothing differed, and so no commit was made."""
        return not self.files and not self.deleted


class Published(Record):
    """Every repository, and the collection that links them."""

    repos: tuple[PublishedRepo, ...]
    collection: str = Field(default="", description="컬렉션의 웹 주소. 저장소가 하나면 비어 있다.")

    @property
    def size(self) -> int:
        """Bytes of all files that were new or changed."""
        return sum(repo.size for repo in self.repos)
