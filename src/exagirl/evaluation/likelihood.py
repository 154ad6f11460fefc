"""How likely given texts are to a model: held-out replies, with the right card and a wrong one.

All is told in bits a character of the text itself, so that models with different tokens compare.
The bits are those of every token of a reply and of the token that ends it, since to end is part of
the reply; the characters are those that a person reads, blanks and ``{유저}`` included.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any, Protocol, runtime_checkable

from exagirl.evaluation.answers import Answers
from exagirl.evaluation.asking import heldout_name
from exagirl.evaluation.intervals import ByScenario
from exagirl.evaluation.measuring import Kind, Placed, mean_of
from exagirl.evaluation.scores import Measure
from exagirl.persona.character import Character, builtin_names, load_character
from exagirl.persona.system_prompt import Detail, render_system_prompt
from exagirl.progress import Watcher
from exagirl.record import Record

Conversation = Sequence[dict[str, str]]
BITS = Kind("bits_per_character", "lower", "bits", "likelihood")
GAIN = Kind("persona_gain", "higher", "bits", "likelihood")
PLAIN = Kind("plain_bits", "lower", "bits", "likelihood")
KIND = "likelihood"
BATCH = 4
"""Texts between two steps of the bar."""


class Loss(Protocol):
    """How surprised a model was."""

    @property
    def nats(self) -> float:
        """Summed negative log-likelihood."""

    @property
    def tokens(self) -> int:
        """Over how many tokens."""


@runtime_checkable
class Reader(Protocol):
    """A model that tells how likely a given text is."""

    def read_replies(self, conversations: Sequence[Conversation]) -> Sequence[Loss]:
        """The loss on the replies of each conversation, and on the token that ends each."""

    def read_texts(self, texts: Sequence[str]) -> Sequence[Loss]:
        """The loss on each text, from its first token on."""


class Texts(Record):
    """What every model reads."""

    conversations: tuple[tuple[dict[str, str], ...], ...]
    """Held-out dialogues, system message first."""
    swapped: tuple[tuple[dict[str, str], ...], ...]
    """The same under the card of somebody else; empty where there is nobody."""
    plain: tuple[str, ...]
    """Paragraphs of plain Korean."""
    others: tuple[str, ...] = ()
    """Whose card stands in each swapped dialogue."""

    @property
    def count(self) -> int:
        """How many texts that makes."""
        return len(self.conversations) + len(self.swapped) + len(self.plain)


class Likelihood(Record):
    """What one model makes of the texts."""

    measures: tuple[Measure, ...]
    values: dict[str, ByScenario]
    """Measure to the bits of every character, by dialogue or paragraph; the characters of one share
    its bits evenly."""


def plain_korean() -> tuple[str, ...]:
    """Paragraphs of plain Korean prose that no training of this project reads."""
    text = (resources.files("exagirl.evaluation") / "plain_korean.txt").read_text("utf-8")
    return tuple(part.strip() for part in text.split("\n\n") if part.strip())


def other_cards(character: Character, detail: Detail) -> dict[str, str]:
    """The system prompts of the built-in characters but this one, by their names."""
    others = (load_character(name) for name in builtin_names())
    return {
        other.name: render_system_prompt(other, detail=detail)
        for other in others
        if other.name != character.name
    }


def choose_texts(
    conversations: Sequence[Conversation],
    others: Mapping[str, str],
    *,
    plain: int,
    seed: int,
) -> Texts:
    """Choose what every model reads.

    Args:
        conversations: Held-out dialogues, system message first; may be empty.
        others: Name to system prompt of other characters; each dialogue gets one of them.
        plain: How many paragraphs of plain Korean.
        seed: Chooses the wrong card of each dialogue.
    """
    names = sorted(others)
    random.Random(f"{seed}/cards").shuffle(names)
    kept = [
        tuple(messages)
        for messages in conversations
        if any(one["role"] == "assistant" for one in messages)
    ]
    with_card = [messages for messages in kept if messages[0]["role"] == "system"]
    chosen = [names[at % len(names)] for at in range(len(with_card))] if names else []
    return Texts(
        conversations=tuple(kept),
        swapped=tuple(
            ({"role": "system", "content": others[name]}, *messages[1:])
            for name, messages in zip(chosen, with_card, strict=False)
        ),
        plain=plain_korean()[:plain],
        others=tuple(chosen),
    )


def measure_likelihood(
    model: Reader, texts: Texts, *, digest: str, answers: Answers, watcher: Watcher, seed: int
) -> Likelihood:
    """Bits a character of held-out replies and of plain Korean, and what the card is worth.

    ``persona_gain`` is the bits a character that the replies cost more under somebody else's card
    than under their own, paired by dialogue: 0 means that the model does not read the card.

    Args:
        model: Asked only for what ``answers`` does not hold.
        texts: What it reads.
        digest: The model's; losses are kept under it.
        answers: Where every loss is kept at once.
        watcher: Told about every few texts, within a piece of work that was begun.
        seed: Seeds the bootstrap over dialogues.
    """
    book = _Book(digest, answers, watcher)
    right = book.read("replies", texts.conversations, model.read_replies)
    wrong = book.read("replies", texts.swapped, model.read_replies)
    plain = book.read("texts", texts.plain, model.read_texts)
    names = [heldout_name(number) for number in range(len(texts.conversations))]
    sizes = [_characters(messages) for messages in texts.conversations]
    paragraphs = [f"plain-{at + 1:03d}" for at in range(len(plain))]
    gained = [after - before for after, before in zip(wrong, right, strict=False)]
    values = {
        BITS.name: _spread(names, right, sizes),
        GAIN.name: _spread(names, gained, sizes),
        PLAIN.name: _spread(paragraphs, plain, [len(text) for text in texts.plain]),
    }
    return Likelihood(
        measures=tuple(_measure(kind, values[kind.name], seed, why) for kind, why in _MISSING),
        values=values,
    )


def unread(why: str) -> Likelihood:
    """What stands in place of a likelihood that cannot be told, such as an endpoint's."""
    return Likelihood(measures=tuple(_measure(kind, {}, 0, why) for kind, _ in _MISSING), values={})


