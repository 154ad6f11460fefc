"""What the double of the Hub answers to each request, when nothing goes wrong."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from support.chat_server import Answer, sends
from support.hub_reading import HubReading, RefusalError, refused
from support.hub_store import HubStore, Repo, Shelf, is_kept_large, large, ordinary

_API = r"/api/(?P<kind>model|dataset|space)s/(?P<id>[^/]+/[^/]+)"
_WEB = r"/(?:(?P<kind>dataset|space)s/)?(?P<id>[^/]+/[^/]+)"
_REV = r"/(?P<rev>[^/]+)"
ROUTES: tuple[tuple[str, str, str], ...] = (
    ("whoami", "GET", r"/api/whoami-v2"),
    ("create", "POST", r"/api/repos/create"),
    ("validate", "POST", r"/api/validate-yaml"),
    ("preupload", "POST", _API + "/preupload" + _REV),
    ("commit", "POST", _API + "/commit" + _REV),
    ("commits", "GET", _API + "/commits" + _REV),
    ("tree", "GET", _API + "/tree" + _REV + r"(?:/(?P<path>.+))?"),
    ("paths", "POST", _API + "/paths-info" + _REV),
    ("refs", "GET", _API + "/refs"),
    ("tag", "POST", _API + "/tag" + _REV),
    ("untag", "DELETE", _API + "/tag" + _REV),
    ("info", "GET", _API + "/revision" + _REV),
    ("info", "GET", _API),
    ("batch", "POST", _WEB + r"\.git/info/lfs/objects/batch"),
    ("verify", "POST", _WEB + r"\.git/info/lfs/verify"),
    ("put", "PUT", r"/objects/(?P<sha>[0-9a-f]{64})/(?P<part>\d+)"),
    ("complete", "POST", r"/objects/(?P<sha>[0-9a-f]{64})/complete"),
    ("object", "GET", r"/objects/(?P<sha>[0-9a-f]{64})"),
    ("collection", "POST", r"/api/collections"),
    ("shelf", "GET", r"/api/collections/(?P<slug>[^/]+/[^/]+)"),
    ("item", "POST", r"/api/collections/(?P<slug>[^/]+/[^/]+)/items"),
    ("resolve", "GET", _WEB + "/resolve" + _REV + "/(?P<path>.+)"),
)
"""Name, method and path; a HEAD counts as GET."""
_PATTERNS = tuple((name, method, re.compile(path)) for name, method, path in ROUTES)


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    target: str
    body: bytes
    headers: Message
    match: re.Match[str] | None

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body."""
        return json.loads(self.body)

    @cached_property
    def query(self) -> dict[str, str]:
        """What stands behind the question mark."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    def part(self, name: str) -> str:
        """A part of the path, decoded; '' where it is not there."""
        groups = self.match.groupdict() if self.match else {}
        return unquote(groups.get(name) or "")

    @property
    def token(self) -> str:
        """What the caller says who he is with."""
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


def find_route(method: str, target: str) -> tuple[str, re.Match[str] | None]:
    """The name of a request's route, or 'unknown'."""
    path = urlsplit(target).path
    for name, its_method, pattern in _PATTERNS:
        if its_method == method and (match := pattern.fullmatch(path)):
            return name, match
    return "unknown", None


