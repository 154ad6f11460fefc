"""What a conversation costs beside its model.

Run: python benchmarks/chat.py [PART …]
Claims: a chat of 2,000 turns opens in under a second; session and store add at most 20 ms to the
first token and 5 % to a stream of 50 pieces a second. Prints a Markdown table for RESULTS.md; exits
1 when a claim does not hold. A part is a function that yields rows; add it to PARTS.
"""

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from exagirl.chat.conversation import Conversation, Turn, Version
from exagirl.chat.session import Session
from exagirl.chat.store import ChatStore
from exagirl.dialogue.corpus import read_subset
from exagirl.persona.character import load_character

TURNS = 2000
OPEN_S, FIRST_PIECE_MS, STREAM_SHARE = 1.0, 20.0, 0.05
PIECES, PIECE_S = 100, 0.02


class Row(NamedTuple):
    """One line of the table."""

    what: str
    figure: str
    limit: str = ""
    holds: bool = True


class Steady:
    """Streams pieces at a fixed pace; counts tokens with a real tokenizer."""

    def __init__(self, tokenizer: object) -> None:
        self.tokenizer = tokenizer

    def speak(self, _messages: list[dict[str, str]], _stop: object) -> Iterator[str]:
        """A reply of PIECES pieces."""
        for at in range(PIECES):
            time.sleep(PIECE_S)
            yield "그래, " if at % 10 else "*웃으며* "

    def prompt_tokens(self, messages: list[dict[str, str]]) -> list[int]:
        """As a local model counts."""
        from exagirl.chatmodel.encoding import encode_prompt

        return encode_prompt(self.tokenizer, messages)


def tokenizer_of(folder: Path) -> object:
    """A small byte-level BPE trained on the shipped dialogues, under EXAONE's template.

    It knows fewer words than EXAONE's tokenizer, so it makes more tokens of a text, not fewer.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from exagirl.dataset.chat_template import FAMILIES, bake_template

    specials = ["[BOS]", "[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8000,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(lines(), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=specials[0],
        eos_token=specials[-1],
        extra_special_tokens=specials[1:-1],
        chat_template=bake_template(FAMILIES[0], "너는 엑사다."),
    )
    fast.save_pretrained(folder)
    return fast


def lines() -> list[str]:
    """What is said in the dialogues that ship."""
    found = read_subset("exa-data").values()
    return [turn.content for dialogues in found for one in dialogues for turn in one.turns]


def long_talk() -> Conversation:
    """Real lines, over and over."""
    said = lines()
    turns = [
        Turn(
            id=0, role=("user", "assistant")[at % 2], versions=(Version(raw=said[at % len(said)]),)
        )
        for at in range(TURNS)
    ]
    return Conversation().adding(*turns)


def median_ms(work: Callable[[], object], times: int) -> float:
    """The middle of some runs."""
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        took.append((time.perf_counter() - begin) * 1000)
    return statistics.median(took)


def session_part() -> Iterator[Row]:
    """Opening, prompting and streaming, with a chat of 2,000 turns in SQLite."""
    exa = load_character("exa")
    with tempfile.TemporaryDirectory() as folder:
        backend = Steady(tokenizer_of(Path(folder) / "tokenizer"))
        path = Path(folder) / "chats.sqlite"
        with ChatStore(path) as store:
            chat = store.create((exa.name,), long_talk()).id

        def open_chat() -> None:
            with ChatStore(path) as store:
                session = Session(exa, backend, user="민준")
                session.resume(store, chat)
                assert len(session.turns) == TURNS

        took = median_ms(open_chat, 5) / 1000
        yield Row(
            f"open a chat of {TURNS:,} turns", f"{took:.3f} s", f"< {OPEN_S} s", took < OPEN_S
        )
        with ChatStore(path) as store:
            session = Session(exa, backend, user="민준")
            session.resume(store, chat)
            yield from prompting(session)
            yield from streaming(session)
        yield Row("the file", f"{path.stat().st_size / 1e6:.2f} MB")


def prompting(session: Session) -> Iterator[Row]:
    """The prompt of a long chat, cold and warm."""
    begin = time.perf_counter()
    prompt = session.prompt("오늘 뭐 했어?")
    cold = (time.perf_counter() - begin) * 1000
    kept = f"{len(prompt.kept)} turns, {prompt.tokens:,} of {prompt.budget:,} tokens"
    yield Row(f"first prompt after opening ({kept})", f"{cold:.1f} ms")
    asked = iter(range(1000))
    warm = median_ms(lambda: session.prompt(f"{next(asked)}번째 질문이야."), 9)
    yield Row("a later prompt, one new turn", f"{warm:.1f} ms")
    yield Row("edit a turn, on the disk", f"{median_ms(lambda: edit(session), 9):.1f} ms")
    yield Row("undo, on the disk", f"{median_ms(session.undo, 9):.1f} ms")


def edit(session: Session) -> None:
    """Other words each time."""
    session.edit(1000, f"고친 말 {time.perf_counter_ns()}")


def streaming(session: Session) -> Iterator[Row]:
    """A reply through the session against the same reply from the bare backend.

    The summary of what fell out comes after a reply and is a reply of its own: it is left out.
    """
    session.options = session.options.model_copy(update={"remembers": False})
    messages = [dict(message) for message in session.prompt("안녕").messages]
    firsts, wholes = [], []
    for at in range(5):
        bare_first, bare = timed(session.backend.speak(messages, None))
        first, whole = timed(session.say(f"{at}번째로 묻는 말이야."))
        firsts.append((first - bare_first) * 1000)
        wholes.append(whole / bare - 1)
    first, whole = statistics.median(firsts), statistics.median(wholes)
    limit = f"≤ {FIRST_PIECE_MS:.0f} ms"
    yield Row("added before the first piece", f"{first:.1f} ms", limit, first <= FIRST_PIECE_MS)
    limit = f"≤ {STREAM_SHARE:.0%}"
    yield Row(
        f"added to {PIECES} pieces, saving included", f"{whole:.1%}", limit, whole <= STREAM_SHARE
    )


def timed(pieces: Iterator[str]) -> tuple[float, float]:
    """Seconds to the first piece and to the end."""
    begin = time.perf_counter()
    next(pieces)
    first = time.perf_counter() - begin
    for _ in pieces:
        pass
    return first, time.perf_counter() - begin


PARTS: dict[str, Callable[[], Iterator[Row]]] = {"session": session_part}


def main() -> int:
    """Run the parts that are named, or all."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}\n")
    print("| part | what | measured | claim |\n|---|---|---|---|")
    is_right = True
    for name in sys.argv[1:] or PARTS:
        for row in PARTS[name]():
            mark = "" if not row.limit else (" ✓" if row.holds else " ✗")
            print(f"| {name} | {row.what} | {row.figure} | {row.limit}{mark} |", flush=True)
            is_right &= row.holds
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
