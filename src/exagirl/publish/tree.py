"""The folder that becomes a repository: which files of a run, under which names, and what is new.

Only files that a manifest names are taken, so that nothing somebody laid beside them goes along.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from exagirl.artifact import (
    MANIFEST,
    FileRecord,
    Manifest,
    RunFolder,
    foreign_files,
    is_complete,
    make_folder,
    need,
    new_artifact,
    read_manifest,
    seal,
    write_text,
)
from exagirl.errors import ArtifactError
from exagirl.export.papers import link_or_copy
from exagirl.publish.choice import KINDS, Kind, Part
from exagirl.publish.faults import PublishError
from exagirl.publish.repo import PlannedRepo, plan_repo
from exagirl.publish.scan import Found, Scanner, refuse
from exagirl.record import Record

LINKED_FROM_BYTES = 1_000_000
"""Larger files are linked; a small one is soon copied, and may then be edited without harm."""
SCORES, REPORT = "scores.json", "report.html"
_CLEANED = {"config.json", "adapter_config.json", "tokenizer_config.json", SCORES}
"""JSON files of ours in which names of folders may stand where names of models should."""
_NAMES = {"_name_or_path", "name_or_path", "base_model_name_or_path"}
_NEVER = re.compile(
    r"(^|/)(\.|chats?(/|\.|$)|journal|optimizer|trainer_state|checkpoint)|\.(sqlite|db)"
    r"|\.(lock|partial|pem|key|pkl|pickle|pt|bin)$",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]|~/")


class Tree(Record):
    """What one repository is to hold."""

    part: Part
    repo: str
    files: dict[str, Path] = Field(description="저장소 안의 이름에서 이 컴퓨터의 파일로.")
    texts: dict[str, str] = Field(description="새로 쓰는 파일. 이름과 내용.")
    known: dict[str, FileRecord] = Field(
        default_factory=dict, description="이미 해시를 아는 파일. 다시 읽지 않는다."
    )
    source: dict[str, str] = Field(description="무엇에서 만들었나. 이름에서 해시로.")
    renamed: dict[str, str] = Field(
        default_factory=dict, description="이 컴퓨터의 폴더에서, 대신 적을 이름으로."
    )

    @property
    def kind(self) -> Kind:
        """What the Hub calls it."""
        return KINDS[self.part]


class Written(Record):
    """A tree that stands in its folder, and what a person should look at in it."""

    planned: PlannedRepo
    found: tuple[Found, ...]


def finished(folder: Path, command: str) -> Manifest:
    """The manifest of an artifact whose files all stand.

    Raises:
        ArtifactError: It was not made, or files are missing or cut.
    """
    manifest = need(folder, command)
    if not is_complete(folder, manifest.inputs):
        raise ArtifactError(
            f"{folder}: 파일이 빠졌거나 크기가 다릅니다. '{command}'을 다시 실행하세요."
        )
    return manifest


def files_of(folder: Path, manifest: Manifest) -> dict[str, Path]:
    """The files of an artifact that may be published; its own page gives way to the card."""
    return {
        name: folder / name
        for name in manifest.files
        if name != "README.md" and not _NEVER.search(name)
    }


def evaluation_files(folder: RunFolder, scanner: Scanner) -> dict[str, Path]:
    """Scores and report of a run as they go beside its model.

    A report in which a place on this machine stands is left out: it is no file of names and values
    that could be put right.
    """
    files = {}
    if (folder.evaluation / SCORES).is_file():
        files[f"evaluation/{SCORES}"] = folder.evaluation / SCORES
        report = folder.evaluation / REPORT
        if report.is_file() and not scanner.scan_file(report, REPORT):
            files[f"evaluation/{REPORT}"] = report
    return files


def write_tree(tree: Tree, folder: Path, scanner: Scanner, *, links: bool) -> Written:
    """Write a repository's folder aside, look through it, and let it take its place.

    Where the same files already stand, the old manifest stays, so that a rerun changes nothing.

    Args:
        tree: What it holds.
        folder: Where it goes; a tree of ours there is replaced.
        scanner: Looks for what must not leave.
        links: Link large files in place of copying them.

    Raises:
        PublishError: Something in it must not leave this machine.
        ArtifactError: Files that are not ours stand there, or the disk has no room.
    """
    kind = f"publish-{tree.part}"
    _need_ours(folder, kind)
    before = folder / MANIFEST
    with new_artifact(folder) as aside:
        for name, source in tree.files.items():
            _place(source, aside / name, links=links)
            if Path(name).name in _CLEANED:
                _clean(aside / name, tree)
        for name, text in tree.texts.items():
            make_folder((aside / name).parent)
            write_text(aside / name, text)
        found = refuse(scanner.scan(aside), tree.part)
        known = {
            name: record
            for name, record in tree.known.items()
            if Path(name).name not in _CLEANED and name not in tree.texts
        }
        made = seal(aside, kind, tree.source, known=known)
        old = read_manifest(folder)
        if old is not None and old.digest == made.digest and old.inputs == made.inputs:
            shutil.copyfile(before, aside / MANIFEST)
    planned = plan_repo(tree.part, tree.repo, tree.kind, folder)
    return Written(planned=planned, found=tuple(found))


def _need_ours(folder: Path, kind: str) -> None:
    foreign = foreign_files(folder, kind)
    if foreign:
        raise ArtifactError(
            f"{folder}: exagirl publish가 만들지 않은 파일이 {len(foreign)}개 있습니다"
            f"({', '.join(foreign[:3])}). 다른 곳으로 옮기거나 --to에 다른 폴더를 쓰세요."
        )


def _place(source: Path, target: Path, *, links: bool) -> None:
    make_folder(target.parent)
    if links and source.stat().st_size >= LINKED_FROM_BYTES:
        link_or_copy(source, target)
    else:
        shutil.copyfile(source, target)


def _clean(path: Path, tree: Tree) -> None:
    """Put names in the place of this machine's folders."""
    try:
        facts = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise PublishError(
            f"{path.name}: JSON을 읽을 수 없습니다({error}). 다시 만드세요."
        ) from error
    plain = _plain(facts, tree.renamed, tree.repo)
    if plain != facts:
        write_text(path, json.dumps(plain, indent=2, ensure_ascii=False) + "\n")


def _plain(value: Any, renamed: Mapping[str, str], repo: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner, renamed, repo, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, renamed, repo) for inner in value]
    if not isinstance(value, str):
        return value
    for place, name in renamed.items():
        if value == place or value.startswith((f"{place}/", f"{place}\\")):
            return name + value[len(place) :]
    return repo if key in _NAMES and _ABSOLUTE.match(value) else value
