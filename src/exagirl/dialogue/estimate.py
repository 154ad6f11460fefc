"""What an order would take, before anybody is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from exagirl.artifact import fingerprint
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.price import price_of
from exagirl.dialogue.generate import JOURNAL
from exagirl.dialogue.journal import open_journal
from exagirl.dialogue.judge import Judge
from exagirl.dialogue.mode import Mode
from exagirl.dialogue.options import JudgeOptions
from exagirl.dialogue.order import Order
from exagirl.dialogue.records import Dialogue, Slot, Turn
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.voices import prompt_tokens

EXCHANGE_TOKENS = 80
"""Of one exchange, both sides. Measured on the dialogues that ship: 72 by `estimate_tokens`, and
the labels of a transcript."""
JUDGED_TOKENS = 150
"""Of one judgement: a line that is quoted, a sentence, a score a criterion. A guess."""
RENDERED = 500
"""Slots whose prompts are rendered to measure them; of longer plans, at most so many, evenly."""


class Estimate(NamedTuple):
    """What an order would take, of the teacher and whoever else is asked.

    Refused replies, which are asked for again, are not in it.
    """

    slots: tuple[Slot, ...]
    filled: int
    """Slots that the journal has a dialogue for."""
    requests: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float | None
    """US dollars; None where nobody knows the price of one who is asked."""
    distinct_prompts: int
    """Of the rendered prompts."""
    rendered: int

    def topics(self) -> Counter[tuple[str, str]]:
        """Slots a subset and topic, in the order of the plan."""
        return Counter((slot.subset, slot.topic) for slot in self.slots)

    def turns(self) -> Counter[int]:
        """Slots a number of turns."""
        return Counter(slot.turns for slot in self.slots)


class _Work(NamedTuple):
    """What one voice would be asked."""

    options: TeacherOptions
    requests: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def dollars(self) -> float | None:
        price = price_of(self.options)
        if price is None:
            return None
        return self.prompt_tokens * price.input + self.completion_tokens * price.output


def estimate(order: Order, folder: Path) -> Estimate:
    """Plan an order and weigh what is left of it.

    Args:
        order: What would be asked.
        folder: Where a journal may stand; nothing is written there.

    Raises:
        RecipeError: The plan cannot be made, or the teacher cannot do what is asked.
    """
    slots, prompt = order.slots(), order.prompt()
    mode = order.mode(prompt)
    left = _open_slots(order, prompt, slots, folder)
    shown = left[:: -(-len(left) // RENDERED) or 1]
    works = _talking(order, mode, left, shown)
    if order.options.judge:
        works.append(_judging(order.options.judge, prompt, left, shown))
    dollars = [work.dollars for work in works]
    known = [some for some in dollars if some is not None]
    return Estimate(
        slots=tuple(slots),
        filled=len(slots) - len(left),
        requests=sum(work.requests for work in works),
        prompt_tokens=sum(work.prompt_tokens for work in works),
        completion_tokens=sum(work.completion_tokens for work in works),
        dollars=sum(known) if len(known) == len(dollars) else None,
        distinct_prompts=len({mode.ask(slot, (), "").messages for slot in shown}),
        rendered=len(shown),
    )


def _talking(order: Order, mode: Mode, left: Sequence[Slot], shown: Sequence[Slot]) -> list[_Work]:
    """What those are asked who write the dialogues."""

    def asked(*said: str) -> float:
        """The mean length of a prompt, without what was said before."""
        lengths = [prompt_tokens(mode.ask(slot, said, "").messages) for slot in shown]
        return sum(lengths) / max(1, len(lengths))

    exchanges = sum(slot.turns for slot in left)
    spoken = exchanges * EXCHANGE_TOKENS
    if order.options.mode == "script":
        return [_Work(order.teacher, len(left), round(asked() * len(left)), spoken)]
    # A prompt holds every line before it.
    before_user = sum(slot.turns * (slot.turns - 1) for slot in left) * EXCHANGE_TOKENS // 2
    before_character = before_user + spoken // 2
    return [
        _Work(options or order.teacher, exchanges, round(length * exchanges) + before, spoken // 2)
        for options, length, before in (
            (order.options.user_teacher, asked(), before_user),
            (order.teacher, asked(""), before_character),
        )
    ]


def _judging(
    options: JudgeOptions, prompt: TeacherPrompt, left: Sequence[Slot], shown: Sequence[Slot]
) -> _Work:
    """What a judge is asked: once a dialogue."""
    judge = Judge(options)
    blank = (Turn(role="user", content="…"), Turn(role="assistant", content="…"))
    lengths = [
        prompt_tokens(
            judge.messages(
                prompt.speaker(slot),
                Dialogue(id="", subset="", topic="", character="", turns=blank),
            )
        )
        for slot in shown
    ]
    mean = sum(lengths) / max(1, len(lengths))
    read = sum(slot.turns for slot in left) * EXCHANGE_TOKENS
    return _Work(
        options.teacher, len(left), round(mean * len(left)) + read, len(left) * JUDGED_TOKENS
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
