"""A real OpenAI-compatible endpoint on 127.0.0.1 that streams what a test writes."""

import json
from threading import Event, Lock

from support.loopback import Loopback

CUT = object()
"""The line is cut here."""
END = object()
"""The stream ends here, without a word that the reply is whole."""


class StreamServer(Loopback):
    """Listens from ``with`` to the end of the block.

    Each reply is a list of pieces: texts, an `Event` that is waited for, `CUT` or `END`; or a pair
    of an HTTP status and words. The last reply is given again and again.
    """

    def __init__(self, *replies, models=("tiny",)):
        super().__init__(waits=False)
        self.replies = list(replies)
        self.models = models
        self.bodies = []
        self.headers = []
        self._lock = Lock()

    @property
    def url(self):
        """What a backend is given."""
        return f"{self.address}/v1"

    def serve(self, handler):
        """Tell the models, or stream a reply."""
        if handler.command == "GET":
            data = [{"id": name, "object": "model"} for name in self.models]
            _send_json(handler, 200, {"object": "list", "data": data})
        else:
            self.answer(handler)

    @property
    def heard(self):
        """The last message of every request."""
        return [body["messages"][-1]["content"] for body in self.bodies]

    def answer(self, handler):
        """Give one request its reply."""
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self.bodies.append(body)
            self.headers.append(handler.headers)
            reply = self.replies[min(len(self.bodies), len(self.replies)) - 1]
        if isinstance(reply, tuple):
            _send_json(handler, reply[0], {"error": {"message": reply[1], "type": "test"}})
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for piece in reply:
            if isinstance(piece, Event):
                piece.wait(30)
            elif piece is CUT:
                # A line that promises a chunk and closes.
                handler.wfile.write(b'data: {"choices": [')
                return
            elif piece is END:
                return
            else:
                _send_chunk(handler, {"content": piece}, None)
        _send_chunk(handler, {}, "stop")
        handler.wfile.write(b"data: [DONE]\n\n")


def _send_chunk(handler, delta, finish):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "tiny"}
    data = json.dumps(chunk | {"choices": [choice]})
    handler.wfile.write(f"data: {data}\n\n".encode())
    handler.wfile.flush()


def _send_json(handler, status, value):
    body = json.dumps(value).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
