"""The HTTP client that huggingface_hub is given for an upload: it waits, counts and gives up."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import hf_raise_for_status, parse_ratelimit_headers
from huggingface_hub.utils._http import hf_request_event_hook

from exagirl.korean.particles import attach
from exagirl.publish.hub.meter import Meter
from exagirl.publish.hub.patience import GaveUpError, Patience

WORTH_ANOTHER_TRY = frozenset({408, 429, 500, 502, 503, 504})
BROKEN_LINE = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)
TIMEOUT = httpx2.Timeout(connect=20, read=300, write=120, pool=None)
"""Seconds; a commit of many files is answered late. huggingface_hub by itself waits for ever."""
Say = Callable[[str], None]


class Effort:
    """What an upload has spent; huggingface_hub makes a new client after a broken line."""

    def __init__(self) -> None:
        self.failed: Counter[str] = Counter()
        """Failed tries of each file's address."""
        self.waited_s = 0.0


class PatientClient(httpx2.Client):
    """Sends again what met a busy hub or a broken line, and tells of it.

    huggingface_hub tries only some of its requests again: not the ones that create, commit and
    tag. Here every request is, and at the end ``GaveUpError`` is raised, after which
    huggingface_hub does not begin anew. Bodies of files (PUT) are left to huggingface_hub's own
    tries, because it alone can rewind the file; they are counted and bounded here.
    """

    def __init__(self, patience: Patience, effort: Effort, meter: Meter, say: Say) -> None:
        super().__init__(
            event_hooks={"request": [hf_request_event_hook]},
            follow_redirects=True,
            timeout=TIMEOUT,
        )
        self._patience = patience
        self._meter = meter
        self._say = say
        self._effort = effort

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request, with patience.

        Raises:
            GaveUpError: The tries or the time ran out.
        """
        if request.method == "PUT":
            return self._send_file(request, **options)
        for tried in itertools.count(1):
            met = self._try(request, **options)
            if isinstance(met, httpx2.Response) and met.status_code not in WORTH_ANOTHER_TRY:
                return met
            time.sleep(self._pause_s(met, tried))
        raise AssertionError("unreachable")

    def _send_file(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        url = str(request.url)
        request.stream = _Counted(request.stream, lambda position: self._meter.sent(url, position))
        met = self._try(request, **options)
        if isinstance(met, httpx2.Response) and met.status_code not in WORTH_ANOTHER_TRY:
            return met
        self._effort.failed[url] += 1
        self._pause_s(met, self._effort.failed[url])
        if isinstance(met, Exception):
            raise met
        return met

    def _try(self, request: httpx2.Request, **options: Any) -> httpx2.Response | Exception:
        if not any((request.extensions.get("timeout") or {}).values()):
            # Some calls of huggingface_hub ask for no timeout by name.
            request.extensions = {**request.extensions, "timeout": TIMEOUT.as_dict()}
        try:
            response = super().send(request, **options)
        except BROKEN_LINE as fault:
            return fault
        if response.status_code in WORTH_ANOTHER_TRY:
            response.read()
        return response

    def _pause_s(self, met: httpx2.Response | Exception, tried: int) -> float:
        """How long to wait before the next try; tells of it, or gives up."""
        asked_s = _asked_wait_s(met) if isinstance(met, httpx2.Response) else None
        wait_s = self._patience.first_wait_s * 2 ** (tried - 1) if asked_s is None else asked_s
        is_over = (
            tried >= self._patience.tries
            or wait_s > self._patience.longest_wait_s
            or self._effort.waited_s + wait_s > self._patience.total_wait_s
        )
        if is_over:
            fault = _as_fault(met) if isinstance(met, httpx2.Response) else met
            raise GaveUpError(fault, asked_s)
        self._effort.waited_s += wait_s
        what = (
            f"허브가 {attach(str(met.status_code), '으로')} 답했습니다"
            if isinstance(met, httpx2.Response)
            else "허브와의 연결이 끊겼습니다"
        )
        self._say(
            f"{what}. {wait_s:g}초 뒤에 다시 보냅니다({tried + 1}/{self._patience.tries}번째)."
        )
        return wait_s


class _Counted(httpx2.SyncByteStream):
    """A request's body that tells how far it has been read."""

    def __init__(self, body: Any, tell: Callable[[int], None]) -> None:
        self._body = body
        self._tell = tell

    def __iter__(self) -> Iterator[bytes]:
        position = 0
        for chunk in self._body:
            yield chunk
            position += len(chunk)
            self._tell(position)


def _asked_wait_s(response: httpx2.Response) -> float | None:
    """What the hub asked for in its headers, plus one second as huggingface_hub does; or None."""
    limit = parse_ratelimit_headers(response.headers) if response.status_code == 429 else None
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds) + 1
    after = response.headers.get("Retry-After", "").strip()
    return float(after) + 1 if after.isdigit() else None


def _as_fault(response: httpx2.Response) -> Exception:
    """The error that huggingface_hub makes of it, with the server's own words."""
    try:
        hf_raise_for_status(response)
    except HfHubHTTPError as error:
        fault: Exception = error
        return fault
    raise AssertionError(f"{response.status_code} is no error")
