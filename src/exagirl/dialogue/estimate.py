"""What an order would take, before anybody is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from exagirl.artifact import fingerprint
from exagirl.chatmodel.price import Price, price_of
from exagirl.dialogue.generate import JOURNAL
from exagirl.dialogue.journal import open_journal
from exagirl.dialogue.order import Order
from exagirl.dialogue.records import Slot
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.voices import prompt_tokens

EXCHANGE_TOKENS = 80
"""Of one exchange, both sides. Measured on the dialogues that ship: 72 by `estimate_tokens`, and
the labels of a transcript."""
RENDERED = 500
"""Prompts that are rendered to measure their length; of longer plans, so many spread evenly."""


class Estimate(NamedTuple):
    """What an order would take. Refused replies, which are asked for again, are not in it."""

    slots: tuple[Slot, ...]
    filled: int
    """Slots that the journal has a dialogue for."""
    requests: int
    prompt_tokens: int
    completion_tokens: int
    price: Price | None
    distinct_prompts: int
    """Of the rendered prompts."""
    rendered: int

    @property
    def dollars(self) -> float | None:
        """US dollars; None where nobody knows the price."""
        if self.price is None:
            return None
        return self.prompt_tokens * self.price.input + self.completion_tokens * self.price.output

    def topics(self) -> Counter[tuple[str, str]]:
        """Slots a subset and topic, in the order of the plan."""
        return Counter((slot.subset, slot.topic) for slot in self.slots)

    def turns(self) -> Counter[int]:
        """Slots a number of turns."""
        return Counter(slot.turns for slot in self.slots)


def estimate(order: Order, folder: Path) -> Estimate:
    """Plan an order and weigh what is left of it.

    Args:
        order: What would be asked.
        folder: Where a journal may stand; nothing is written there.
    """
    slots, prompt = order.slots(), order.prompt()
    left = _open_slots(order, prompt, slots, folder)
    every = max(1, len(left) // RENDERED)
    shown = left[::every]
    rendered = [prompt.messages(slot) for slot in shown]
    mean = sum(map(prompt_tokens, rendered)) / max(1, len(rendered))
    exchanges = sum(slot.turns for slot in left)
    if order.options.mode == "simulation":
        requests = 2 * exchanges
        # A reply's prompt holds what was said before: half of the dialogue on average.
        said = sum(2 * slot.turns * slot.turns * EXCHANGE_TOKENS // 2 for slot in left)
        tokens = round(mean * requests) + said
    else:
        requests, tokens = len(left), round(mean * len(left))
    return Estimate(
        slots=tuple(slots),
        filled=len(slots) - len(left),
        requests=requests,
        prompt_tokens=tokens,
        completion_tokens=exchanges * EXCHANGE_TOKENS,
        price=price_of(order.teacher),
        distinct_prompts=len(set(rendered)),
        rendered=len(rendered),
    )


def _open_slots(
    order: Order, prompt: TeacherPrompt, slots: Sequence[Slot], folder: Path
) -> list[Slot]:
    path = folder / JOURNAL
    if not path.is_file():
        return list(slots)
    name = order.name(prompt)
    with open_journal(path, name) as journal:
        return [
            slot for slot in slots if not journal.is_closed(slot.key, fingerprint([name, slot]))
        ]
