"""What was said, as a value: turns with versions, and the changes that lead from one to the next.

A conversation never changes; every change makes a new one. What differs between two is a `Change`,
which leads either way: forward into the store, backward for undo.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from exagirl.chat.faults import ChatError
from exagirl.record import Record

Role = Literal["user", "assistant"]
MAX_PINS = 50


class Said(Record):
    """One turn: as the model knows it, and as people read it."""

    role: str
    raw: str
    """With ``{유저}`` as the model writes it."""
    shown: str
    """With the names filled in."""
    speaker: str = ""
    """The character's name where several are in the room, as `Session.cast` has it; a name from a
    log that was read in; else empty."""
    version: int = 1
    """Which of the versions this is, from 1."""
    versions: int = 1
    is_cut: bool = False
    """True where the model broke off: the line failed or somebody stopped it."""


class Version(Record):
    """One way in which a turn was said."""

    raw: str
    is_cut: bool = False


class Turn(Record):
    """One turn with all its versions."""

    id: int
    """Grows along the conversation; the order of turns is the order of their numbers."""
    role: Role
    speaker: str = ""
    """The character's name where several are in the room, a name from a log that was read in."""
    versions: tuple[Version, ...] = Field(min_length=1)
    chosen: int = Field(default=0, ge=0)
    is_hidden: bool = False
    """True for what people see and the model does not."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """What another program wrote beside the turn; it goes out as it came."""

    @property
    def now(self) -> Version:
        """The version that counts."""
        return self.versions[min(self.chosen, len(self.versions) - 1)]

    @property
    def raw(self) -> str:
        """The text that counts."""
        return self.now.raw

    def with_version(self, version: Version) -> Turn:
        """The turn with one version more, which counts from now on."""
        update = {"versions": (*self.versions, version), "chosen": len(self.versions)}
        return self.model_copy(update=update)

    def with_text(self, version: Version) -> Turn:
        """The turn with another text in place of the version that counts."""
        at = min(self.chosen, len(self.versions) - 1)
        versions = (*self.versions[:at], version, *self.versions[at + 1 :])
        return self.model_copy(update={"versions": versions})


class Note(Record):
    """What the author whispers to the model."""

    text: str = ""
    depth: int = Field(default=4, ge=0)
    """How many turns from the end it stands; 0 is the very end."""


class Setting(Record):
    """What belongs to a conversation beside what was said."""

    user: str = "친구"
    persona: str = ""
    """Who the person is, in their own words."""
    greeting: int = Field(default=0, ge=-1)
    """Which greeting opens the talk; -1 for none."""
    note: Note = Note()
    pins: tuple[str, ...] = ()
    """Facts that always stay."""
    title: str = ""
    foreign: dict[str, Any] = Field(default_factory=dict)
    """The first line of a log of another program."""


class Memory(Record):
    """What is kept of a stretch of turns that fell out of the context."""

    first: int
    last: int
    """The numbers of the first and the last turn."""
    digest: str
    """Of what the turns said: a memory of words that were changed since does not count."""
    facts: tuple[str, ...]


class Conversation(Record):
    """One conversation as it stands."""

    turns: tuple[Turn, ...] = ()
    setting: Setting = Setting()
    memories: tuple[Memory, ...] = ()

    def place(self, turn: int) -> int:
        """The position of a turn that is counted from 0, or back from -1.

        Raises:
            ChatError: There is no such turn.
        """
        at = turn + len(self.turns) if turn < 0 else turn
        if not 0 <= at < len(self.turns):
            count = len(self.turns)
            raise ChatError(
                f"{turn}번째 말은 없습니다. 이 대화에는 {count}마디가 있습니다"
                + (f"(0부터 {count - 1}까지)." if count else ". 먼저 말을 걸어 보세요.")
            )
        return at

    def adding(self, *turns: Turn) -> Conversation:
        """With turns at the end; they get their numbers here."""
        next_id = self.turns[-1].id + 1 if self.turns else 1
        numbered = [turn.model_copy(update={"id": next_id + at}) for at, turn in enumerate(turns)]
        return self.model_copy(update={"turns": (*self.turns, *numbered)})

    def replacing(self, at: int, turn: Turn) -> Conversation:
        """With another turn at a position."""
        return self.model_copy(update={"turns": (*self.turns[:at], turn, *self.turns[at + 1 :])})

    def dropping(self, at: int, *, and_after: bool = False) -> Conversation:
        """Without a turn, or without it and all that follow."""
        rest = () if and_after else self.turns[at + 1 :]
        return self.model_copy(update={"turns": (*self.turns[:at], *rest)})

    def setting_up(self, **values: Any) -> Conversation:
        """With other settings."""
        setting = Setting.model_validate(self.setting.model_dump() | values)
        return self.model_copy(update={"setting": setting})

    def memories_that_hold(self) -> tuple[Memory, ...]:
        """The memories whose turns still say what they said."""
        return tuple(memory for memory in self.memories if self._still_says(memory))

    def _still_says(self, memory: Memory) -> bool:
        begin = bisect_left(self.turns, memory.first, key=lambda turn: turn.id)
        end = bisect_right(self.turns, memory.last, key=lambda turn: turn.id)
        return memory.digest == digest_of(self.turns[begin:end])


class Change(Record):
    """What differs between two conversations, by the numbers of turns."""

    what: str
    """What was done, in Korean, for the undo button."""
    before: dict[int, Turn | None]
    after: dict[int, Turn | None]
    setting_before: Setting
    setting_after: Setting

    def forward(self, conversation: Conversation) -> Conversation:
        """The conversation with the change."""
        return _with(conversation, self.after, self.setting_after)

    def backward(self, conversation: Conversation) -> Conversation:
        """The conversation without the change."""
        return _with(conversation, self.before, self.setting_before)

    @property
    def inverse(self) -> Change:
        """The change that takes this one back."""
        return Change(
            what=self.what,
            before=self.after,
            after=self.before,
            setting_before=self.setting_after,
            setting_after=self.setting_before,
        )

    @property
    def is_nothing(self) -> bool:
        """True where both sides are the same."""
        return not self.before and self.setting_before == self.setting_after


def change_between(before: Conversation, after: Conversation, what: str) -> Change:
    """What leads from one conversation to another."""
    old = {turn.id: turn for turn in before.turns}
    new = {turn.id: turn for turn in after.turns}
    moved = [
        number
        for number in sorted(old.keys() | new.keys())
        if old.get(number) is not new.get(number) and old.get(number) != new.get(number)
    ]
    return Change(
        what=what,
        before={number: old.get(number) for number in moved},
        after={number: new.get(number) for number in moved},
        setting_before=before.setting,
        setting_after=after.setting,
    )


def _with(
    conversation: Conversation, turns: dict[int, Turn | None], setting: Setting
) -> Conversation:
    kept = {turn.id: turn for turn in conversation.turns}
    for number, turn in turns.items():
        if turn is None:
            kept.pop(number, None)
        else:
            kept[number] = turn
    ordered = tuple(kept[number] for number in sorted(kept))
    return conversation.model_copy(update={"turns": ordered, "setting": setting})


def digest_of(turns: Iterable[Turn]) -> str:
    """A hash of what turns say, whoever says it."""
    said = hashlib.sha256()
    for turn in turns:
        said.update(f"{turn.id}\0{turn.role}\0{turn.raw}\0".encode())
    return said.hexdigest()[:16]
