"""The exact prompt, within a budget of tokens.

What always stays: the character, the newest words of the person, and the last turn. Then come
the notes, as far as they take no more than half of what is left, then the turns, newest first.
Where the turns no longer fit, a quarter of the room is cleared at once: the prompt then begins
alike for many turns, so that the model need not read it again each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Literal, NamedTuple, get_args

from jinja2 import Environment, StrictUndefined, Template

from exagirl.chat.counting import TokenCounter
from exagirl.chat.faults import ChatError
from exagirl.chat.marks import without_marks
from exagirl.record import Record

LOW_WATER = 0.75
"""The share of the room that turns fill after some had to go."""
REFILL = 0.5
"""Below this share turns that had gone come back, such as after many were deleted."""
AT_ONCE = 16
"""Turns that are counted together when a long chat is opened."""
LINE_TOKENS = 3
"""What a line's dash and break may add."""

Kind = Literal["persona", "pin", "lore", "memory", "note"]


class Block(NamedTuple):
    """A text that is added to the talk, the most important ones first."""

    kind: Kind
    text: str
    depth: int | None = None
    """How many turns from the end it stands; None: in the system message."""


class Heard(NamedTuple):
    """One turn as the model hears it."""

    id: int
    role: str
    text: str


class Ask(NamedTuple):
    """What a prompt is made of."""

    system: str
    """The character as a system message."""
    is_baked: bool
    """True where the chat template brings the character, unless something is added to it."""
    room: str
    blocks: Sequence[Block]
    turns: Sequence[Heard]
    budget: int
    shrink: Callable[[int], str]
    """Writes the character within so many tokens; raises `ExagirlError` where that cannot be."""
    start: int = 0
    """The number of the first turn of the last prompt."""
    merges: bool = False
    """Put neighbouring lines of several people into one message, as in a room."""
    fill: Callable[[str], str] = str


class Prompt(Record):
    """What the model is given, and what it is not."""

    messages: tuple[dict[str, str], ...]
    tokens: int
    budget: int
    is_baked: bool
    """True where the character stands in the chat template, not among the messages."""
    kept: tuple[int, ...]
    """Numbers of the turns that are in it."""
    left_out: tuple[int, ...]
    """Numbers of the turns that fell out."""
    blocks: tuple[str, ...] = ()
    """What was added: pinned facts, lore, memories, the note."""
    blocks_left_out: tuple[str, ...] = ()
    lore: tuple[str, ...] = ()
    """Lorebook entries that were called up, by their keys."""
    called: tuple[str, ...] = ()
    """Texts of those in the system message that the last words called up."""
    lore_left_out: tuple[str, ...] = ()
    recalled: tuple[str, ...] = ()
    """Facts of earlier turns that are given again."""
    unsummarised: int = 0
    """How many turns fell out without a memory of them."""


def build_prompt(ask: Ask, counter: TokenCounter) -> Prompt:
    """Choose what fits and put it in order.

    Raises:
        ChatError: Not even the character and the newest words fit.
    """
    return _Builder(ask, counter).build()


