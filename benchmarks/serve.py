"""What the HTTP API costs beside its model, and what it gives to many at once.

Run: OMP_NUM_THREADS=1 python benchmarks/serve.py [--model FOLDER] [--rounds N]
Claims: at one stream the server adds at most 20 ms to the first token and takes at most 5 % of the
tokens a second; a short request does not wait for a long one that came before. Without ``--model``
a random Llama of about 0.1 billion weights speaks, which never ends of itself. The server is a
process of its own; "bare" is the same model stepped in a loop without a server. Prints a Markdown
table for RESULTS.md; exits 1 when a claim does not hold.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

FIRST_TOKEN_MS, TOKENS_SHARE = 20.0, 0.05
TOKENS, SHORT = 96, 8
STREAMS = (1, 8, 64)
QUESTION = "안녕! 오늘은 도서관에서 뭐 했어? "
SERVER = """
import sys
from pathlib import Path
from exagirl.chat.server.local import LocalBackend
from exagirl.chat.server.options import ServeOptions
from exagirl.chat.server.running import serve
from exagirl.chatmodel.local import LocalModel
from exagirl.chatmodel.local_slots import SlotModel
model = SlotModel.of(LocalModel.load(Path(sys.argv[1])))
options = ServeOptions(port=0, max_tokens=2000)
serve(LocalBackend(model, name="m", slots=64), options, on_ready=lambda url: print(url, flush=True))
"""


def messages(number: int) -> list[dict[str, str]]:
    """A conversation whose beginning all share and whose end is its own."""
    return [{"role": "user", "content": QUESTION * 8 + f"{number}번째 물음이야."}]


def save_model(folder: Path) -> Path:
    """A random Llama with a small vocabulary; it does not know how to end."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    sizes = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12}
    heads = {"num_attention_heads": 12, "num_key_value_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32_000, **sizes, **heads))
    model.generation_config.eos_token_id = 10**6
    model.to(torch.bfloat16).save_pretrained(folder)
    letters = {letter: at for at, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    fillers = {f"word{at} ": at for at in range(len(letters), 32_000)}
    plain = Tokenizer(models.BPE(vocab=letters | fillers, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    PreTrainedTokenizerFast(tokenizer_object=plain, chat_template=template).save_pretrained(folder)
    return folder


def bare(folder: str) -> None:
    """Answer lines of JSON with first token and tokens a second, without a server."""
    from exagirl.chatmodel.local import LocalModel, Sampling
    from exagirl.chatmodel.local_slots import SlotModel

    model = SlotModel.of(LocalModel.load(Path(folder)))
    for line in sys.stdin:
        number, tokens = json.loads(line)
        begin, times = time.perf_counter(), []
        prompt = model.prompt_tokens(messages(number))
        model.join(prompt, Sampling(max_new_tokens=tokens), number)
        while not model.is_idle:
            said = model.advance()
            times += [time.perf_counter()] * len(said)
        print(json.dumps([begin, *times]), flush=True)


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended with the block."""
    started = subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield started
    finally:
        started.terminate()
        started.wait()
        started.communicate()


def ask_bare(worker: subprocess.Popen[str], number: int, tokens: int) -> list[float]:
    """When it began, and when each token came."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(json.dumps([number, tokens]) + "\n")
    worker.stdin.flush()
    times: list[float] = json.loads(worker.stdout.readline())
    return times


async def ask(session: aiohttp.ClientSession, url: str, number: int, tokens: int) -> list[float]:
    """When a stream began, when its first piece came, and when it ended."""
    body: dict[str, Any] = {"model": "m", "messages": messages(number), "stream": True}
    body |= {"max_tokens": tokens, "seed": number}
    begin, first = time.perf_counter(), 0.0
    async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if not first and line.startswith(b"data: "):
                first = time.perf_counter()
    return [begin, first, time.perf_counter()]


def first_ms(times: list[float]) -> float:
    """Milliseconds to the first token."""
    return (times[1] - times[0]) * 1000


def one_stream(folder: Path, url: str, rounds: int) -> bool:
    """Bare and served in turn, round by round."""

    async def served(number: int) -> list[float]:
        async with aiohttp.ClientSession() as session:
            return await ask(session, url, number, TOKENS)

    found: dict[str, list[tuple[float, float]]] = {"bare": [], "served": []}
    with process(__file__, "--bare", str(folder)) as worker:
        for number in range(rounds + 1):
            for way in found:
                if way == "bare":
                    times = ask_bare(worker, number, TOKENS)
                else:
                    times = asyncio.run(served(number))
                pace = (TOKENS - 1) / (times[-1] - times[1])
                found[way].append((first_ms(times), pace))
    first = {way: statistics.median(one for one, _ in rows[1:]) for way, rows in found.items()}
    pace = {way: statistics.median(one for _, one in rows[1:]) for way, rows in found.items()}
    added, share = first["served"] - first["bare"], 1 - pace["served"] / pace["bare"]
    print("| one stream | bare | served | difference | claim |\n|---|---|---|---|---|")
    print(
        f"| first token, ms | {first['bare']:.1f} | {first['served']:.1f} | {added:+.1f} | "
        f"≤ {FIRST_TOKEN_MS:g} |"
    )
    print(
        f"| tokens/s | {pace['bare']:.1f} | {pace['served']:.1f} | {-share:+.1%} | "
        f"≥ −{TOKENS_SHARE:.0%} |\n"
    )
    return added <= FIRST_TOKEN_MS and share <= TOKENS_SHARE


async def many(url: str) -> None:
    """Streams side by side."""
    print("| streams | tokens/s, all | first token, ms: median, worst |\n|---|---|---|")
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        for count in STREAMS:
            begin = time.perf_counter()
            jobs = (ask(session, url, 1000 + count + at, TOKENS) for at in range(count))
            rows = await asyncio.gather(*jobs)
            took = time.perf_counter() - begin
            firsts = [first_ms(row) for row in rows]
            print(
                f"| {count} | {count * TOKENS / took:.1f} | {statistics.median(firsts):.0f}, "
                f"{max(firsts):.0f} |"
            )


async def late(url: str) -> bool:
    """A short request alone, and while a long one runs that came before."""
    async with aiohttp.ClientSession() as session:
        alone = await ask(session, url, 5000, SHORT)
        long = asyncio.create_task(ask(session, url, 5001, TOKENS * 4))
        await asyncio.sleep(0.5)
        beside = await ask(session, url, 5002, SHORT)
        was_first = not long.done()
        row = await long
    print("\n| a short request | s |\n|---|---|")
    print(f"| alone ({SHORT} tokens) | {alone[-1] - alone[0]:.2f} |")
    print(f"| beside a long one that came before | {beside[-1] - beside[0]:.2f} |")
    print(f"| if it had to wait for the long one | > {row[-1] - beside[0]:.2f} |")
    return was_first


def main() -> int:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.bare:
        bare(chosen.bare)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.model or save_model(Path(temporary))
        with process("-c", SERVER, str(folder)) as server:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            holds = one_stream(folder, url, chosen.rounds)
            asyncio.run(many(url))
            holds = asyncio.run(late(url)) and holds
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
