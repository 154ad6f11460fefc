"""Turns what huggingface_hub raised into words that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from exagirl.korean.particles import attach
from exagirl.publish.faults import PublishError
from exagirl.publish.hub.hub import Hub
from exagirl.publish.hub.patience import GaveUpError

NO_CONNECTION = (httpx2.HTTPError, httpx2.InvalidURL)
NO_XET = (ConnectionError, TimeoutError)
"""From hf_xet, which sends large files over a line of its own where it is installed."""
LONGEST_QUOTE = 300
"""Letters of a server's own words that a message repeats."""
AGAIN = "같은 명령을 다시 실행하면 아직 올라가지 않은 것만 보냅니다."


@contextmanager
def told_plainly(hub: Hub, repo: str, deed: str) -> Iterator[None]:
    """Whatever the block meets of the network or the Hub becomes a ``PublishError``.

    Args:
        hub: Whose token must not be shown.
        repo: OWNER/NAME, or the collection's title.
        deed: What was being done, as '…하는' can follow it: '저장소를 만들다가'.

    Raises:
        PublishError: Told with what to do. The cause is left out on purpose: it may quote headers.
    """
    try:
        yield
    except PublishError:
        raise
    except (HfHubHTTPError, httpx2.HTTPError, httpx2.InvalidURL, GaveUpError) as fault:
        raise _explain(fault, hub, repo, deed) from None
    except (OSError, RuntimeError, ValueError) as fault:
        raise _explain(_inner(fault), hub, repo, deed) from None


def _inner(fault: BaseException) -> BaseException:
    """What stands behind: huggingface_hub wraps what befell a large file."""
    known = (HfHubHTTPError, httpx2.HTTPError, GaveUpError, PublishError)
    seen: BaseException | None = fault
    while seen is not None and not isinstance(seen, known):
        seen = seen.__cause__ or seen.__context__
    return seen or fault


def _explain(fault: BaseException, hub: Hub, repo: str, deed: str) -> PublishError:
    asked_s = fault.wait_s if isinstance(fault, GaveUpError) else None
    fault = fault.fault if isinstance(fault, GaveUpError) else fault
    where = f"{repo}: {deed} "
    if isinstance(fault, PublishError):
        return fault
    if isinstance(fault, HfHubHTTPError) and fault.response is not None:
        status = fault.response.status_code
        words = _by_status(status, repo, hub, asked_s)
        # The status only: a message of huggingface_hub is long, and its advice is for programs.
        quote = _quote(hub, fault.server_message or "")
        told = f" 허브의 말: {quote}" if quote else ""
        answered = f"허브가 {attach(str(status), '으로')} 답했습니다"
        return PublishError(hub.hide(f"{where}{answered}. {words}{told}"))
    if isinstance(fault, OfflineModeIsEnabled):
        return PublishError(
            f"{where}멈췄습니다. 오프라인으로 설정되어 있습니다. HF_HUB_OFFLINE을 지우고 다시 "
            "실행하세요."
        )
    if isinstance(fault, NO_CONNECTION):
        return PublishError(
            hub.hide(
                f"{where}허브({hub.endpoint})와 연결하지 못했습니다({type(fault).__name__}). "
                f"인터넷과 프록시, HF_ENDPOINT를 살펴보세요. {AGAIN}"
            )
        )
    if isinstance(fault, NO_XET):
        return PublishError(
            hub.hide(
                f"{where}큰 파일을 보내는 hf_xet가 허브({hub.endpoint})와 연결하지 못했습니다: "
                f"{_quote(hub, str(fault))}. 되풀이되면 HF_HUB_DISABLE_XET=1을 앞에 붙여 "
                f"실행하세요. {AGAIN}"
            )
        )
    return PublishError(hub.hide(f"{where}멈췄습니다: {_quote(hub, str(fault))}. {AGAIN}"))


def _quote(hub: Hub, text: str) -> str:
    """The beginning of somebody's words; the token is taken out before it could be cut in two."""
    return hub.hide(text).strip()[:LONGEST_QUOTE]


def _by_status(status: int, repo: str, hub: Hub, asked_s: float | None) -> str:
    if status == 429:
        wait = f"{asked_s:g}초 뒤에" if asked_s else "몇 분 뒤에"
        return f"요청이 너무 잦다는 뜻입니다. {wait} 다시 실행하세요. {AGAIN}"
    if status >= 500:
        return f"허브에 탈이 났습니다. https://status.huggingface.co 를 보고 나중에 {AGAIN}"
    tell = _WORDS.get(status)
    return tell(repo, hub) if tell else AGAIN


def _refused(repo: str, hub: Hub) -> str:
    owner = repo.partition("/")[0]
    return (
        f"이 토큰으로는 '{owner}' 아래에 쓸 수 없습니다. --repo의 이름이 내 계정이나 내가 속한 "
        f"조직인지, 토큰에 쓰기(write) 권한이 있는지 {hub.endpoint}/settings/tokens 에서 "
        "확인하세요."
    )


_WORDS: dict[int, Callable[[str, Hub], str]] = {
    400: lambda _repo, _hub: "보낸 것을 허브가 받지 않았습니다. 허브의 말대로 고치세요.",
    401: lambda _repo, hub: (
        f"토큰이 틀렸거나 기한이 지났습니다. {hub.endpoint}/settings/tokens 에서 쓰기 권한이 있는 "
        "토큰을 만들고 'hf auth login'으로 다시 로그인하거나 HF_TOKEN에 넣으세요(HF_TOKEN이 "
        "있으면 그것이 먼저 쓰입니다)."
    ),
    402: lambda _repo, _hub: (
        "이 계정의 요금제로는 만들 수 없습니다. 데모(space)라면 --parts에서 빼고 올린 뒤, "
        "허브에서 직접 만드세요."
    ),
    403: _refused,
    404: lambda _repo, _hub: (
        "저장소를 찾을 수 없습니다. 그 사이 지워졌거나 이름이 바뀌었는지, 토큰이 볼 수 있는 "
        "저장소인지 확인하세요."
    ),
    409: lambda _repo, _hub: (
        "이름이 이미 다른 데 쓰이거나 다른 작업이 진행 중입니다. 잠시 뒤 다시 실행하거나 "
        "--repo를 바꾸세요."
    ),
    412: lambda _repo, _hub: f"그 사이 누군가 저장소에 커밋했습니다. {AGAIN}",
    413: lambda _repo, _hub: (
        "한 번에 보내기에 너무 큽니다. 저장 공간이 남았는지 허브의 설정(Billing)에서 확인하고, "
        "--parts로 나누어 올리세요."
    ),
}
