"""Reads and prepares a repository on the Hub, before a byte of a file is sent."""

from __future__ import annotations

from typing import Any

from huggingface_hub import get_session
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status
from pydantic import Field

from exagirl.publish.faults import PublishError
from exagirl.publish.hub.compare import Difference, RemoteFile, compare
from exagirl.publish.hub.hub import AGENT, Line
from exagirl.publish.hub.telling import told_plainly
from exagirl.publish.repo import PlannedRepo
from exagirl.record import Record

CARD = "README.md"
SPACE_SDK = "gradio"


class Prepared(Record):
    """A repository that stands on the Hub, and what has to be sent to it."""

    repo: PlannedRepo
    url: str
    head: str = Field(description="지금의 마지막 커밋. 우리 커밋은 바로 그 뒤에 놓여야 한다.")
    difference: Difference


def prepare(line: Line, repo: PlannedRepo, *, is_private: bool) -> Prepared:
    """Create the repository where it is missing, and see what differs.

    Raises:
        PublishError: It may not be created; it is public and should be private; its card is not
            valid; or somebody else changed a file that would be overwritten.
    """
    with told_plainly(line.hub, repo.repo, "저장소를 준비하다가"):
        sdk = SPACE_SDK if repo.kind == "space" else None
        line.api.create_repo(
            repo.repo, repo_type=repo.kind, private=is_private, exist_ok=True, space_sdk=sdk
        )
        info = line.api.repo_info(repo.repo, repo_type=repo.kind)
        _check_privacy(line, repo, is_private=is_private, stands_private=bool(info.private))
        difference = compare(repo, list_files(line, repo, info.sha))
    if difference.foreign:
        raise PublishError(_tell_foreign(repo, difference.foreign))
    if any(file.path == CARD for file in difference.changed):
        _check_card(line, repo)
    return Prepared(repo=repo, url=web_address(line, repo), head=info.sha, difference=difference)


def web_address(line: Line, repo: PlannedRepo) -> str:
    """Where a person looks at the repository."""
    prefix = {"model": "", "dataset": "datasets/", "space": "spaces/"}[repo.kind]
    return f"{line.hub.endpoint}/{prefix}{repo.repo}"


def find_landed(line: Line, repo: PlannedRepo) -> str | None:
    """The head where it holds the folder already: a commit whose answer was lost; else None."""
    head = str(line.api.repo_info(repo.repo, repo_type=repo.kind).sha)
    return head if compare(repo, list_files(line, repo, head)).is_none else None


def list_files(line: Line, repo: PlannedRepo, revision: str) -> dict[str, RemoteFile]:
    """Every file of a revision, with the commit that touched it last."""
    entries = line.api.list_repo_tree(
        repo.repo, repo_type=repo.kind, revision=revision, recursive=True, expand=True
    )
    return {entry.path: _as_file(entry) for entry in entries if isinstance(entry, RepoFile)}


def _as_file(entry: Any) -> RemoteFile:
    last = entry.last_commit
    return RemoteFile(
        size=entry.size,
        blob_id=entry.blob_id,
        sha256=entry.lfs.sha256 if entry.lfs else "",
        title=last.title if last else "",
    )


def _check_privacy(
    line: Line, repo: PlannedRepo, *, is_private: bool, stands_private: bool
) -> None:
    if is_private and not stands_private:
        raise PublishError(
            f"{repo.repo}: 비공개로 올리려 했으나 이 저장소는 이미 공개되어 있어 올리지 "
            f"않았습니다. {web_address(line, repo)}/settings 에서 비공개로 바꾸거나 --private를 "
            "빼세요."
        )
    if stands_private and not is_private:
        line.watcher.say(
            f"{repo.repo}: 이미 비공개로 있는 저장소라 비공개로 남습니다. 공개하려면 "
            f"{web_address(line, repo)}/settings 에서 바꾸세요."
        )


def _tell_foreign(repo: PlannedRepo, paths: tuple[str, ...]) -> str:
    names = ", ".join(paths[:5]) + (f" 밖 {len(paths) - 5}개" if len(paths) > 5 else "")
    return (
        f"{repo.repo}: 허브에서 누군가 고친 파일이 있어 덮어쓰지 않았습니다: {names}. 고친 내용을 "
        "버려도 되면 허브에서 그 파일을 지우고, 남기려면 저장소를 다른 이름으로 옮긴 뒤 다시 "
        "실행하세요."
    )


def _check_card(line: Line, repo: PlannedRepo) -> None:
    """Let the Hub judge the card first: a fault is better found before gigabytes are sent."""
    content = (repo.folder / CARD).read_text(encoding="utf-8")
    token = line.hub.token.get_secret_value()
    with told_plainly(line.hub, repo.repo, f"{CARD}를 검사받다가"):
        response = get_session().post(
            f"{line.hub.endpoint}/api/validate-yaml",
            json={"content": content, "repoType": repo.kind},
            headers=build_hf_headers(token=token, headers={"user-agent": AGENT}),
        )
        answer = _json(response)
        if response.status_code == 400:
            faults = "; ".join(str(fault.get("message")) for fault in answer.get("errors", []))
            raise PublishError(
                line.hub.hide(
                    f"{repo.repo}: 허브가 {CARD}의 머리글을 받지 않았습니다: {faults}. 올린 "
                    "파일은 없습니다. 카드를 고치고 다시 실행하세요."
                )
            )
        hf_raise_for_status(response)
    for warning in answer.get("warnings", []):
        line.watcher.say(
            line.hub.hide(f"{repo.repo}: {CARD}에 대한 허브의 말: {warning['message']}")
        )


def _json(response: Any) -> dict[str, Any]:
    try:
        value = response.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def set_tag(line: Line, repo: PlannedRepo, *, tag: str, commit: str, may_move: bool) -> bool:
    """Name a commit; True where the name was taken from another commit.

    A tag stands for a run. It is moved to a commit that was made just now, because then the run's
    published form is new; a tag on an older commit is left where nothing was committed.
    """
    with told_plainly(line.hub, repo.repo, f"꼬리표 '{tag}'를 붙이다가"):
        refs = line.api.list_repo_refs(repo.repo, repo_type=repo.kind)
        stands = {ref.name: ref.target_commit for ref in refs.tags}
        is_elsewhere = tag in stands and stands[tag] != commit
        if is_elsewhere and not may_move:
            return False
        if is_elsewhere:
            line.api.delete_tag(repo.repo, tag=tag, repo_type=repo.kind)
        if is_elsewhere or tag not in stands:
            line.api.create_tag(
                repo.repo, tag=tag, revision=commit, repo_type=repo.kind, exist_ok=True
            )
        return is_elsewhere
