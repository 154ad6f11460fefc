"""What the double of the Hub answers to those who look and download."""

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote

from support.chat_server import Answer, sends
from support.hub_store import Blob, Commit, HubStore, Repo, Shelf


class RefusalError(Exception):
    """An answer that ends the work on a request."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def refused(status: int, message: str, code: str = "") -> Answer:
    """A refusal in the Hub's form."""
    headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    return Answer(json.dumps({"error": message}).encode(), status, headers=headers)


class HubReading:
    """Answers what changes nothing."""

    def __init__(
        self, store: HubStore, url: str, users: Mapping[str, str], *, page: int, storage: str | None
    ) -> None:
        self._store = store
        self._url = url
        self._storage = storage or url.replace("127.0.0.1", "localhost")
        """Large objects lie with another host, as the real Hub's do; it sees no token."""
        self._users = users
        self._page = page

    def _address(self, kind: str, id_: str) -> str:
        prefix = "" if kind == "model" else f"{kind}s/"
        return f"{self._url}/{prefix}{id_}"

    def _find(self, asked: Any) -> Repo:
        """The repository in the path; a private one shows itself to its owner only."""
        id_ = asked.part("id")
        repo = self._store.repos.get((asked.part("kind") or "model", id_))
        user = self._users.get(asked.token)
        if repo is None or (repo.is_private and user != id_.partition("/")[0]):
            raise RefusalError(
                refused(404 if user else 401, "Repository not found", "RepoNotFound")
            )
        return repo

    def _commit_of(self, repo: Repo, revision: str) -> Commit:
        commit = repo.find(revision)
        if commit is None:
            raise RefusalError(refused(404, f"Invalid rev id: {revision}", "RevisionNotFound"))
        return commit

    def _look(self, asked: Any) -> tuple[Repo, Commit]:
        repo = self._find(asked)
        return repo, self._commit_of(repo, asked.part("rev") or "main")

    def _on_info(self, asked: Any) -> Answer:
        repo, commit = self._look(asked)
        told = {
            "_id": "0",
            "id": repo.id,
            "author": repo.id.partition("/")[0],
            "sha": commit.oid,
            "private": repo.is_private,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "createdAt": repo.commits[0].stamp,
            "lastModified": commit.stamp,
            "siblings": [{"rfilename": path} for path in sorted(commit.files)],
        }
        return sends(told | ({"modelId": repo.id} if repo.kind == "model" else {"sdk": repo.sdk}))

    def _on_refs(self, asked: Any) -> Answer:
        repo = self._find(asked)
        tags = [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": oid}
            for name, oid in repo.tags.items()
        ]
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head.oid}
        return sends({"branches": [main], "converts": [], "tags": tags})

    def _on_commits(self, asked: Any) -> Answer:
        repo, until = self._look(asked)
        past = repo.commits[: repo.commits.index(until) + 1]
        return sends(
            [
                {
                    "id": commit.oid,
                    "title": commit.title,
                    "message": "",
                    "date": commit.stamp,
                    "authors": [],
                }
                for commit in reversed(past)
            ]
        )

    def _on_tree(self, asked: Any) -> Answer:
        _, commit = self._look(asked)
        entries = _entries(
            commit,
            asked.part("path"),
            is_deep=asked.query.get("recursive", "").lower() == "true",
            is_expanded=asked.query.get("expand", "").lower() == "true",
        )
        if not entries and asked.part("path"):
            raise RefusalError(refused(404, "no such folder", "EntryNotFound"))
        begin = int(asked.query.get("cursor", 0))
        answer = sends(entries[begin : begin + self._page])
        if begin + self._page >= len(entries):
            return answer
        base = asked.target.partition("?")[0]
        query = {name: value for name, value in asked.query.items() if name != "cursor"}
        query["cursor"] = str(begin + self._page)
        following = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        link = f'<{self._url}{base}?{following}>; rel="next"'
        return Answer(answer.body, headers={"Link": link})

    def _on_paths(self, asked: Any) -> Answer:
        _, commit = self._look(asked)
        is_json = asked.headers.get("Content-Type", "").startswith("application/json")
        form = asked.json if is_json else parse_qs(asked.body.decode())
        all_ = {each["path"]: each for each in _entries(commit, "", is_deep=True, is_expanded=True)}
        return sends([all_[path] for path in form.get("paths", []) if path in all_])

    def _on_resolve(self, asked: Any) -> Answer:
        _, commit = self._look(asked)
        blob = commit.files.get(asked.part("path"))
        if blob is None:
            raise RefusalError(refused(404, "Entry not found", "EntryNotFound"))
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{blob.oid}"', "Accept-Ranges": "bytes"}
        if not blob.sha256:
            return _ranged(blob.content, asked, headers)
        headers |= {
            "X-Linked-Size": str(len(blob.content)),
            "X-Linked-ETag": f'"{blob.sha256}"',
            "Location": f"{self._storage}/objects/{blob.sha256}",
        }
        return Answer(status=302, headers=headers)

    def _on_object(self, asked: Any) -> Answer:
        sha = asked.part("sha")
        if sha not in self._store.objects:
            raise RefusalError(refused(404, "no such object"))
        return _ranged(self._store.objects[sha], asked, {"ETag": f'"{sha}"'})

    def _show(self, shelf: Shelf) -> Answer:
        items = [
            {
                "_id": str(position),
                "type": kind,
                "id": id_,
                "repoType": kind,
                "position": position,
            }
            for position, (kind, id_) in enumerate(shelf.items)
        ]
        return sends(
            {
                "slug": shelf.slug,
                "title": shelf.title,
                "owner": shelf.owner,
                "items": items,
                "lastUpdated": "2026-01-01T00:00:00.000Z",
                "position": 0,
                "private": shelf.is_private,
                "theme": "green",
                "upvotes": 0,
            }
        )


def _entries(
    commit: Commit, folder: str, *, is_deep: bool, is_expanded: bool
) -> list[dict[str, Any]]:
    """Files and folders below a folder, in the order of their names."""
    found: dict[str, dict[str, Any]] = {}
    for path, blob in commit.files.items():
        below = PurePosixPath(path)
        if folder and PurePosixPath(folder) not in below.parents:
            continue
        names = below.relative_to(folder).parts if folder else below.parts
        for depth in range(1, len(names) if is_deep else min(2, len(names))):
            parent = "/".join(filter(None, (folder, *names[:depth])))
            found[parent] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": parent}
        if is_deep or len(names) == 1:
            found[path] = _file(path, blob) | (_last(commit.last_of(path)) if is_expanded else {})
    return [found[path] for path in sorted(found)]


def _file(path: str, blob: Blob) -> dict[str, Any]:
    told = {"type": "file", "oid": blob.oid, "size": len(blob.content), "path": path}
    if not blob.sha256:
        return told
    lfs = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": blob.pointer_size}
    return told | {"lfs": lfs}


def _last(commit: Commit) -> dict[str, Any]:
    date = commit.stamp
    return {"lastCommit": {"id": commit.oid, "title": commit.title, "date": date}}


def _ranged(content: bytes, asked: Any, headers: dict[str, str]) -> Answer:
    span = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("Range", ""))
    if span is None:
        return Answer(content, kind="application/octet-stream", headers=headers)
    begin, end = int(span[1]), int(span[2] or len(content) - 1)
    end = min(end, len(content) - 1)
    if begin > end:
        return Answer(status=416, headers=headers | {"Content-Range": f"bytes */{len(content)}"})
    headers = headers | {"Content-Range": f"bytes {begin}-{end}/{len(content)}"}
    return Answer(content[begin : end + 1], 206, "application/octet-stream", headers)
