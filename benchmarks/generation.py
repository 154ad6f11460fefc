"""How fast and how surely dialogues come in, beside plain threads with the sync SDK.

    python benchmarks/generation.py [speed] [faults] [kill] [journal]

Both sides run in turn against one loopback endpoint that the script starts; medians of three.
The ideal is requests × answer time / workers: no time for anything but waiting.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai

from exagirl.dialogue.duplicates import Limits, fingers_of
from exagirl.dialogue.journal import Address, open_journal
from exagirl.dialogue.records import Dialogue, Turn

REQUESTS = 640
ANSWER_S = 0.3
TIMES = 3
HERE = Path(__file__).parent
WORK = """
import sys, time
from pathlib import Path
from exagirl.chatmodel.options import TeacherOptions
from exagirl.dialogue.generate import generate_dialogues
from exagirl.dialogue.order import Order
from exagirl.dialogue.options import GenerationOptions
from exagirl.persona.character import load_character
from exagirl.progress import Nobody
import openai
teacher = TeacherOptions(
    kind="openai", model="m", base_url=sys.argv[1], timeout_s=20
)
options = GenerationOptions.model_validate({
    "workers": int(sys.argv[3]), "turns": [3, 3],
    "subsets": {"exa-data": {"plan": "exa", "dialogues": int(sys.argv[4])}},
})
order = Order(load_character("exa"), teacher, options, 7)
started = time.perf_counter()
generate_dialogues(order, folder=Path(sys.argv[2]), watcher=Nobody())
print(time.perf_counter() - started)
"""
# Plain threads with the sync SDK: ask, parse, keep in a list. No journal and no checks.
THREADS = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
import openai
from exagirl.dialogue.transcript import parse_transcript
url, workers, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
system = "너는 한국어 역할극 대화를 쓰는 작가다. " * 60
def ask(number):
    messages = [{"role": "system", "content": system},
                {"role": "user", "content": f"대화를 써 줘. {number}"}]
    answer = client.chat.completions.create(model="m", messages=messages)
    return parse_transcript(answer.choices[0].message.content)
started = time.perf_counter()
client = openai.OpenAI(api_key="none", base_url=url, max_retries=0)
with ThreadPoolExecutor(workers) as pool:
    found = list(pool.map(ask, range(requests)))
print(time.perf_counter() - started)
"""


