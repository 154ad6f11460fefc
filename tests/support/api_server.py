"""The API on a free port of 127.0.0.1, in a thread, with a tiny random model."""

import asyncio
import json
import socket
import time
from contextlib import ExitStack, contextmanager
from threading import Thread

import openai
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from exagirl.chat.server.app import build_app
from exagirl.chat.server.local import LocalBackend
from exagirl.chat.server.options import ServeOptions
from exagirl.chat.server.running import Drainer
from exagirl.chatmodel.local import LocalModel
from exagirl.chatmodel.local_slots import SlotModel

NAME = "tiny"
HOST = "127.0.0.1"
HELLO = [{"role": "user", "content": "안녕! 오늘 뭐 했어?"}]
LONG = {"model": NAME, "messages": HELLO, "max_tokens": 3500, "temperature": 1.0, "seed": 5}
"""Some seconds of talk for a model that does not end of itself."""


def save_talker(folder, *, is_endless=False):
    """A model folder that `exagirl serve` takes."""
    from support.tiny_chat import chat_tokenizer
    from support.tiny_models import tiny_llama

    place = folder / NAME
    model = tiny_llama(tied=True)
    if is_endless:
        model.generation_config.eos_token_id = 9999  # a token that it does not have
    model.save_pretrained(place)
    chat_tokenizer(folder).save_pretrained(place)
    return place


class Api:
    """A server that listens, and clients of it."""

    def __init__(self, server, port, backend):
        self.server = server
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.backend = backend
        self.queue = server.config.app.state.queue
        self.clients = ExitStack()

    def client(self, **more):
        """The official client; it is closed with the server."""
        options = {"api_key": "none", "max_retries": 0, **more}
        return self.clients.enter_context(openai.OpenAI(base_url=f"{self.url}/v1", **options))

    def async_client(self, **more):
        """The official client for asyncio."""
        options = {"api_key": "none", "max_retries": 0, **more}
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", **options)

    def raw(self, body, *, path="/v1/chat/completions", headers="", source="127.0.0.1", host=HOST):
        """A connection over which a request was sent; the answer has not been read."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        line = socket.create_connection(
            ("127.0.0.1", self.port), timeout=60, source_address=(source, 0)
        )
        self.clients.callback(line.close)
        line.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{headers}"
            f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode()
            + data
        )
        return line

    def wait_for(self, is_so, limit_s=20.0):
        """Seconds until something is so."""
        begin = time.monotonic()
        while not is_so():
            assert time.monotonic() - begin < limit_s, "it did not come to be so"
            time.sleep(0.01)
        return time.monotonic() - begin


@contextmanager
def api_of(backend, *, fill=None, system="", **options):
    """Serve a backend until the end of the block."""
    chosen = ServeOptions(port=0, drain_s=10, **options)
    app = build_app(backend, chosen, fill=fill, system=system)
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = Drainer(app, chosen)
    thread = Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    api = Api(server, listening.getsockname()[1], backend)
    try:
        api.wait_for(lambda: server.started or not thread.is_alive())
        with api.clients:
            yield api
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def tiny_backend(folder, *, slots=64):
    """A backend over a saved tiny model.

    In float32, whatever this machine is fast in: in bfloat16 the rounding of a batch reaches the
    third digit, and a model that finds all words about equally likely then says another.
    """
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    local = LocalModel(model, AutoTokenizer.from_pretrained(folder))
    return LocalBackend(SlotModel.of(local), name=NAME, slots=slots)


def read_all(line):
    """The whole answer: status and body."""
    data = b""
    while piece := line.recv(65536):
        data += piece
    line.close()
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode("latin-1").lower(), body
