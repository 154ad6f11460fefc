"""Many chats in one SQLite file; every change is on the disk before the call returns.

A row a turn, so that a change costs what it changes, not what the chat is long. A chat carries a
revision number: who writes on top of a revision that is no longer the last is told, and writes
nothing. Commits are safe against a kill at any point and a power cut (WAL, synchronous FULL).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from exagirl.artifact import file_faults
from exagirl.chat.conversation import Change, Conversation, Memory, Setting, Turn
from exagirl.chat.faults import ChatError, StaleChatError
from exagirl.chat.store_file import ChatFile
from exagirl.errors import ArtifactError
from exagirl.owners import FOLDER, Owners, at_work
from exagirl.record import Record

OPENING_CHARS = 60
MAX_STEPS = 100
"""Changes of one chat that can be taken back."""

_TURNS = TypeAdapter(tuple[Turn, ...])
_MEMORIES = TypeAdapter(tuple[Memory, ...])
_WRITER = re.compile("[0-9a-f]{32}")


class ChatSummary(Record):
    """One chat in a list."""

    id: str
    title: str
    cast: tuple[str, ...]
    turns: int
    updated: str
    """When it was last changed, ISO 8601 in UTC."""
    opening: str = ""
    """The first words, for a chat without a title."""
    is_damaged: bool = False
    """True where it cannot be read; `ChatStore.load` says what is wrong."""


class Stored(Record):
    """A chat as it stands in the file."""

    id: str
    revision: int
    cast: tuple[str, ...]
    conversation: Conversation
    steps: tuple[Change, ...]
    """What can be taken back, oldest first."""
    draft: str = ""
    """What a person said last and no reply came to, because the process ended."""


class ChatStore(ChatFile):
    """The chats of one file; may be shared by threads.

    Args:
        path: The file; made where there is none.

    Raises:
        ArtifactError: The file cannot be opened, or is no such file; it is left as it is.
    """

    def create(
        self, cast: tuple[str, ...], conversation: Conversation, steps: Sequence[Change] = ()
    ) -> Stored:
        """Write a new chat.

        Args:
            cast: Names of the characters.
            conversation: What was said so far.
            steps: What can be taken back, oldest first.
        """
        chat, now = secrets.token_hex(8), _now()
        with self._writing():
            self._db.execute(
                "INSERT INTO chats (id, cast_names, created, updated, revision, setting, memories)"
                " VALUES (?, ?, ?, ?, 1, ?, ?)",
                (
                    chat,
                    json.dumps(cast, ensure_ascii=False),
                    now,
                    now,
                    conversation.setting.model_dump_json(),
                    _MEMORIES.dump_json(conversation.memories).decode(),
                ),
            )
            self._db.executemany(
                "INSERT INTO turns VALUES (?, ?, ?)",
                ((chat, turn.id, _row(turn)) for turn in conversation.turns),
            )
            for step in steps:
                self._push_step(chat, step)
        return Stored(id=chat, revision=1, cast=cast, conversation=conversation, steps=tuple(steps))

    def load(self, chat: str) -> Stored:
        """Read a chat whole.

        Raises:
            ChatError: There is none of this number.
            ArtifactError: A row of it is damaged; the message names it.
        """
        with self._reading():
            head = self._db.execute(
                "SELECT revision, cast_names, setting, memories, draft FROM chats WHERE id = ?",
                (chat,),
            ).fetchone()
            rows = self._db.execute(
                "SELECT id, turn FROM turns WHERE chat = ? ORDER BY id", (chat,)
            ).fetchall()
            steps = self._db.execute(
                "SELECT change FROM steps WHERE chat = ? ORDER BY id", (chat,)
            ).fetchall()
        if head is None:
            raise ChatError(f"{self.path}: '{chat}'이라는 대화가 없습니다. 지워졌을 수 있습니다.")
        with self._damage(chat, "머리글"):
            conversation = Conversation(
                turns=self._turns(chat, rows),
                setting=Setting.model_validate_json(head[2]),
                memories=_MEMORIES.validate_json(head[3]),
            )
            return Stored(
                id=chat,
                revision=head[0],
                cast=tuple(json.loads(head[1])),
                conversation=conversation,
                draft=head[4],
                steps=tuple(Change.model_validate_json(row[0]) for row in steps),
            )

    def _turns(self, chat: str, rows: list[tuple[int, str]]) -> tuple[Turn, ...]:
        try:
            return _TURNS.validate_json(f"[{','.join(row for _, row in rows)}]")
        except ValidationError:
            for number, row in rows:
                with self._damage(chat, f"{number}번째 말"):
                    Turn.model_validate_json(row)
            raise

    def revision(self, chat: str) -> int:
        """The revision of a chat now; 0 where it was deleted."""
        with self._reading():
            row = self._db.execute("SELECT revision FROM chats WHERE id = ?", (chat,)).fetchone()
        return int(row[0]) if row else 0

    def write(
        self, stored: Stored, change: Change, *, undo: Change, is_undo: bool = False
    ) -> Stored:
        """Bring a chat from one state to the next; on the disk when this returns.

        Args:
            stored: The chat as this side knows it.
            change: What differs.
            undo: The change as the person sees it.
            is_undo: True where it is taken back; else it can be taken back from now on.

        Raises:
            StaleChatError: Somebody else wrote meanwhile; nothing was written.
        """
        after = change.forward(stored.conversation)
        with self._writing():
            self._raise_revision(stored, setting=after.setting.model_dump_json(), draft="")
            for number, turn in change.after.items():
                self._write_turn(stored.id, number, turn)
            if is_undo:
                self._db.execute(
                    "DELETE FROM steps WHERE id = (SELECT max(id) FROM steps WHERE chat = ?)",
                    (stored.id,),
                )
            else:
                self._push_step(stored.id, undo)
            self._db.execute("DELETE FROM halves WHERE chat = ?", (stored.id,))
        update = {"revision": stored.revision + 1, "conversation": after}
        return stored.model_copy(update=update)

    def hold(self, chat: str, text: str) -> None:
        """Keep what a person says while the reply is drawn; the next write lets it go."""
        # It is for the end of the process, against which it is safe without waiting for the disk.
        with self._writing(level="NORMAL"):
            self._db.execute("UPDATE chats SET draft = ? WHERE id = ?", (text, chat))

    @contextmanager
    def writer(self) -> Iterator[str]:
        """A name for who draws a reply; it is known to be at work until the end of the block.

        A file in ``.workers`` is locked meanwhile. The system gives the lock back when the process
        ends, however it ends, so that nobody takes the half reply of one at work for a dead one's.
        """
        with at_work(self.path.parent) as owners:
            yield owners.name

    def hold_half(self, stored: Stored, writer: str, change: Change) -> None:
        """Keep what would be written if the reply ended now; the next write lets it go.

        Args:
            stored: The chat as this side knows it.
            writer: From `writer`.
            change: What differs; put in place of what this writer held before.
        """
        with self._writing(level="NORMAL"):
            self._db.execute(
                "INSERT INTO halves VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET revision = excluded.revision, change = excluded.change",
                (stored.id, writer, stored.revision, change.model_dump_json()),
            )

    def drop_half(self, stored: Stored, writer: str) -> None:
        """Let go what a writer held."""
        with self._writing(level="NORMAL"):
            self._db.execute(
                "DELETE FROM halves WHERE chat = ? AND writer = ?", (stored.id, writer)
            )

    def rescue(self, stored: Stored) -> Stored:
        """Put a half reply, whose process ended while it was drawn, into its chat.

        Nothing happens where its writer is still at work, or where the chat was changed since.

        Returns:
            The chat with what came, which can be taken back; or the chat as it was given.

        Raises:
            StaleChatError: Somebody else wrote meanwhile.
        """
        with self._reading():
            halves = self._db.execute(
                "SELECT writer, change FROM halves WHERE chat = ? AND revision = ?",
                (stored.id, stored.revision),
            ).fetchall()
        for writer, row in halves:
            if _WRITER.fullmatch(writer) and self._is_at_work(writer):
                continue
            # A half that cannot be read must not keep the whole from being opened.
            with suppress(ValidationError):
                change = Change.model_validate_json(row)
                update = {"steps": (*stored.steps, change), "draft": ""}
                return self.write(stored, change, undo=change).model_copy(update=update)
        return stored

    def _is_at_work(self, writer: str) -> bool:
        with file_faults(self.path):
            return Owners(self.path.parent / FOLDER, "").is_alive(writer)

    def write_memories(self, stored: Stored, memories: tuple[Memory, ...]) -> Stored:
        """Put other memories in place of a chat's; this cannot be taken back.

        Raises:
            StaleChatError: Somebody else wrote meanwhile; nothing was written.
        """
        with self._writing():
            self._raise_revision(stored, memories=_MEMORIES.dump_json(memories).decode())
        conversation = stored.conversation.model_copy(update={"memories": memories})
        update = {"revision": stored.revision + 1, "conversation": conversation}
        return stored.model_copy(update=update)

    def chats(self) -> tuple[ChatSummary, ...]:
        """All chats, the one that was changed last first; a damaged one does not hide the rest."""
        with self._reading():
            rows = self._db.execute(
                "SELECT id, cast_names, updated, setting,"
                " (SELECT count(*) FROM turns WHERE chat = chats.id),"
                " (SELECT turn FROM turns WHERE chat = chats.id ORDER BY id LIMIT 1)"
                " FROM chats ORDER BY updated DESC, id"
            ).fetchall()
        return tuple(_summary(*row) for row in rows)

    def delete(self, chat: str) -> None:
        """Take a chat out of the file."""
        with self._writing():
            for table in ("halves", "steps", "turns"):
                self._db.execute(f"DELETE FROM {table} WHERE chat = ?", (chat,))
            self._db.execute("DELETE FROM chats WHERE id = ?", (chat,))

    def _raise_revision(self, stored: Stored, **columns: str) -> None:
        names = "".join(f", {name} = ?" for name in columns)
        done = self._db.execute(
            f"UPDATE chats SET revision = revision + 1, updated = ?{names}"
            " WHERE id = ? AND revision = ?",
            (_now(), *columns.values(), stored.id, stored.revision),
        )
        if done.rowcount == 0:
            raise StaleChatError(
                "다른 창에서 이 대화를 고쳤거나 지웠습니다. 이 창의 것은 저장하지 않았습니다. "
                "대화를 다시 불러온 뒤 이어서 하세요."
            )

    def _write_turn(self, chat: str, number: int, turn: Turn | None) -> None:
        if turn is None:
            self._db.execute("DELETE FROM turns WHERE chat = ? AND id = ?", (chat, number))
            return
        self._db.execute(
            "INSERT INTO turns VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET turn = excluded.turn",
            (chat, number, _row(turn)),
        )

    def _push_step(self, chat: str, undo: Change) -> None:
        self._db.execute(
            "INSERT INTO steps (chat, change) VALUES (?, ?)", (chat, undo.model_dump_json())
        )
        self._db.execute(
            "DELETE FROM steps WHERE chat = ? AND id <= ("
            "SELECT id FROM steps WHERE chat = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (chat, chat, MAX_STEPS),
        )

    @contextmanager
    def _damage(self, chat: str, where: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise ArtifactError(
                f"{self.path}: 대화 '{chat}'의 {where}이 망가져 읽을 수 없습니다. 다른 대화는 "
                "열 수 있습니다."
            ) from error


def _summary(
    chat: str, cast: str, updated: str, setting: str, turns: int, first: str | None
) -> ChatSummary:
    update: dict[str, Any] = {"is_damaged": True}
    bare = ChatSummary(id=chat, title="", cast=(), turns=turns, updated=updated)
    try:
        opening = Turn.model_validate_json(first).raw if first else ""
        update = {
            "title": Setting.model_validate_json(setting).title,
            "cast": tuple(json.loads(cast)),
            "opening": opening[:OPENING_CHARS],
        }
    except ValueError:
        pass
    return bare.model_copy(update=update)


def _row(turn: Turn) -> str:
    return turn.model_dump_json(exclude_defaults=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
