"""A loopback chat endpoint for benchmarks: slow as a model, and as unreliable as one asks.

    python benchmarks/chat_endpoint.py PORT SECONDS [FAULTS]

Every answer is a dialogue of its own, put together from the dialogues that ship. With FAULTS it
answers 5 % with 429 (Retry-After 1), 3 % with 500, drops 2 % of connections, and spoils 10 % of
the dialogues: refusals, wrong labels, truncation. GET /count tells how many requests it has had.
"""

import asyncio
import json
import random
import sys

from exagirl.dialogue.corpus import read_subset

TURNS = [
    (one.turns[at].content, one.turns[at + 1].content)
    for dialogues in read_subset("exa-data").values()
    for one in dialogues
    for at in range(0, len(one.turns), 2)
    if "{" not in one.turns[at].content
]
WORDS = [word for said, _ in TURNS for word in said.split() if word.isalpha() and len(word) > 1]
SPOILT = ("refusal", "labels", "cut")


class Endpoint:
    """Counts and answers."""

    def __init__(self, seconds: float, *, is_faulty: bool) -> None:
        self.seconds = seconds
        self.is_faulty = is_faulty
        self.count = 0
        self.dice = random.Random(7)

    def write(self) -> tuple[str, str]:
        """A dialogue and its finish reason."""
        said: list[str] = []
        for _, reply in self.dice.sample(TURNS, 3):
            said += [" ".join(self.dice.sample(WORDS, 8)), reply]
        if self.is_faulty and self.dice.random() < 0.10:
            match self.dice.choice(SPOILT):
                case "refusal":
                    return "죄송하지만 그 요청은 도와드릴 수 없습니다.", "stop"
                case "labels":
                    return f"human1: {said[0]}\ngpt3: {said[1]}", "stop"
                case _:
                    return f"human1: {said[0]}\ngpt1: {said[1][:9]}", "length"
        names = ("human", "gpt")
        lines = (f"{names[at % 2]}{at // 2 + 1}: {line}" for at, line in enumerate(said))
        return "\n".join(lines), "stop"

    def answer(self) -> bytes | None:
        """One HTTP answer; None where the line is cut."""
        chance = self.dice.random() if self.is_faulty else 1.0
        if chance < 0.02:
            return None
        if chance < 0.07:
            return http(429, {"error": {"message": "slow down"}}, "Retry-After: 1\r\n")
        if chance < 0.10:
            return http(500, {"error": {"message": "oops"}})
        content, reason = self.write()
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        usage = {"prompt_tokens": 1000, "completion_tokens": 300, "total_tokens": 1300}
        whole = {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}
        return http(200, whole)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    writer.write(http(200, {"count": self.count}))
                    continue
                length = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                )
                await reader.readexactly(length)
                self.count += 1
                await asyncio.sleep(self.seconds)
                answer = self.answer()
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


def http(status: int, value: object, headers: str = "") -> bytes:
    """An answer of a JSON value."""
    body = json.dumps(value).encode()
    head = (
        f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def main(port: int, seconds: float, *, is_faulty: bool) -> None:
    """Serve until killed."""
    endpoint = Endpoint(seconds, is_faulty=is_faulty)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), is_faulty=len(sys.argv) > 3))
