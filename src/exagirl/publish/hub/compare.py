"""What differs between a folder here and a repository there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from exagirl.publish.repo import PlannedFile, PlannedRepo
from exagirl.record import Record

COMMIT_TITLE = "exagirl publish"
"""How the title of every commit of ours begins; so we know our own files again."""
FIRST_COMMIT = "initial commit"
"""The title of the commit that the Hub itself makes in a new repository."""
_CHUNK = 1 << 20


class RemoteFile(Record):
    """A file in the repository."""

    size: int = Field(ge=0, description="바이트.")
    blob_id: str = Field(description="git의 blob 해시.")
    sha256: str = Field(default="", description="큰 파일(LFS)이면 내용의 해시, 아니면 빈 글.")
    title: str = Field(default="", description="마지막으로 손댄 커밋의 제목.")

    @property
    def is_ours(self) -> bool:
        """True where an earlier publish wrote it last."""
        return self.title.startswith(COMMIT_TITLE)


class Difference(Record):
    """What a commit would change."""

    changed: tuple[PlannedFile, ...] = Field(description="없거나 다른 파일.")
    gone: tuple[str, ...] = Field(description="앞서 우리가 올렸으나 이제 폴더에 없는 파일.")
    foreign: tuple[str, ...] = Field(
        description="다른 사람이 허브에서 고쳤고, 올리면 덮어쓰게 될 파일."
    )

    @property
    def is_none(self) -> bool:
        """True where a commit would be empty."""
        return not self.changed and not self.gone

    @property
    def size(self) -> int:
        """Bytes of the changed files."""
        return sum(file.size for file in self.changed)


def compare(repo: PlannedRepo, remote: Mapping[str, RemoteFile]) -> Difference:
    """Look at every file on both sides; only files of the same size are read.

    Files that are there but not here stay, unless an earlier publish wrote them last.

    Raises:
        OSError: A file cannot be read.
    """
    here = {file.path for file in repo.files}
    changed = tuple(
        file
        for file in repo.files
        if file.path not in remote or not is_same(repo.folder / file.path, remote[file.path])
    )
    return Difference(
        changed=changed,
        gone=tuple(sorted(p for p, file in remote.items() if p not in here and file.is_ours)),
        foreign=tuple(
            file.path
            for file in changed
            if file.path in remote
            and not remote[file.path].is_ours
            and remote[file.path].title != FIRST_COMMIT
        ),
    )


def is_same(path: Path, remote: RemoteFile) -> bool:
    """True where the bytes are the ones that the repository holds.

    Source: git's blob hash is sha1 of 'blob SIZE', a zero byte and the content; LFS uses sha256.
    """
    size = path.stat().st_size
    if size != remote.size:
        return False
    if remote.sha256:
        return _hash_file(hashlib.sha256(), path) == remote.sha256
    return _hash_file(hashlib.sha1(b"blob %d\0" % size), path) == remote.blob_id


def _hash_file(digest: hashlib._Hash, path: Path) -> str:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
