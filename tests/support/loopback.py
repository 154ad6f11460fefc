"""A real HTTP server on a free port of this machine, which a test owns."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

VERBS = ("GET", "HEAD", "POST", "PUT", "DELETE")


class Loopback:
    """Listens from ``with`` to the end of the block; a subclass answers in ``serve``.

    Args:
        waits: The end waits for the answers under way.
    """

    def __init__(self, *, waits: bool = True) -> None:
        def serve(handler: BaseHTTPRequestHandler) -> None:
            self.serve(handler)

        verbs: dict[str, Any] = {f"do_{verb}": serve for verb in VERBS}
        handler = type("Handler", (_Quiet,), verbs)
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.daemon_threads = not waits
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request; called in a thread of its own."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Keep the test's output quiet."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that was killed is part of a test."""
