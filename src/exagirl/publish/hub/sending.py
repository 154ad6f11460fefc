"""The order of an upload: look at all, send the large files, commit, tag, collect."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.errors import HfHubHTTPError
from pydantic import Field

from exagirl.korean.particles import attach
from exagirl.progress import Watcher
from exagirl.publish.hub.compare import COMMIT_TITLE
from exagirl.publish.hub.hub import Hub, Line, open_line
from exagirl.publish.hub.published import Published, PublishedRepo
from exagirl.publish.hub.remote import Prepared, find_landed, prepare, set_tag
from exagirl.publish.hub.telling import told_plainly
from exagirl.publish.repo import PlannedFile, PlannedRepo
from exagirl.record import Record

LARGE_BYTES = 1 << 20
"""Files from this size on are sent one by one, so that each is whole before the next begins."""


class Wish(Record):
    """How the repositories shall stand on the Hub."""

    is_private: bool = Field(description="새 저장소를 비공개로 만든다.")
    tag: str = Field(min_length=1, description="커밋에 붙일 꼬리표.")
    title: str = Field(description="컬렉션의 제목.")


def send(repos: Sequence[PlannedRepo], wish: Wish, *, hub: Hub, watcher: Watcher) -> Published:
    """Upload to a hub that is settled; see ``exagirl.publish.hub.upload.upload``.

    Every repository is created and compared before the first byte of a file is sent, so that a
    missing right or a file that somebody else changed is told while nothing has changed.
    """
    done: list[PublishedRepo] = []
    try:
        with open_line(hub, watcher) as line:
            prepared = [prepare(line, repo, is_private=wish.is_private) for repo in repos]
            watcher.start("올리기", sum(each.difference.size for each in prepared))
            for each in prepared:
                done += [_send_repo(line, each, wish.tag)]
            collection = _collect(line, repos, wish) if len(repos) > 1 else ""
    except KeyboardInterrupt:
        watcher.say(_tell_interrupted(done))
        raise
    published = Published(repos=tuple(done), collection=collection)
    watcher.finish(_summarize(published))
    return published


def _send_repo(line: Line, prepared: Prepared, tag: str) -> PublishedRepo:
    repo, difference = prepared.repo, prepared.difference
    commit = prepared.head if difference.is_none else _commit(line, prepared, tag)
    is_moved = set_tag(line, repo, tag=tag, commit=commit, may_move=not difference.is_none)
    if is_moved:
        line.watcher.say(f"{repo.repo}: 꼬리표 '{tag}'를 새 커밋 {commit[:8]}으로 옮겼습니다.")
    return PublishedRepo(
        part=repo.part,
        repo=repo.repo,
        kind=repo.kind,
        url=prepared.url,
        commit=commit,
        tag=tag,
        files=tuple(file.path for file in difference.changed),
        size=difference.size,
        deleted=difference.gone,
        is_tag_moved=is_moved,
    )


def _commit(line: Line, prepared: Prepared, tag: str) -> str:
    """Send what changed and commit it on the head that was compared; gives the commit's sha."""
    repo, changed = prepared.repo, prepared.difference.changed
    large = [file for file in changed if file.size >= LARGE_BYTES]
    small = [file for file in changed if file.size < LARGE_BYTES]
    additions: list[Any] = []
    for group in [*([file] for file in large), small]:
        if group:
            additions += _send_files(line, repo, group)
    deletions = [CommitOperationDelete(path) for path in prepared.difference.gone]
    with told_plainly(line.hub, repo.repo, "커밋하다가"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the card was judged before; what the Hub said was told
        try:
            commit = line.api.create_commit(
                repo.repo,
                [*additions, *deletions],
                commit_message=f"{COMMIT_TITLE} {tag}",
                repo_type=repo.kind,
                parent_commit=prepared.head,
            )
        except HfHubHTTPError as fault:
            # Sent again after a lost answer, a commit finds itself there as the new head.
            landed = find_landed(line, repo) if fault.response.status_code == 412 else None
            if landed is None:
                raise
            return landed
    return str(commit.oid)


def _send_files(line: Line, repo: PlannedRepo, files: Sequence[PlannedFile]) -> list[Any]:
    """Send those of the files that the Hub keeps outside git; the rest goes with the commit."""
    name = files[0].path if len(files) == 1 else f"작은 파일 {len(files)}개"
    with told_plainly(line.hub, repo.repo, f"{attach(name, '을')} 보내다가"):
        additions = [CommitOperationAdd(file.path, repo.folder / file.path) for file in files]
        line.meter.begin(f"{repo.repo} {name}", sum(file.size for file in files))
        line.api.preupload_lfs_files(
            repo.repo, additions, repo_type=repo.kind, num_threads=1, free_memory=False
        )
        line.meter.end()
    return additions


def _collect(line: Line, repos: Sequence[PlannedRepo], wish: Wish) -> str:
    """Link the repositories in a collection of their owner; gives its address."""
    owner = repos[0].repo.partition("/")[0]
    with told_plainly(
        line.hub, f"{owner}/{wish.title}", "저장소는 모두 올렸으나 컬렉션을 만들다가"
    ):
        collection = line.api.create_collection(
            wish.title, namespace=owner, private=wish.is_private, exists_ok=True
        )
        there = {(item.item_type, item.item_id) for item in collection.items}
        for repo in repos:
            if (repo.kind, repo.repo) not in there:
                line.api.add_collection_item(collection.slug, repo.repo, repo.kind, exists_ok=True)
    return str(collection.url)


def _tell_interrupted(done: Sequence[PublishedRepo]) -> str:
    whole = ", ".join(each.repo for each in done) or "없음"
    return (
        f"올리기를 멈췄습니다. 끝난 저장소: {whole}. 나머지 저장소에는 커밋하지 않아 예전 "
        "그대로입니다. 같은 명령을 다시 실행하면 아직 올라가지 않은 것만 보냅니다."
    )


def _summarize(published: Published) -> str:
    count = sum(len(repo.files) for repo in published.repos)
    same = sum(repo.was_unchanged for repo in published.repos)
    rest = f", 바뀐 것이 없어 커밋하지 않은 저장소 {same}개" if same else ""
    return f"저장소 {len(published.repos)}개, 파일 {count}개, {published.size / 1e6:.1f} MB{rest}"