@contextmanager
def endpoint(seconds: float, *faults: str) -> Iterator[str]:
    """A chat endpoint in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, HERE / "chat_endpoint.py", str(port), str(seconds), *faults]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def count(url: str) -> int:
    """How many requests the endpoint has had."""
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)["count"]


def engine(url: str, folder: Path, workers: int, dialogues: int) -> subprocess.Popen[str]:
    """The engine in a process of its own."""
    command = [sys.executable, "-c", WORK, url, str(folder), str(workers), str(dialogues)]
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def engine_s(url: str, workers: int, dialogues: int) -> float:
    """How long the engine took, from the order to the last byte on the disk."""
    with tempfile.TemporaryDirectory() as folder:
        return float(engine(url, Path(folder), workers, dialogues).communicate()[0])


def threads_s(url: str, workers: int, requests: int) -> float:
    """Plain threads in a process of their own."""
    command = [sys.executable, "-c", THREADS, url, str(workers), str(requests)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def speed() -> None:
    """Both sides at 32 workers, the engine at 256."""
    with endpoint(ANSWER_S) as url:
        for workers, requests in ((32, REQUESTS), (256, 8 * REQUESTS)):
            ideal = requests * ANSWER_S / workers
            ours, theirs = [], []
            for _ in range(TIMES):
                ours.append(engine_s(url, workers, requests))
                theirs.append(threads_s(url, workers, requests))
            for name, took in (("engine", ours), ("threads", theirs)):
                median = statistics.median(took)
                print(f"{requests} requests, {workers} workers: {name:8} {median:6.2f} s, "
                      f"{ideal / median:.3f} of the ideal")  # fmt: skip


def faults() -> None:
    """Under faults of every kind the order is met to the number."""
    with endpoint(0.05, "faulty") as url, tempfile.TemporaryDirectory() as folder:
        process = engine(url, Path(folder), 32, REQUESTS)
        process.communicate()
        lines = (Path(folder) / "exa-data.jsonl").read_text("utf-8").count("\n")
        print(f"faults: {lines} of {REQUESTS}, exit {process.returncode}, {count(url)} requests")


def kill() -> None:
    """Killed at two thirds and run again: what is paid for twice."""
    with endpoint(ANSWER_S) as url, tempfile.TemporaryDirectory() as folder:
        process = engine(url, Path(folder), 32, REQUESTS)
        while count(url) < REQUESTS * 2 // 3:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        engine(url, Path(folder), 32, REQUESTS).communicate()
        lines = (Path(folder) / "exa-data.jsonl").read_text("utf-8").count("\n")
        asked = count(url)
        print(f"kill: {lines} of {REQUESTS}, {asked} requests, {asked - REQUESTS} paid twice")


def journal() -> None:
    """A journal of 100,000 accepted dialogues: claiming a slot, letting one more in, memory."""
    many, limits = 100_000, Limits(0.5, 0.7)
    with tempfile.TemporaryDirectory() as folder, open_journal(Path(folder) / "j", "o") as book:
        connection = book.connection
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for number in range(many):
            dialogue = invented(number)
            fingers = fingers_of(dialogue.turns)
            connection.execute(
                "INSERT INTO attempts (id, slot, request, raw, finish_reason, prompt_tokens,"
                " completion_tokens, latency_s, verdict) VALUES (?, ?, 'r', '', 'stop', 1, 1, 1,"
                " 'accepted')",
                (number + 1, dialogue.id),
            )
            connection.execute(
                "INSERT INTO accepted VALUES (?, 'r', ?, ?, 'o', ?, ?)",
                (
                    dialogue.id,
                    number + 1,
                    dialogue.model_dump_json(),
                    fingers.whole.tobytes(),
                    fingers.opening.tobytes(),
                ),
            )
        connection.execute("COMMIT")
        connection.execute("PRAGMA synchronous = NORMAL")
        took: dict[str, list[float]] = {"claim": [], "accept": []}
        first = time.perf_counter()
        book.near(invented(0), fingers_of(invented(0).turns), limits)
        print(f"journal: {many} dialogues learnt in {time.perf_counter() - first:.2f} s")
        for number in range(many, many + 200):
            dialogue = invented(number)
            address = Address(dialogue.id, "r")
            started = time.perf_counter()
            book.claim(*address[:2], "me")
            took["claim"].append(time.perf_counter() - started)
            fingers = fingers_of(dialogue.turns)
            started = time.perf_counter()
            book.accept(address, number, dialogue, fingers, limits)
            took["accept"].append(time.perf_counter() - started)
        for name, each in took.items():
            worst = sorted(each)[int(0.99 * len(each))]
            print(f"journal: {name} {statistics.median(each) * 1e3:.2f} ms, "
                  f"99 % under {worst * 1e3:.2f} ms")  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"journal: peak {peak:.0f} MB, this script and its libraries included")


def invented(number: int) -> Dialogue:
    """A dialogue of words that no other number has."""
    words = [
        f"{chr(0xAC00 + (number * 7919 + at * 104729) % 11172)}{number}{at}" for at in range(60)
    ]
    lines = [" ".join(words[at : at + 15]) for at in range(0, 60, 15)]
    turns = tuple(
        Turn(role="assistant" if at % 2 else "user", content=line) for at, line in enumerate(lines)
    )
    key = f"exa-data/daily/{number:06d}"
    return Dialogue(id=key, subset="exa-data", topic="daily", character="엑사", turns=turns)


if __name__ == "__main__":
    print(platform.platform(), f"{os.cpu_count()} cores, Python {platform.python_version()},",
          f"openai {openai.__version__}")  # fmt: skip
    parts = {"speed": speed, "faults": faults, "kill": kill, "journal": journal}
    for name in sys.argv[1:] or parts:
        parts[name]()
