"""How a run goes: accepted and refused, how fast, for how much money, how much longer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from exagirl.dialogue.records import Slot
from exagirl.progress import BoardLine

LEAST_SEEN = 30
"""Dialogues of a topic that must have been judged before its yield says anything."""


class Tally:
    """Counts of one run; the clock is the monotonic one."""

    def __init__(self, slots: Sequence[Slot], names: dict[str, str]) -> None:
        self._quota = Counter((slot.subset, slot.topic) for slot in slots)
        self._names = names
        self._accepted: Counter[tuple[str, str]] = Counter()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._new: Counter[tuple[str, str]] = Counter()
        self._judged: Counter[tuple[str, str]] = Counter()
        self._pending: set[str] = set()
        self._started = time.monotonic()
        self.requests = 0
        self.dollars = 0.0
        """Spent in this run, without what the journal had cost before."""

    def was_there(self, slot: Slot) -> None:
        """A slot had been filled before."""
        self._accepted[slot.subset, slot.topic] += 1

    def accept(self, slot: Slot) -> None:
        """A dialogue was accepted."""
        topic = slot.subset, slot.topic
        self._accepted[topic] += 1
        self._new[topic] += 1
        self._count_judged(slot)

    def refuse(self, slot: Slot, *, is_pending: bool = False) -> None:
        """A reply was refused.

        Args:
            slot: What it was for.
            is_pending: Whether it says nothing of the yield until the next reply for this slot is
                read: the first replies of many slots come in before any of them is asked again,
                and the second one has been told what was wrong.
        """
        topic = slot.subset, slot.topic
        self._refused[topic] += 1
        if is_pending:
            self._pending.add(slot.key)
        else:
            self._count_judged(slot)

    def _count_judged(self, slot: Slot) -> None:
        self._judged[slot.subset, slot.topic] += 1 + (slot.key in self._pending)
        self._pending.discard(slot.key)

    def paid(self, dollars: float) -> None:
        """A reply came."""
        self.requests += 1
        self.dollars += dollars

    def poor_topic(self, min_yield: float) -> str | None:
        """A topic of which less than so much was accepted in this run, once enough was seen."""
        for topic, seen in self._judged.items():
            if seen >= LEAST_SEEN and self._new[topic] < min_yield * seen:
                return topic[1]
        return None

    @property
    def accepted(self) -> int:
        """Filled slots, those from before included."""
        return self._accepted.total()

    def lines(self) -> list[BoardLine]:
        """One line a topic, in the order of the plan."""
        lines: list[BoardLine] = []
        for topic, quota in self._quota.items():
            refused = self._refused[topic]
            note = f"버림 {refused}" if refused else ""
            label = self._names.get(topic[1], topic[1])
            lines.append(BoardLine(label=label, done=self._accepted[topic], total=quota, note=note))
        return lines

    def summary(self) -> str:
        """Speed, money and time left, in words."""
        took = max(time.monotonic() - self._started, 1e-9)
        total, new = self._quota.total(), self._new.total()
        left = total - self.accepted
        parts = [f"{self.accepted:,}/{total:,}편", f"초당 {self.requests / took:.1f}건"]
        if self.dollars > 0:
            parts.append(f"${self.dollars:.2f}")
            if new:
                parts.append(f"모두 ${self.dollars * (1 + left / new):.2f} 예상")
        if new and left:
            parts.append(f"약 {clock(took * left / new)} 남음")
        return " · ".join(parts)


def clock(seconds: float) -> str:
    """A length of time in words."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}시간 {minutes:02d}분"
    return f"{minutes}분 {rest:02d}초" if minutes else f"{rest}초"
