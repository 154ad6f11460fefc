"""A double of the Hugging Face Hub on 127.0.0.1, for the real huggingface_hub to talk to.

It speaks what the client needs to create, upload, tag, list and download, and it can fail as a
test asks. It proves the client's side only: what the real Hub takes is known to the real Hub.
"""

import socket
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from threading import Event, Lock
from types import TracebackType

from support.chat_server import Answer, sends
from support.hub_routes import Asked, HubRoutes, find_route
from support.hub_store import HubStore
from support.loopback import Loopback

TOKEN = "hf_TestTokenThatMustNeverBeShown42"
USER = "exa-maker"
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request."""

    status: int = 500
    message: str = "no"
    retry_after_s: int | None = None
    cut_after: int | None = None
    """The line is cut when so many bytes of the body have come; None: it is not."""
    is_done: bool = False
    """True where the Hub does what was asked, and only the answer is lost."""
    holds: bool = False
    """True where no answer comes until the server ends."""


@dataclass(frozen=True)
class Met:
    """One request as it went."""

    route: str
    method: str
    path: str
    received: int
    """Bytes of the body that came."""
    status: int
    """0 where the line was cut."""
    agent: str
    has_token: bool


class HubServer(Loopback):
    """Listens from ``with`` to the end of the block, on a port that was free.

    Args:
        faults: What goes wrong, by route (see ``hub_routes.ROUTES``), one entry a request;
            None: nothing.
        part_bytes: Large objects above this size are sent in parts of it; None: in one piece.
        page: Entries on a page of a listing.
        storage: Where large objects are to be sent; None: here.
        echoes_token: Every refusal repeats the caller's token, as a badly made proxy would.
    """

    def __init__(
        self,
        faults: Mapping[str, Sequence[Fault | None]] | None = None,
        *,
        part_bytes: int | None = None,
        page: int = 50,
        storage: str | None = None,
        echoes_token: bool = False,
    ) -> None:
        super().__init__()
        self.store = HubStore()
        self.met: list[Met] = []
        self.reached = Event()
        """Set when a request is held."""
        self._faults = faults or {}
        self._echoes = echoes_token
        self._seen: Counter[str] = Counter()
        self._lock = Lock()
        self._ended = Event()

        self._routes = HubRoutes(
            self.store, self.url, {TOKEN: USER}, part_bytes=part_bytes, page=page, storage=storage
        )

    @property
    def url(self) -> str:
        """What goes into HF_ENDPOINT."""
        return self.address

    def count(self, route: str) -> int:
        """How many requests of this route came."""
        return sum(met.route == route for met in self.met)

    def received(self, route: str) -> int:
        """Bytes of the bodies of this route's requests."""
        return sum(met.received for met in self.met if met.route == route)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        super().__exit__(kind, error, trace)

    def _next_fault(self, route: str) -> Fault | None:
        with self._lock:
            planned = self._faults.get(route, ())
            number = self._seen[route]
            self._seen[route] += 1
        return planned[number] if number < len(planned) else None

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        method = "GET" if handler.command == "HEAD" else handler.command
        route, match = find_route(method, handler.path)
        fault = self._next_fault(route)
        size = int(handler.headers.get("Content-Length") or 0)
        is_cut = fault is not None and fault.cut_after is not None
        body = _read(handler, min(size, fault.cut_after) if is_cut else size)
        if fault is not None and fault.holds:
            self.reached.set()
            self._ended.wait()
            is_cut = True
        if is_cut:
            self._note(handler, route, body, 0)
            _cut(handler)
            return
        asked = Asked(handler.path, body, handler.headers, match)
        answer = None if fault and not fault.is_done else self._routes.answer(route, asked)
        if fault is not None:
            answer = self._refuse(fault, handler)
        self._note(handler, route, body, answer.status)
        _send(handler, answer)

    def _refuse(self, fault: Fault, handler: BaseHTTPRequestHandler) -> Answer:
        message = fault.message
        if self._echoes:
            message += f": {handler.headers.get('Authorization')}"
        headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
        return sends({"error": message}, fault.status, **headers)

    def _note(self, handler: BaseHTTPRequestHandler, route: str, body: bytes, status: int) -> None:
        agent = handler.headers.get("User-Agent", "")
        has_token = "Authorization" in handler.headers
        met = Met(route, handler.command, handler.path, len(body), status, agent, has_token)
        with self._lock:
            self.met.append(met)


def _read(handler: BaseHTTPRequestHandler, size: int) -> bytes:
    parts = []
    while size > 0 and (part := handler.rfile.read(min(size, _CHUNK))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _cut(handler: BaseHTTPRequestHandler) -> None:
    """End the connection as a broken line does: at once, with what is under way lost."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    handler.connection.close()


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    handler.send_response(answer.status)
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Type", answer.kind)
    handler.send_header("Content-Length", str(len(answer.body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(answer.body)
