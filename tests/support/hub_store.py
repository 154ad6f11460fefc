"""What the loopback double of the Hub keeps: repositories with commits, and large objects."""

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

FIRST_TITLE = "initial commit"
ATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
LFS_ENDINGS = (".safetensors", ".gguf", ".bin", ".parquet", ".png")
LARGE_BYTES = 10_000_000
"""Files above this size are kept outside git, whatever their name."""
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Blob:
    """A file of a commit."""

    oid: str
    """git's hash of the content, or of the pointer where the content is a large object."""
    content: bytes
    """The bytes that a reader gets."""
    sha256: str = ""
    """Of the content; empty where it is an ordinary file."""
    pointer_size: int = 0


def ordinary(content: bytes) -> Blob:
    """A file that git itself holds."""
    return Blob(_git_hash(content), content)


def large(content: bytes) -> Blob:
    """A file that git knows by a pointer only."""
    sha = hashlib.sha256(content).hexdigest()
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize {len(content)}\n"
    ).encode()
    return Blob(_git_hash(pointer), content, sha, len(pointer))


def is_kept_large(path: str, size: int) -> bool:
    """Whether the Hub asks for this file as a large object."""
    return size > 0 and (path.endswith(LFS_ENDINGS) or size > LARGE_BYTES)


@dataclass(frozen=True)
class Commit:
    """A state of a repository."""

    oid: str
    title: str
    date: datetime
    files: Mapping[str, Blob]
    last: Mapping[str, "Commit"]
    """Which commit touched each file last; without those that a commit touched itself."""

    @property
    def stamp(self) -> str:
        """The date as the Hub writes it."""
        return self.date.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def last_of(self, path: str) -> "Commit":
        """The commit that touched a file last."""
        return self.last.get(path, self)


@dataclass
class Repo:
    """A repository and its history on one branch."""

    kind: str
    id: str
    is_private: bool
    sdk: str | None = None
    commits: list[Commit] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    _clock: itertools.count = field(default_factory=itertools.count)

    @property
    def head(self) -> Commit:
        """The last commit."""
        return self.commits[-1]

    @property
    def contents(self) -> dict[str, bytes]:
        """Every file of the last commit."""
        return {path: blob.content for path, blob in self.head.files.items()}

    def commit(self, title: str, added: Mapping[str, Blob], deleted: set[str] = frozenset()) -> str:
        """Put a commit on the head; gives its oid."""
        before = self.commits[-1] if self.commits else None
        files = {p: b for p, b in (before.files if before else {}).items() if p not in deleted}
        last = {p: before.last_of(p) for p in files if p not in added} if before else {}
        files |= added
        seed = f"{self.kind} {self.id} {len(self.commits)} {title} {sorted(files)}"
        oid = hashlib.sha1(seed.encode()).hexdigest()
        date = BEGAN + timedelta(seconds=next(self._clock))
        self.commits.append(Commit(oid, title, date, files, last))
        return oid

    def find(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or an oid names."""
        if revision in ("main", "HEAD", "refs/heads/main"):
            return self.head
        oid = self.tags.get(revision, revision)
        return next((commit for commit in self.commits if commit.oid == oid), None)


@dataclass
class Shelf:
    """A collection."""

    slug: str
    title: str
    owner: str
    is_private: bool
    items: list[tuple[str, str]] = field(default_factory=list)
    """(kind, id)"""


class HubStore:
    """Everything that the double remembers."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.objects: dict[str, bytes] = {}
        """Large objects that are whole, by sha256."""
        self.pieces: dict[tuple[str, int], bytes] = {}
        """Parts of large objects, by sha256 and number from 1."""
        self.shelves: dict[str, Shelf] = {}

    def repo(self, id_: str, kind: str = "model") -> Repo:
        """The repository of this name."""
        return self.repos[kind, id_]

    def keep(self, content: bytes) -> Blob:
        """Take a large object in."""
        blob = large(content)
        self.objects[blob.sha256] = content
        return blob

    def create(self, kind: str, id_: str, *, is_private: bool, sdk: str | None = None) -> Repo:
        """A new repository, with the first commit that the Hub makes."""
        repo = self.repos[kind, id_] = Repo(kind, id_, is_private, sdk)
        repo.commit(FIRST_TITLE, {".gitattributes": ordinary(ATTRIBUTES)})
        return repo


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