class _Builder:
    def __init__(self, ask: Ask, counter: TokenCounter) -> None:
        self._ask = ask
        self._counter = counter
        self._turns = ask.turns
        users = [at for at, turn in enumerate(ask.turns) if turn.role == "user"]
        self._must = {len(ask.turns) - 1, *users[-1:]} if ask.turns else set()
        self._system = ask.system
        # A system message among the turns may come first; the template then leaves its own out.
        self._is_baked = ask.is_baked and not ask.room and not ask.blocks
        self._blocks: list[Block] = []

        self._asked = list(ask.blocks)
        if any(block.depth is not None for block in ask.blocks) and not counter.tells_system:
            # Among the turns it would be the person's words: it goes to the system message.
            self._asked = [block._replace(depth=None) for block in ask.blocks]

    def build(self) -> Prompt:
        free = self._free_beside_the_musts()
        self._blocks = self._choose_blocks(free // 2)
        free -= sum(self._cost(block) for block in self._blocks)
        kept = sorted(self._must | set(self._choose_turns(free)))
        messages = self._compose(kept)
        tokens = self._counter.exact(messages)
        while tokens > self._ask.budget:
            kept = self._less(kept, tokens - self._ask.budget)
            messages = self._compose(kept)
            tokens = self._counter.exact(messages)
        left = set(range(len(self._turns))) - set(kept)
        return Prompt(
            messages=tuple(messages),
            tokens=tokens,
            budget=self._ask.budget,
            is_baked=self._is_baked,
            kept=tuple(self._turns[at].id for at in kept),
            left_out=tuple(self._turns[at].id for at in sorted(left)),
            blocks=tuple(block.text for block in self._blocks),
            blocks_left_out=tuple(b.text for b in self._asked if b not in self._blocks),
        )

    def _free_beside_the_musts(self) -> int:
        """Tokens left beside the character and what must stay; the character shrinks for it."""
        must = self._compose(sorted(self._must))
        free = self._ask.budget - self._counter.exact(must)
        if free < 0:
            self._shrink(-free)
            free = self._ask.budget - self._counter.exact(self._compose(sorted(self._must)))
        return max(0, free)

    def _shrink(self, over: int) -> None:
        """Write the character shorter by so many tokens.

        Raises:
            ChatError: It cannot be that short.
        """
        self._is_baked = False
        now = self._counter.message({"role": "system", "content": self._system})
        budget = now - over - LINE_TOKENS
        shorter = self._ask.shrink(budget) if budget > 0 else self._system
        if self._counter.message({"role": "system", "content": shorter}) >= now:
            raise ChatError(
                f"마지막 말과 캐릭터 설명이 {self._ask.budget:,}토큰에 들어가지 않습니다. 말을 "
                "짧게 나누거나 context_tokens를 늘려 주세요."
            )
        self._system = shorter

    def _choose_blocks(self, room: int) -> list[Block]:
        chosen = []
        for block in self._asked:
            cost = self._cost(block)
            if cost <= room:
                chosen.append(block)
                room -= cost
        return chosen

    def _cost(self, block: Block) -> int:
        return self._counter.text(without_marks(self._ask.fill(block.text))) + LINE_TOKENS

    def _choose_turns(self, free: int) -> range:
        """Positions of the newest turns that fit, from where the last prompt began if possible."""
        end = len(self._turns)
        begin = self._reach(free)
        hinted = next((at for at, t in enumerate(self._turns) if t.id >= self._ask.start), end)
        if begin == 0:
            return range(end)
        if hinted >= begin and self._filled_from(hinted) >= free * REFILL:
            return range(hinted, end)
        begin = self._reach(int(free * LOW_WATER))
        return range(self._from_a_user(begin), end)

    def _reach(self, free: int) -> int:
        """How far back turns fit."""
        filled, begin = 0, len(self._turns)
        for at in range(len(self._turns) - 1, -1, -1):
            if not self._counter.knows(self._message(self._turns[at])):
                some = self._turns[max(0, at + 1 - AT_ONCE) : at + 1]
                self._counter.learn([self._message(turn) for turn in some])
            cost = 0 if at in self._must else self._turn_cost(at)
            if filled + cost > free:
                break
            filled, begin = filled + cost, at
        return begin

    def _filled_from(self, begin: int) -> int:
        return sum(
            self._turn_cost(at) for at in range(begin, len(self._turns)) if at not in self._must
        )

    def _from_a_user(self, begin: int) -> int:
        """The first of these turns that a person says: a talk begins so."""
        for at in range(begin, len(self._turns)):
            if self._turns[at].role == "user":
                return at
        return begin

    def _turn_cost(self, at: int) -> int:
        return self._counter.message(self._message(self._turns[at]))

    def _less(self, kept: list[int], over: int) -> list[int]:
        """The kept turns without some tokens' worth; then blocks go, then the character shrinks."""
        spare = [at for at in kept if at not in self._must]
        if spare:
            gone = set()
            for at in spare:
                gone.add(at)
                over -= self._turn_cost(at)
                if over <= 0:
                    break
            return [at for at in kept if at not in gone]
        if self._blocks:
            self._blocks.pop()
        else:
            self._shrink(over)
        return kept

    def _message(self, turn: Heard) -> dict[str, str]:
        return {"role": turn.role, "content": without_marks(self._ask.fill(turn.text))}

    def _compose(self, kept: Sequence[int]) -> list[dict[str, str]]:
        messages: list[dict[str, str]] = []
        if not self._is_baked:
            messages.append({"role": "system", "content": self._system_text()})
        deep = [block for block in self._blocks if block.depth is not None]
        for position, at in enumerate(kept):
            self._put_deep(messages, deep, len(kept) - position, is_first=position == 0)
            message = self._message(self._turns[at])
            last = messages[-1] if messages else None
            if self._ask.merges and last and last["role"] == message["role"] == "user":
                messages[-1] = {**last, "content": f"{last['content']}\n{message['content']}"}
            else:
                messages.append(message)
        self._put_deep(messages, deep, 0, is_first=not kept)
        return messages

    def _put_deep(
        self, messages: list[dict[str, str]], deep: list[Block], depth: int, *, is_first: bool
    ) -> None:
        """Put what stands so many turns from the end; what would stand before all, first."""
        # Behind the character's own words, which it may be about to continue, nothing stands.
        least = 1 if self._turns and self._turns[-1].role == "assistant" else 0
        texts = [
            without_marks(self._ask.fill(block.text))
            for block in deep
            if (at := max(least, block.depth or 0)) == depth or (is_first and at > depth)
        ]
        if texts:
            messages.append({"role": "system", "content": "\n".join(texts)})

    def _system_text(self) -> str:
        parts: dict[str, list[str]] = {kind: [] for kind in get_args(Kind)}
        for block in self._blocks:
            if block.depth is None:
                parts[block.kind].append(block.text)
        text = _template().render(base=self._system, room=self._ask.room, **parts)
        return without_marks(self._ask.fill(text.strip()))


@cache
def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    source = (resources.files("exagirl.chat") / "prompt.jinja").read_text("utf-8")
    return environment.from_string(source)