_MISSING = (
    (BITS, "검증 대화가 없어 재지 못했습니다."),
    (GAIN, "검증 대화가 없거나, 바꿔 볼 다른 캐릭터가 없어 재지 못했습니다."),
    (PLAIN, "읽힐 문단이 없어 재지 못했습니다. evaluation.plain_texts를 1 이상으로 적으세요."),
)


class _Book:
    """Losses in bits, of what was read before and of what is read now."""

    def __init__(self, digest: str, answers: Answers, watcher: Watcher) -> None:
        self._digest = digest
        self._answers = answers
        self._watcher = watcher

    def read(
        self, what: str, texts: Sequence[Any], ask: Callable[[Sequence[Any]], Sequence[Loss]]
    ) -> list[float]:
        bits: list[float] = []
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            keys = [{"model": self._digest, what: text} for text in batch]
            kept = [self._answers.get(KIND, key) for key in keys]
            new = [at for at, old in enumerate(kept) if old is None]
            losses = ask([batch[at] for at in new]) if new else ()
            for at, loss in zip(new, losses, strict=True):
                nats = json.dumps(loss.nats)
                self._answers.put(KIND, keys[at], nats)
                kept[at] = nats
            bits += [json.loads(nats) / math.log(2) for nats in kept if nats is not None]
            self._watcher.advance(len(batch), note="글 읽기")
        return bits


def _characters(messages: Conversation) -> int:
    return sum(len(one["content"]) for one in messages if one["role"] == "assistant")


def _spread(
    names: Sequence[str], bits: Sequence[float], sizes: Sequence[int]
) -> dict[str, list[float]]:
    """The bits of each text, spread over its characters: so a text weighs what it is long."""
    rows = zip(names, bits, sizes, strict=False)
    return {name: [amount / size] * size for name, amount, size in rows if size}


def _measure(kind: Kind, values: ByScenario, seed: int, why: str) -> Measure:
    placed = [Placed(name, value) for name, some in values.items() for value in some]
    return mean_of(kind, placed, seed=seed, none=why)
