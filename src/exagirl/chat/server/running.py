"""The server as a process: it binds, serves, and on SIGTERM finishes what is running."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn

from exagirl.chat.filling import Fill
from exagirl.chat.server.app import build_app
from exagirl.chat.server.backend import Backend
from exagirl.chat.server.faults import ServeError
from exagirl.chat.server.keys import check_host
from exagirl.chat.server.options import ServeOptions

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BACKLOG = 2048


def serve(
    backend: Backend,
    options: ServeOptions,
    *,
    fill: Fill | None = None,
    system: str = "",
    on_ready: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve until SIGTERM or SIGINT; what is running then is finished, what waits is refused.

    A second signal ends at once.

    Args:
        backend: What speaks.
        options: Where and for whom.
        fill: Puts names for placeholders.
        system: The system message of requests that bring none.
        on_ready: Told the address once requests are answered.

    Raises:
        ServeError: The address cannot be opened, or may not be without a key.
    """
    check_host(options.host, options.api_key)
    app = build_app(backend, options, fill=fill, system=system)
    listening = _bind(options)
    server = Drainer(app, options, on_ready=lambda: on_ready(_address(options.host, listening)))
    try:
        asyncio.run(server.serve(sockets=[listening]))
    finally:
        listening.close()


class Drainer(uvicorn.Server):
    """uvicorn that ends with 0 after a signal, and closes the queue at once.

    Args:
        app: From `build_app`.
        options: How long the end may take.
        on_ready: Told once requests are answered.
    """

    def __init__(
        self, app: Any, options: ServeOptions, *, on_ready: Callable[[], None] = lambda: None
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=options.drain_s,
            lifespan="on",
        )
        super().__init__(config)
        self._queue = app.state.queue
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is running end; refuse the rest."""
        self._queue.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals as the wish to end; unlike uvicorn's own, do not raise them again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {name: signal.signal(name, self._end) for name in SIGNALS}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        if self.should_exit:
            self.force_exit = True
            # What is cut off now was asked to be; uvicorn would tell it with a traceback.
            logging.getLogger("uvicorn.error").disabled = True
        self.should_exit = True


def _bind(options: ServeOptions) -> socket.socket:
    host, port = options.host, options.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ServeError(
            f"{host}:{port}을 열 수 없습니다({error.strerror or error}). 다른 번호를 쓰세요: "
            f"--port {port + 1 if port < 65535 else 8000}"
        ) from error


def _address(host: str, listening: socket.socket) -> str:
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