class HubRoutes(HubReading):
    """Answers requests from what a store holds.

    Args:
        users: Who has which token; a user may write below his own name only.
        part_bytes: Large objects above this size are sent in parts of it.
        page: Entries on a page of a listing.
        storage: Where large objects lie; None: with this server, under another name.
    """

    def __init__(
        self,
        store: HubStore,
        url: str,
        users: Mapping[str, str],
        *,
        part_bytes: int | None,
        page: int,
        storage: str | None = None,
    ) -> None:
        super().__init__(store, url, users, page=page, storage=storage)
        self._part_bytes = part_bytes

    def answer(self, route: str, asked: Asked) -> Answer:
        """Do what is asked."""
        serve: Callable[[Asked], Answer] | None = getattr(self, f"_on_{route}", None)
        try:
            return serve(asked) if serve else refused(404, "no such path")
        except RefusalError as refusal:
            return refusal.answer

    def _owner(self, asked: Asked, owner: str) -> str:
        """The caller, who must be allowed to write below this name."""
        user = self._users.get(asked.token)
        if user is None:
            raise RefusalError(refused(401, "Invalid username or password."))
        if user != owner:
            raise RefusalError(refused(403, f"You don't have the rights to write under {owner}"))
        return user

    def _written(self, asked: Asked) -> Repo:
        self._owner(asked, asked.part("id").partition("/")[0])
        return self._find(asked)

    def _on_whoami(self, asked: Asked) -> Answer:
        user = self._users.get(asked.token)
        if user is None:
            raise RefusalError(refused(401, "Invalid username or password."))
        return sends({"type": "user", "name": user, "orgs": [], "auth": {"type": "access_token"}})

    def _on_create(self, asked: Asked) -> Answer:
        wish = asked.json
        owner = self._owner(asked, wish["organization"])
        kind, id_ = wish.get("type", "model"), f"{owner}/{wish['name']}"
        answer = {"url": self._address(kind, id_), "name": id_}
        if (kind, id_) in self._store.repos:
            return sends(answer | {"error": f"You already created this {kind} repo"}, 409)
        if kind == "space" and not wish.get("sdk"):
            raise RefusalError(refused(400, "a space needs its sdk"))
        is_private = wish.get("visibility") == "private"
        self._store.create(kind, id_, is_private=is_private, sdk=wish.get("sdk"))
        return sends(answer)

    def _on_validate(self, asked: Asked) -> Answer:
        found = re.match(r"---\n(.*?\n)---\n", asked.json["content"], re.DOTALL)
        if found is None:
            return sends(
                {"errors": [], "warnings": [{"message": "empty or missing yaml metadata"}]}
            )
        try:
            is_mapping = isinstance(yaml.safe_load(found[1]), dict)
        except yaml.YAMLError:
            is_mapping = False
        if is_mapping:
            return sends({"errors": [], "warnings": []})
        return sends({"errors": [{"message": "the metadata is not a mapping"}]}, 400)

    def _on_preupload(self, asked: Asked) -> Answer:
        repo = self._written(asked)
        return sends({"files": [self._mode(repo, file) for file in asked.json["files"]]})

    def _mode(self, repo: Repo, file: dict[str, Any]) -> dict[str, Any]:
        blob = repo.head.files.get(file["path"])
        told = {
            "path": file["path"],
            "uploadMode": "lfs" if is_kept_large(file["path"], file["size"]) else "regular",
            "shouldIgnore": False,
        }
        return told | ({"oid": blob.sha256 or blob.oid} if blob else {})

    def _on_batch(self, asked: Asked) -> Answer:
        repo = self._written(asked)
        objects = [self._transfer(repo, each) for each in asked.json["objects"]]
        return sends({"transfer": "basic", "objects": objects})

    def _transfer(self, repo: Repo, each: dict[str, Any]) -> dict[str, Any]:
        sha, size = each["oid"], each["size"]
        told = {"oid": sha, "size": size}
        if sha in self._store.objects:
            return told
        base = f"{self._storage}/objects/{sha}"
        upload: dict[str, Any] = {"href": f"{base}/1"}
        if self._part_bytes and size > self._part_bytes:
            parts = range(1, -(-size // self._part_bytes) + 1)
            header = {str(part): f"{base}/{part}" for part in parts}
            upload = {
                "href": f"{self._url}/objects/{sha}/complete",
                "header": header | {"chunk_size": str(self._part_bytes)},
            }
        verify = {"href": f"{self._address(repo.kind, repo.id)}.git/info/lfs/verify"}
        return told | {"actions": {"upload": upload, "verify": verify}}

    def _on_put(self, asked: Asked) -> Answer:
        sha, part = asked.part("sha"), int(asked.part("part"))
        if hashlib.sha256(asked.body).hexdigest() == sha:
            self._store.objects[sha] = asked.body
        elif self._part_bytes:
            self._store.pieces[sha, part] = asked.body
        else:
            raise RefusalError(refused(400, "the content does not match its hash"))
        return Answer(headers={"ETag": f'"{hashlib.md5(asked.body).hexdigest()}"'})

    def _on_complete(self, asked: Asked) -> Answer:
        sha = asked.part("sha")
        numbers = [part["partNumber"] for part in asked.json["parts"]]
        content = b"".join(self._store.pieces[sha, number] for number in numbers)
        if hashlib.sha256(content).hexdigest() != sha:
            raise RefusalError(refused(400, "the parts do not match the hash"))
        self._store.objects[sha] = content
        return sends({})

    def _on_verify(self, asked: Asked) -> Answer:
        self._written(asked)
        content = self._store.objects.get(asked.json["oid"])
        if content is None or len(content) != asked.json["size"]:
            raise RefusalError(refused(404, "no such object"))
        return sends({})

    def _on_commit(self, asked: Asked) -> Answer:
        repo = self._written(asked)
        lines = [json.loads(line) for line in asked.body.splitlines()]
        header, *changes = ((line["key"], line["value"]) for line in lines)
        if header[1].get("parentCommit") not in (None, repo.head.oid):
            raise RefusalError(
                refused(412, "A commit has happened since. Please refresh and try again.")
            )
        added, deleted = {}, set()
        for key, value in changes:
            path = value["path"]
            if key == "file":
                added[path] = ordinary(base64.b64decode(value["content"]))
            elif key == "lfsFile" and value["oid"] in self._store.objects:
                added[path] = large(self._store.objects[value["oid"]])
            elif key == "deletedFile" and path in repo.head.files:
                deleted.add(path)
            else:
                raise RefusalError(refused(400, f"{key} {path}: cannot be committed"))
        oid = repo.commit(header[1]["summary"], added, deleted)
        address = f"{self._address(repo.kind, repo.id)}/commit/{oid}"
        return sends({"success": True, "commitOid": oid, "commitUrl": address})

    def _on_tag(self, asked: Asked) -> Answer:
        repo, tag = self._written(asked), asked.json["tag"]
        if tag in repo.tags:
            raise RefusalError(refused(409, "Tag reference exists already"))
        repo.tags[tag] = self._commit_of(repo, asked.part("rev")).oid
        return sends({})

    def _on_untag(self, asked: Asked) -> Answer:
        repo = self._written(asked)
        if repo.tags.pop(asked.part("rev"), None) is None:
            raise RefusalError(refused(404, "no such tag", "RevisionNotFound"))
        return sends({})

    def _on_collection(self, asked: Asked) -> Answer:
        wish = asked.json
        owner = self._owner(asked, wish["namespace"])
        number = hashlib.sha1(wish["title"].encode()).hexdigest()[:24]
        slug = f"{owner}/collection-{number}"
        if slug in self._store.shelves:
            return sends({"error": "exists", "slug": slug}, 409)
        shelf = Shelf(slug, wish["title"], owner, wish["private"])
        self._store.shelves[slug] = shelf
        return self._show(shelf)

    def _on_shelf(self, asked: Asked) -> Answer:
        return self._show(self._shelf(asked))

    def _on_item(self, asked: Asked) -> Answer:
        shelf = self._shelf(asked)
        self._owner(asked, shelf.owner)
        item = (asked.json["item"]["type"], asked.json["item"]["id"])
        if item not in self._store.repos:
            raise RefusalError(refused(404, "no such item"))
        if item in shelf.items:
            raise RefusalError(refused(409, "the item is there already"))
        shelf.items.append(item)
        return self._show(shelf)

    def _shelf(self, asked: Asked) -> Shelf:
        shelf = self._store.shelves.get(asked.part("slug"))
        if shelf is None:
            raise RefusalError(refused(404, "no such collection"))
        return shelf
