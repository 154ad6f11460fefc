"""A real OpenAI-compatible chat endpoint on 127.0.0.1 whose answers a test writes."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import Any

from support.loopback import Loopback

PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    number: int
    """1 for the first request that the server received."""
    body: dict[str, Any]
    headers: Message
    query: str = ""
    """What stands behind the question mark of the address."""

    @property
    def system(self) -> str:
        """The system message: the same for every attempt at one slot."""
        return self.body["messages"][0]["content"]

    @property
    def user(self) -> str:
        """The last message."""
        return self.body["messages"][-1]["content"]


@dataclass(frozen=True)
class Answer:
    """What goes over the line."""

    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_dropped: bool = False
    """True where the line is cut before a byte was sent."""


Script = Callable[[Asked], Answer]


def sends(value: Any, status: int = 200, **headers: str) -> Answer:
    """Any JSON value as the body."""
    return Answer(json.dumps(value).encode(), status, headers=headers)


def says(content: str | None, finish_reason: str = "stop") -> Answer:
    """A well-formed chat completion."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33}
    return sends({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage})


def refuses(status: int, message: str = "no", retry_after_s: float | None = None) -> Answer:
    """A refusal in OpenAI's form."""
    error = {"error": {"message": message, "type": "test", "code": None}}
    if retry_after_s is None:
        return sends(error, status)
    return sends(error, status, **{"Retry-After": str(retry_after_s)})


def drops() -> Answer:
    """A line that is cut."""
    return Answer(is_dropped=True)


def page() -> Answer:
    """What a login page or a proxy answers: HTML with status 200."""
    return Answer(b"<!doctype html><html><body>hello</body></html>", kind="text/html")


def huge(size: int) -> Answer:
    """A well-formed chat completion with so many letters in it."""
    return says("a" * size)


def cut_json() -> Answer:
    """A body that calls itself JSON and stops in the middle."""
    return Answer(b'{"choices": [{"mess')


def in_turn(*answers: Answer) -> Script:
    """One answer after the other to each slot; the last one is repeated."""
    met: Counter[str] = Counter()
    lock = Lock()

    def script(asked: Asked) -> Answer:
        with lock:
            met[asked.system] += 1
            return answers[min(met[asked.system], len(answers)) - 1]

    return script


class ChatServer(Loopback):
    """Listens from ``with`` to the end of the block, on a port that was free."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._script = script
        self._at_once = 0
        self._lock = Lock()

    @property
    def url(self) -> str:
        """What a recipe writes as ``teacher.base_url``."""
        return f"{self.address}/v1"

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path, _, query = handler.path.partition("?")
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            asked = Asked(len(self.asked) + 1, body, handler.headers, query)
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            answer = self._script(asked) if path == PATH else refuses(404, "no such path")
        finally:
            with self._lock:
                self._at_once -= 1
        if answer.is_dropped:
            return
        # A test that gives a Date speaks for a server whose clock is its own.
        (handler.send_response_only if "Date" in answer.headers else handler.send_response)(
            answer.status
        )
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Type", answer.kind)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)
