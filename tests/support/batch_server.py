"""A real endpoint on 127.0.0.1 for OpenAI's files and batches, whose answers a test writes."""

import email
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from threading import Event, Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.chat_server import Answer, Asked, Script, drops, refuses, sends
from support.loopback import Loopback

PAGE = 2
"""How many batches the list shows at once, whatever limit is asked for."""


@dataclass(frozen=True)
class End:
    """How a batch ends."""

    status: str = "completed"
    answered: int | None = None
    """How many of its requests are answered, from the first; None: all."""
    message: str = ""
    """Why it failed."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one call."""

    answer: Answer
    is_done: bool = False
    """True where the endpoint does what was asked, and only its answer is lost."""


@dataclass
class Job:
    """One batch as it came in."""

    id: str
    name: str
    """What stood in its metadata."""
    ids: list[str]
    """The ``custom_id`` of each request."""
    asked: list[Asked]
    end: End
    looked: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    """What each request came to, once the batch has ended."""


Mix = Callable[[list[str]], list[str]]


class BatchServer(Loopback):
    """Listens from ``with`` to the end of the block, on a port that was free.

    Args:
        script: What each request is answered; other than 200 goes into the error file.
        ends: How the batches end, the last one for all that follow.
        faults: What goes wrong, by route (``POST /files``), one entry a call; None: nothing.
        mix: Changes the lines of an output file.
        holds: From which batch on (1, 2, …) they stay in progress until ``may_end`` is set.
        watch: Is told every route before it is served.
    """

    def __init__(
        self,
        script: Script,
        *,
        ends: Sequence[End] = (End(),),
        faults: Mapping[str, Sequence[Fault | None]] | None = None,
        mix: Mix = list,
        holds: int | None = None,
        watch: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self.batches: list[Job] = []
        self.calls: list[str] = []
        self.keys: set[str | None] = set()
        """What stood in the header ``Authorization``."""
        self.is_held = Event()
        """Set once somebody has waited for a batch that does not end."""
        self.may_end = Event()
        self._holds = holds
        self._script, self._ends, self._mix, self._watch = script, ends, mix, watch
        self.faults = {route: list(faults) for route, faults in (faults or {}).items()}
        self._files: dict[str, bytes] = {}
        self._lock = Lock()

    @property
    def asked(self) -> list[Asked]:
        """The requests of all batches."""
        return [asked for job in self.batches for asked in job.asked]

    @property
    def url(self) -> str:
        """What a recipe writes as ``teacher.base_url``."""
        return f"{self.address}/v1"

    def lose_everything(self) -> None:
        """Know no batch and no file any more."""
        self.batches.clear()
        self._files.clear()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        path = urlsplit(handler.path)
        kind, *rest = path.path.removeprefix("/v1/").split("/")
        route = "/".join([f"{handler.command} ", kind, *(["ID", *rest[1:]] if rest else [])])
        self._watch(route)
        with self._lock:
            self.calls.append(route)
            self.keys.add(handler.headers["Authorization"])
            planned = self.faults.get(route, [])
            fault = planned.pop(0) if planned else None
            if fault is None or fault.is_done:
                answer = self._answer(route, rest, parse_qs(path.query), handler.headers, body)
            if fault is not None:
                answer = fault.answer
        _write(handler, answer)

    def _answer(
        self,
        route: str,
        rest: list[str],
        query: dict[str, list[str]],
        headers: Message,
        body: bytes,
    ) -> Answer:
        if route == "POST /files":
            return self._take_file(headers, body)
        if route == "POST /batches":
            return self._take_batch(json.loads(body), headers)
        if route == "GET /batches":
            return self._list(query)
        if route == "GET /batches/ID":
            return self._show(rest[0])
        if route == "GET /files/ID/content" and rest[0] in self._files:
            return Answer(self._files[rest[0]], kind="application/octet-stream")
        return refuses(404, "no such path")

    def _take_file(self, headers: Message, body: bytes) -> Answer:
        form = {}
        whole = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body
        for part in email.message_from_bytes(whole).get_payload():
            name = part.get_param("name", header="content-disposition")
            form[name] = part.get_payload(decode=True)
        if form.get("purpose") != b"batch":
            return refuses(400, "purpose must be batch")
        number = f"file-{len(self._files) + 1}"
        self._files[number] = form["file"]
        return sends({"id": number, "object": "file", "purpose": "batch", "filename": "x.jsonl"})

    def _take_batch(self, order: dict[str, Any], headers: Message) -> Answer:
        lines = [json.loads(line) for line in self._files[order["input_file_id"]].splitlines()]
        names = {line["custom_id"] for line in lines}
        endpoints = {(line["method"], line["url"]) for line in lines}
        if len(names) < len(lines) or endpoints != {("POST", order["endpoint"])}:
            return refuses(400, "a line is wrong")
        if order["completion_window"] != "24h" or any(len(name) > 64 for name in names):
            return refuses(400, "the order is wrong")
        number, before = len(self.batches), len(self.asked)
        end = self._ends[min(number, len(self._ends) - 1)]
        asked = [Asked(before + n, line["body"], headers) for n, line in enumerate(lines, 1)]
        ids = [line["custom_id"] for line in lines]
        job = Job(f"batch_{number + 1}", order["metadata"]["exagirl"], ids, asked, end)
        self.batches.append(job)
        return sends(self._as_json(job, "validating"))

    def _show(self, name: str) -> Answer:
        number = next((n for n, job in enumerate(self.batches) if job.id == name), None)
        if number is None:
            return refuses(404, "no such batch")
        job = self.batches[number]
        job.looked += 1
        if self._holds is None or number + 1 < self._holds:
            if job.looked > 2:
                return self._end(job)
        elif self.may_end.is_set():
            return self._end(job)
        else:
            self.is_held.set()
        return sends(self._as_json(job, "validating" if job.looked == 1 else "in_progress"))

    def _end(self, job: Job) -> Answer:
        if not job.rows:
            job.rows = self._work_off(job)
        return sends(self._as_json(job, job.end.status))

    def _list(self, query: dict[str, list[str]]) -> Answer:
        newest = self.batches[::-1]
        after = query.get("after", [""])[0]
        start = next((n + 1 for n, job in enumerate(newest) if job.id == after), 0)
        page = newest[start : start + PAGE]
        shown = [self._as_json(job, "in_progress") for job in page]
        return sends({"object": "list", "data": shown, "has_more": start + PAGE < len(newest)})

    def _work_off(self, job: Job) -> list[dict[str, Any]]:
        """Answer a batch: good answers into one file, the others into another."""
        count = len(job.ids) if job.end.answered is None else job.end.answered
        answers = [self._script(asked) for asked in job.asked[:count]]
        missing = [drops()] * (len(job.ids) - count)
        rows = [_row(*pair) for pair in zip(job.ids, [*answers, *missing], strict=True)]
        good = self._mix([json.dumps(row, ensure_ascii=False) for row in rows if _is_good(row)])
        bad = [json.dumps(row) for row in rows if not _is_good(row)]
        for name, lines in (("output", good), ("error", bad)):
            if lines:
                self._files[f"{name}-{job.id}"] = "\n".join(lines).encode()
        return rows

    def _as_json(self, job: Job, status: str) -> dict[str, Any]:
        shown = {
            "id": job.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file-1",
            "completion_window": "24h",
            "created_at": 1,
            "metadata": {"exagirl": job.name},
            "status": status,
        }
        if status in ("completed", "expired", "cancelled"):
            done = sum(map(_is_good, job.rows))
            shown["request_counts"] = {"total": len(job.ids), "completed": done, "failed": 0}
            for name in ("output", "error"):
                file = f"{name}-{job.id}"
                shown[f"{name}_file_id"] = file if file in self._files else None
        if status == "failed":
            shown["errors"] = {"object": "list", "data": [{"message": job.end.message}]}
        return shown


def _is_good(row: dict[str, Any]) -> bool:
    return row["response"] is not None and row["response"]["status_code"] == 200


def _row(name: str, answer: Answer) -> dict[str, Any]:
    """One line of a result; an answer that never came is an error."""
    if answer.is_dropped:
        error = {"code": "batch_expired", "message": "could not be executed in time"}
        return {"id": "r", "custom_id": name, "response": None, "error": error}
    body = json.loads(answer.body)
    response = {"status_code": answer.status, "request_id": "q", "body": body}
    return {"id": "r", "custom_id": name, "response": response, "error": None}


def _write(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    if answer.is_dropped:
        return
    handler.send_response(answer.status)
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Type", answer.kind)
    handler.send_header("Content-Length", str(len(answer.body)))
    handler.end_headers()
    handler.wfile.write(answer.body)
