"""A conversation with what can be taken back, written through to its store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from exagirl.chat.conversation import Change, Conversation, Memory, change_between
from exagirl.chat.faults import ChatError, StaleChatError
from exagirl.chat.store import MAX_STEPS, ChatStore, Stored
from exagirl.errors import ArtifactError

HOLD_S = 0.5
"""Seconds between two writes of a reply that is being drawn."""

Hold = Callable[[Callable[[], Conversation | None]], None]
"""Told whenever something came of a reply; takes what makes the state if it ended now, or None
where that is nothing."""


class History:
    """The state of one conversation; every change goes to the disk first, where it has a store."""

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self._steps: list[Change] = []
        self.unsent = ""
        self._store: ChatStore | None = None
        self._stored: Stored | None = None

    @property
    def chat_id(self) -> str:
        """The chat's number in its store; empty where it is in none."""
        return self._stored.id if self._stored else ""

    @property
    def can_undo(self) -> str:
        """What `undo` would take back; empty where nothing."""
        return self._steps[-1].what if self._steps else ""

    def keep_in(self, store: ChatStore, cast: tuple[str, ...]) -> str:
        """Write the talk, with what can be taken back, as a new chat, and all that follows."""
        self._stored = store.create(cast, self.talk, self._steps)
        self._store = store
        return self._stored.id

    def resume(self, store: ChatStore, stored: Stored) -> None:
        """Go on with a chat of a store; a half reply whose process ended becomes a part of it."""
        try:
            stored = store.rescue(stored)
        except StaleChatError:
            # Another window was faster.
            stored = store.load(stored.id)
        self._store, self._stored = store, stored
        self.talk, self._steps = stored.conversation, list(stored.steps)
        self.unsent = stored.draft

    def reload(self) -> None:
        """Take the chat as it stands in its store now.

        Raises:
            ChatError: It has no store, or was deleted from it.
        """
        if self._store is None or self._stored is None:
            raise ChatError("저장하지 않는 대화라서 다시 불러올 것이 없습니다.")
        self.resume(self._store, self._store.load(self._stored.id))

    def check_fresh(self) -> None:
        """See that nobody else wrote since.

        Raises:
            StaleChatError: Somebody did.
        """
        if self._store is None or self._stored is None:
            return
        if self._store.revision(self._stored.id) != self._stored.revision:
            raise StaleChatError(
                "다른 창에서 이 대화가 바뀌었습니다. 대화를 다시 불러온 뒤 이어서 하세요."
            )

    @contextmanager
    def holding(self, asked: str, what: str) -> Iterator[Hold]:
        """Keep what is said and what comes of the reply, in case the process ends meanwhile.

        Args:
            asked: What the person says; empty where it stands in the talk already.
            what: What is done, for undo.

        Yields:
            What is told whenever something came; it writes every `HOLD_S` seconds at most, and
            takes what makes the state as it would be if the reply ended now.
        """
        store, stored = self._store, self._stored
        if store is None or stored is None:
            yield lambda _: None
            return
        if asked:
            store.hold(stored.id, asked)
        half = _Half(store, stored, what)
        try:
            yield half.hold
        finally:
            # Where it could not be written, the half is the best that the file has.
            half.close(is_kept=stored is not self._stored)

    def change(self, after: Conversation, what: str) -> None:
        """Go on to another state.

        Raises:
            StaleChatError: Somebody else wrote meanwhile; nothing changed.
            ArtifactError: It could not be written; nothing changed.
        """
        step = change_between(self.talk, after, what)
        if step.is_nothing:
            return
        self._write(after, step, is_undo=False)
        self._took(after, step)

    def keep_reply(self, after: Conversation, what: str, cast: tuple[str, ...]) -> None:
        """Go on to a state with words of the model in it, which are never thrown away.

        Raises:
            StaleChatError: Somebody else wrote meanwhile; this side's talk is a chat of its own
                now, and goes on there.
            ArtifactError: It could not be written; it stands here, and is written with the next
                change.
        """
        step = change_between(self.talk, after, what)
        try:
            self._write(after, step, is_undo=False)
        except StaleChatError as error:
            store = self._store
            self._took(after, step)
            if store is None:
                raise
            title = f"{after.setting.title or '대화'} (갈라진 대화)"
            self.talk = after.setting_up(title=title)
            raise StaleChatError(
                "답을 받는 동안 다른 창에서 이 대화가 바뀌었습니다. 이 창의 대화는 따로 저장했고 "
                "여기서 이어집니다. 다른 창의 것은 대화 목록에 그대로 있습니다.",
                kept_as=self.keep_in(store, cast),
            ) from error
        except Exception:
            self._took(after, step)
            raise
        self._took(after, step)

    def undo(self) -> str:
        """Take the last change back; returns what it was.

        Raises:
            ChatError: There is nothing to take back.
        """
        if not self._steps:
            raise ChatError("되돌릴 것이 없습니다.")
        step = self._steps[-1]
        before = step.backward(self.talk)
        self._write(before, step, is_undo=True)
        self._steps.pop()
        self.talk = before
        return step.what

    def set_memories(self, memories: tuple[Memory, ...]) -> None:
        """Put other memories in place; this is no change that is taken back."""
        if self._store is not None and self._stored is not None:
            self._stored = self._store.write_memories(self._stored, memories)
        self.talk = self.talk.model_copy(update={"memories": memories})

    def _took(self, after: Conversation, step: Change) -> None:
        self.talk, self.unsent = after, ""
        self._steps = [*self._steps, step][-MAX_STEPS:]

    def _write(self, after: Conversation, step: Change, *, is_undo: bool) -> None:
        if self._store is None or self._stored is None:
            return
        # Not from the talk: what could not be written the last time is written now.
        change = change_between(self._stored.conversation, after, step.what)
        self._stored = self._store.write(self._stored, change, undo=step, is_undo=is_undo)


class _Half:
    """What came of one reply so far, in the store."""

    def __init__(self, store: ChatStore, stored: Stored, what: str) -> None:
        self._store = store
        self._stored = stored
        self._what = what
        self._writer = ""
        self._held_at = time.monotonic()
        self._open = ExitStack()

    def hold(self, after: Callable[[], Conversation | None]) -> None:
        """Keep it, where the last time is long enough ago."""
        if time.monotonic() - self._held_at < HOLD_S:
            return
        talk = after()
        if talk is None:
            return
        # A reply goes on where this cannot be written; whoever writes it at its end is told.
        with suppress(ArtifactError):
            self._writer = self._writer or self._open.enter_context(self._store.writer())
            change = change_between(self._stored.conversation, talk, self._what)
            self._store.hold_half(self._stored, self._writer, change)
        self._held_at = time.monotonic()

    def close(self, *, is_kept: bool) -> None:
        """Be at work no longer."""
        with self._open, suppress(ArtifactError):
            if self._writer and is_kept:
                self._store.drop_half(self._stored, self._writer)
