"""What stands of a conversation, and the changes that need no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from exagirl.chat.conversation import (
    MAX_PINS,
    Conversation,
    Memory,
    Note,
    Said,
    Setting,
    Turn,
    Version,
)
from exagirl.chat.faults import ChatError
from exagirl.chat.history import History
from exagirl.chat.options import ChatOptions
from exagirl.chat.voice import Voice
from exagirl.korean.normalise import normalise
from exagirl.persona.character import Character

MAX_NAME_CHARS = 40


class Editing:
    """A conversation that can be looked at and changed; `Session` also talks.

    Args:
        voices: The characters, in the order in which they take turns.
        user: The person's name.
        options: How the conversation is held.
    """

    def __init__(self, voices: Sequence[Voice], user: str, options: ChatOptions) -> None:
        self.options = options
        self._voices = list(voices)
        self._history = History(Conversation(setting=Setting(user=user)))
        self._said: dict[int, tuple[Turn, Said]] = {}
        self._said_to = user
        self._running = Lock()

    # What stands.

    @property
    def character(self) -> Character:
        """Who speaks; the first of several."""
        return self._voices[0].character

    @property
    def user(self) -> str:
        """The person's name."""
        return self._talk.setting.user

    @property
    def cast(self) -> tuple[str, ...]:
        """Names of the characters in the room, in the order in which they take turns."""
        return tuple(voice.name for voice in self._voices)

    @property
    def turns(self) -> list[Said]:
        """What was said, oldest first; the greeting is not among it."""
        if self._said_to != self.user:
            self._said, self._said_to = {}, self.user
        said = [self._as_said(turn) for turn in self._talk.turns]
        if len(self._said) > 2 * len(said) + 16:
            self._said = {}
        return said

    @property
    def setting(self) -> Setting:
        """Name and persona of the person, greeting, note, pinned facts, title."""
        return self._talk.setting

    @property
    def memories(self) -> tuple[Memory, ...]:
        """What is kept of turns that fell out of the context and still say what they said."""
        return self._talk.memories_that_hold()

    @property
    def unsent(self) -> str:
        """What was said last and got no reply: the line failed, or the process ended."""
        return self._history.unsent

    @property
    def can_undo(self) -> str:
        """What `undo` would take back; empty where nothing."""
        return self._history.can_undo

    @property
    def chat_id(self) -> str:
        """The chat's number in its store; empty where it is in none."""
        return self._history.chat_id

    def versions(self, turn: int = -1) -> list[str]:
        """All versions of a turn as people read them, oldest first.

        Raises:
            ChatError: There is no such turn.
        """
        one = self._talk.turns[self._talk.place(turn)]
        at = self._voice_of(one)
        is_own = one.role == "assistant"
        return [self._fill(v.raw, at) if is_own else v.raw for v in one.versions]

    def greetings(self) -> list[str]:
        """All greetings of the character with the names filled in."""
        return [self._fill(text) for text in self.character.greetings]

    def greeting(self) -> str:
        """The greeting that opens this talk with the names filled in, or nothing.

        It is shown, but not given to the model, which learned conversations that a person opens.
        """
        at, known = self.setting.greeting, self.character.greetings
        return self._fill(known[at]) if 0 <= at < len(known) else ""

    # Changes that need no model.

    def next_version(self, turn: int = -1) -> Said:
        """Show the next version of a turn.

        Raises:
            ChatError: There is no next one; `regenerate` draws one.
        """
        return self._swipe(turn, 1)

    def previous_version(self, turn: int = -1) -> Said:
        """Show the version before.

        Raises:
            ChatError: This is the first.
        """
        return self._swipe(turn, -1)

    def edit(self, turn: int, text: str) -> Said:
        """Put other words in place of a turn's; ``{유저}`` may stand in a character's.

        Raises:
            ChatError: There is no such turn, or the text is empty or too long.
        """
        at, raw = self._talk.place(turn), self._clean(text)
        changed = self._talk.turns[at].with_text(Version(raw=raw))
        self._change(self._talk.replacing(at, changed), "고치기")
        return self._as_said(changed)

    def delete(self, turn: int = -1, *, and_after: bool = False) -> None:
        """Take a turn away, or it and all after it.

        Raises:
            ChatError: There is no such turn.
        """
        at = self._talk.place(turn)
        self._change(self._talk.dropping(at, and_after=and_after), "지우기")

    def clear(self) -> None:
        """Begin the talk anew; settings stay."""
        self._change(self._talk.model_copy(update={"turns": ()}), "새로 시작하기")

    def undo(self) -> str:
        """Take the last change back, whatever it was; returns what it was.

        Raises:
            ChatError: There is nothing to take back.
        """
        with self._busy():
            return self._history.undo()

    def choose_greeting(self, number: int) -> str:
        """Open the talk with another greeting, counted from 0; -1 for none.

        Raises:
            ChatError: There is no such greeting.
        """
        count = len(self.character.greetings)
        if not -1 <= number < count:
            raise ChatError(
                f"{number}번 첫인사는 없습니다. 0부터 {count - 1}까지 고를 수 있습니다."
            )
        self._set("첫인사 고르기", greeting=number)
        return self.greeting()

    def rename_user(self, name: str) -> None:
        """Call the person something else, in all that is shown."""
        self._set("이름 바꾸기", user=" ".join(self._clean(name, limit=MAX_NAME_CHARS).split()))

    def set_persona(self, text: str) -> None:
        """Tell the character who the person is; empty takes it away."""
        self._set("내 소개", persona=self._clean(text) if text.strip() else "")

    def set_title(self, text: str) -> None:
        """Name the chat."""
        self._set("제목", title=self._clean(text, limit=80) if text.strip() else "")

    def set_note(self, text: str, depth: int = 4) -> None:
        """Whisper to the model; empty takes the note away.

        Args:
            text: The author's note.
            depth: How many turns from the end it stands.
        """
        clean = self._clean(text) if text.strip() else ""
        self._set("작가 노트", note=Note(text=clean, depth=max(0, depth)).model_dump())

    def pin(self, fact: str) -> None:
        """Let a fact always stay with the character.

        Raises:
            ChatError: It is empty or too long, or there are too many.
        """
        pins = self.setting.pins
        if len(pins) >= MAX_PINS:
            raise ChatError(f"고정한 기억은 {MAX_PINS}개까지입니다. 하나를 빼 주세요.")
        self._set("기억 고정", pins=(*pins, self._clean(fact, limit=500)))

    def unpin(self, number: int) -> None:
        """Let a pinned fact go, counted from 0.

        Raises:
            ChatError: There is no such fact.
        """
        pins = self.setting.pins
        if not 0 <= number < len(pins):
            raise ChatError(f"{number}번 고정한 기억은 없습니다. 지금 {len(pins)}개가 있습니다.")
        self._set("고정 풀기", pins=(*pins[:number], *pins[number + 1 :]))

    # Help for the above.

    @property
    def _talk(self) -> Conversation:
        return self._history.talk

    def _change(self, after: Conversation, what: str) -> None:
        with self._busy():
            self._history.change(after, what)

    def _set(self, what: str, **values: Any) -> None:
        self._change(self._talk.setting_up(**values), what)

    def _swipe(self, turn: int, by: int) -> Said:
        at = self._talk.place(turn)
        one = self._talk.turns[at]
        to = one.chosen + by
        if not 0 <= to < len(one.versions):
            which = "다음" if by > 0 else "이전"
            raise ChatError(f"{which} 답이 없습니다. 이 말의 답은 {len(one.versions)}개입니다.")
        changed = one.model_copy(update={"chosen": to})
        self._change(self._talk.replacing(at, changed), "다른 답 고르기")
        return self._as_said(changed)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        if not self._running.acquire(blocking=False):
            raise ChatError("아직 답하고 있습니다. 멈추거나 끝날 때까지 기다려 주세요.")
        try:
            yield
        finally:
            self._running.release()

    def _clean(self, text: str, *, limit: int | None = None) -> str:
        """What a person typed, in normal form and of bounded length."""
        limit = limit or self.options.max_chars
        if len(text) > limit:
            raise ChatError(f"{len(text):,}자는 너무 깁니다. {limit:,}자까지 쓸 수 있습니다.")
        clean = normalise(text).strip()
        if not clean:
            raise ChatError("빈 글입니다. 한 글자라도 적어 주세요.")
        return clean

    def _voice_of(self, turn: Turn) -> int:
        """Who said a character's turn; the first of the cast where that is not known."""
        return self._at(turn.speaker)

    def _at(self, speaker: str) -> int:
        names = self.cast
        return names.index(speaker) if speaker in names else 0

    def _fill(self, text: str, at: int = 0) -> str:
        return self._voices[at].fill(text, self.user)

    def _as_said(self, turn: Turn) -> Said:
        """A turn as people read it, made once."""
        known = self._said.get(turn.id)
        if known is None or known[0] is not turn:
            known = self._said[turn.id] = (turn, self._new_said(turn))
        return known[1]

    def _new_said(self, turn: Turn) -> Said:
        is_own = turn.role == "assistant"
        return Said(
            role=turn.role,
            raw=turn.raw,
            shown=self._fill(turn.raw, self._voice_of(turn)) if is_own else turn.raw,
            speaker=turn.speaker,
            version=min(turn.chosen, len(turn.versions) - 1) + 1,
            versions=len(turn.versions),
            is_cut=turn.now.is_cut,
        )
