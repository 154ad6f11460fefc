"""Uploads written folders to the Hub: one commit a repository, a tag, and a collection."""

from __future__ import annotations

from collections.abc import Sequence

from exagirl.errors import MissingExtraError
from exagirl.progress import Watcher
from exagirl.publish.hub.published import Published
from exagirl.publish.repo import PlannedRepo

INSTALL = "pip install 'exagirl[publish]'"


def upload(  # noqa: PLR0913 - two places (token, endpoint) and three wishes; each is asked apart
    repos: Sequence[PlannedRepo],
    *,
    private: bool,
    tag: str,
    title: str,
    token: str | None,
    endpoint: str | None,
    watcher: Watcher,
) -> Published:
    """Bring every repository on the Hub to what its folder holds.

    A repository gets one commit with the new and changed files, or none where nothing differs.
    Files that others put there stay. The large files go first, one after the other; what was whole
    when the line broke is not sent again by the next call.

    Args:
        repos: What to upload, in this order.
        private: Repositories that do not exist yet are created private.
        tag: Names the commit in every repository.
        title: The collection's title; there is one where there is more than one repository.
        token: None: ``HF_TOKEN`` or what 'hf auth login' left. It is never shown.
        endpoint: None: ``HF_ENDPOINT`` or the public Hub.
        watcher: Told bytes, pauses, and what somebody should know.

    Raises:
        PublishError: Told with what to do; repositories that were finished before stay so.
        MissingExtraError: huggingface_hub is not installed.
        KeyboardInterrupt: Ctrl-C; a repository is either committed whole or not at all.
    """
    try:
        from exagirl.publish.hub.hub import find_hub
        from exagirl.publish.hub.sending import Wish, send
    except ImportError as missing:
        raise MissingExtraError(
            f"허깅페이스에 올리는 데 필요한 {missing.name}가 없습니다. 설치하세요: {INSTALL}"
        ) from None
    hub = find_hub(endpoint, token)
    return send(repos, Wish(is_private=private, tag=tag, title=title), hub=hub, watcher=watcher)
