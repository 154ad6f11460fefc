"""Every reply that was paid for, in SQLite: written down before it is read.

One row an attempt, one row an accepted dialogue, one row a slot that a process is working on. A
slot is known by its key and by the hash of its request, so a changed prompt or teacher asks again,
and everything else is never paid for twice. Commits are safe against a process that is killed at
any point; after a power cut the last second may be missing (WAL, synchronous NORMAL).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from exagirl.artifact import file_faults
from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.batch_book import BatchBook
from exagirl.dialogue.duplicates import Fingers, Limits, Near, Seen
from exagirl.dialogue.records import Dialogue
from exagirl.errors import ArtifactError

VERSION = 2
BUSY_S = 60.0
"""How long a process waits for another one's transaction."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY,
    slot TEXT NOT NULL,
    request TEXT NOT NULL,
    kind TEXT NOT NULL DEFAULT 'reply',
    about INTEGER,
    raw TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL,
    dollars REAL NOT NULL DEFAULT 0,
    latency_s REAL NOT NULL,
    verdict TEXT,
    message TEXT,
    asked_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS attempts_of_slot ON attempts (slot, request, verdict);
CREATE INDEX IF NOT EXISTS attempts_about ON attempts (about) WHERE about IS NOT NULL;
CREATE TABLE IF NOT EXISTS accepted (
    slot TEXT NOT NULL,
    request TEXT NOT NULL,
    attempt INTEGER NOT NULL REFERENCES attempts (id),
    dialogue TEXT NOT NULL,
    orders TEXT NOT NULL DEFAULT '',
    whole BLOB,
    opening BLOB,
    PRIMARY KEY (slot, request)
);
CREATE TABLE IF NOT EXISTS claims (
    slot TEXT NOT NULL,
    request TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (slot, request)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    name TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    remote TEXT,
    collected INTEGER NOT NULL DEFAULT 0,
    requests TEXT NOT NULL
);
"""
# Columns that the first version of the file did not have.
_ADDED = {
    "attempts": (
        "kind TEXT NOT NULL DEFAULT 'reply'",
        "about INTEGER",
        "cached_tokens INTEGER NOT NULL DEFAULT 0",
        "dollars REAL NOT NULL DEFAULT 0",
    ),
    "accepted": ("orders TEXT NOT NULL DEFAULT ''", "whole BLOB", "opening BLOB"),
}

Kind = Literal["reply", "judge"]
KEPT = "kept"
ACCEPTED = "accepted"


class Address(NamedTuple):
    """What a reply was asked for."""

    slot: str
    request: str
    kind: Kind = "reply"
    about: int | None = None
    """The attempt that a judge was asked about."""


class Attempt(NamedTuple):
    """A reply as it stands in the journal."""

    number: int
    reply: ChatReply
    verdict: str | None
    message: str
    """Why it was refused; of a kept line, the line."""


class Spent(NamedTuple):
    """What all attempts took together."""

    attempts: int
    dollars: float
    prompt_tokens: int
    completion_tokens: int


class Verdict(NamedTuple):
    """What was found of one attempt."""

    attempt: int
    verdict: str | None
    """A code of refusal, ``kept``, ``accepted``; None where nobody has judged it."""
    message: str = ""


class Journal:
    """The journal of one run, for one order (a teacher, its prompts, its settings)."""

    def __init__(self, connection: sqlite3.Connection, order: str = "") -> None:
        self._db = connection
        self._order = order
        self._seen = Seen(self._dialogue_of)
        self._learnt_row = 0
        self.batches = BatchBook(connection)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that no other process can come between."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        self._db.commit()

    def write_reply(
        self, address: Address, reply: ChatReply, latency_s: float, dollars: float = 0.0
    ) -> int:
        """Write a raw reply down, before anybody reads it; returns the attempt's number."""
        cursor = self._db.execute(
            "INSERT INTO attempts (slot, request, kind, about, raw, finish_reason, prompt_tokens,"
            " cached_tokens, completion_tokens, dollars, latency_s)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *address,
                reply.content,
                reply.finish_reason,
                reply.prompt_tokens,
                reply.cached_tokens,
                reply.completion_tokens,
                dollars,
                latency_s,
            ),
        )
        return int(cursor.lastrowid or 0)

    def settle(self, verdict: Verdict) -> None:
        """Record what was found of a reply: a code of refusal, or ``kept``."""
        self._db.execute(
            "UPDATE attempts SET verdict = ?, message = ? WHERE id = ?",
            (verdict.verdict, verdict.message, verdict.attempt),
        )

    def drop_kept(self, slot: str, request: str, code: str, message: str) -> None:
        """Refuse a whole simulated conversation: none of its lines is kept."""
        self._db.execute(
            "UPDATE attempts SET verdict = ?, message = ?"
            " WHERE slot = ? AND request = ? AND verdict = ?",
            (code, message, slot, request, KEPT),
        )

    def accept(
        self, address: Address, attempt: int, dialogue: Dialogue, fingers: Fingers, limits: Limits
    ) -> Near | None:
        """Close a slot with a dialogue, unless one that was accepted is nearly the same.

        A slot that is closed already stays as it is. Looking and closing are one transaction, so
        two processes cannot let two like dialogues in.

        Returns:
            None where the slot is closed now; else the dialogue that stands in the way.
        """
        with self.writing():
            near = self.near(dialogue, fingers, limits)
            if near is None or near.slot == address.slot:
                self._write_accepted(address, attempt, dialogue, fingers)
                return None
        return near

    def _write_accepted(
        self, address: Address, attempt: int, dialogue: Dialogue, fingers: Fingers
    ) -> None:
        self._db.execute("UPDATE attempts SET verdict = ? WHERE id = ?", (ACCEPTED, attempt))
        opening = None if fingers.opening is None else fingers.opening.tobytes()
        self._db.execute(
            "INSERT OR IGNORE INTO accepted VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                address.slot,
                address.request,
                attempt,
                dialogue.model_dump_json(),
                self._order,
                fingers.whole.tobytes(),
                opening,
            ),
        )

    def near(self, dialogue: Dialogue, fingers: Fingers, limits: Limits) -> Near | None:
        """The accepted dialogue of this order that is too close, if any."""
        self._learn()
        return self._seen.near(dialogue, fingers, limits)

    def _learn(self) -> None:
        """Sign in what was accepted since the last look, by whichever process."""
        rows = self._db.execute(
            "SELECT rowid, attempt, whole, opening FROM accepted WHERE rowid > ? AND orders = ?"
            " AND whole IS NOT NULL ORDER BY rowid",
            (self._learnt_row, self._order),
        )
        for row, attempt, whole, opening in rows:
            fingers = Fingers(
                np.frombuffer(whole, dtype=np.uint32),
                None if opening is None else np.frombuffer(opening, dtype=np.uint32),
            )
            self._seen.add(attempt, fingers)
            self._learnt_row = row

    def _dialogue_of(self, attempt: int) -> Dialogue | None:
        row = self._db.execute(
            "SELECT a.dialogue FROM accepted a JOIN attempts t ON t.slot = a.slot"
            " AND t.request = a.request WHERE t.id = ? AND a.attempt = t.id",
            (attempt,),
        ).fetchone()
        return Dialogue.model_validate_json(row[0]) if row else None

    def is_closed(self, slot: str, request: str) -> bool:
        """True where a dialogue was accepted for a slot."""
        found = self._db.execute(
            "SELECT 1 FROM accepted WHERE slot = ? AND request = ?", (slot, request)
        )
        return found.fetchone() is not None

    def accepted(self, slot: str, request: str) -> Dialogue | None:
        """The dialogue that closed a slot, if one did."""
        row = self._db.execute(
            "SELECT dialogue FROM accepted WHERE slot = ? AND request = ?", (slot, request)
        ).fetchone()
        return Dialogue.model_validate_json(row[0]) if row else None

    def attempts(self, slot: str, request: str) -> list[Attempt]:
        """Every reply that was had for a slot, oldest first; a judge's are left out."""
        return self._attempts("slot = ? AND request = ? AND kind = 'reply'", (slot, request))

    def unread(self, slot: str, request: str) -> list[Attempt]:
        """Replies that were paid for but not judged before the process died."""
        where = "slot = ? AND request = ? AND kind = 'reply' AND verdict IS NULL"
        return self._attempts(where, (slot, request))

    def kept(self, slot: str, request: str) -> list[Attempt]:
        """The lines of a simulated conversation that goes on."""
        return self._attempts("slot = ? AND request = ? AND verdict = 'kept'", (slot, request))

    def judgements(self, attempt: int) -> list[Attempt]:
        """What a judge said of a reply."""
        return self._attempts("about = ?", (attempt,))

    def _attempts(self, where: str, values: tuple[object, ...]) -> list[Attempt]:
        rows = self._db.execute(
            "SELECT id, raw, finish_reason, verdict, message FROM attempts"
            f" WHERE {where} ORDER BY id",
            values,
        )
        return [
            Attempt(number, ChatReply(content=raw, finish_reason=reason), verdict, message or "")
            for number, raw, reason, verdict, message in rows
        ]

    def claim(self, slot: str, request: str, owner: str) -> str:
        """Take a slot, unless another process has it; returns who has it now."""
        with self.writing():
            self._db.execute(
                "INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", (slot, request, owner)
            )
            row = self._db.execute(
                "SELECT owner FROM claims WHERE slot = ? AND request = ?", (slot, request)
            ).fetchone()
        return str(row[0])

    def release(self, slot: str, request: str, owner: str) -> None:
        """Give a slot back."""
        self._db.execute(
            "DELETE FROM claims WHERE slot = ? AND request = ? AND owner = ?",
            (slot, request, owner),
        )

    def release_all(self, owner: str) -> None:
        """Give back every slot of a process that is no more."""
        self._db.execute("DELETE FROM claims WHERE owner = ?", (owner,))

    def resettle(
        self,
        address: Address,
        verdicts: Iterable[Verdict],
        found: tuple[int, Dialogue, Fingers] | None,
    ) -> None:
        """Put a slot's verdicts and its dialogue in place of the old ones, in one transaction."""
        with self.writing():
            self._db.execute("DELETE FROM accepted WHERE slot = ? AND request = ?", address[:2])
            for verdict in verdicts:
                self.settle(verdict)
            if found is not None:
                self._write_accepted(address, *found)

    def spent(self) -> Spent:
        """What all attempts in this journal took."""
        row = self._db.execute(
            "SELECT count(*), total(dollars), total(prompt_tokens), total(completion_tokens)"
            " FROM attempts"
        ).fetchone()
        return Spent(row[0], row[1], int(row[2]), int(row[3]))

    def last_attempt(self) -> int:
        """The number of the newest attempt; 0 where there is none."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM attempts").fetchone()[0])

    def other_orders(self) -> int:
        """How many dialogues were accepted for orders that are not this one."""
        row = self._db.execute("SELECT count(*) FROM accepted WHERE orders != ?", (self._order,))
        return int(row.fetchone()[0])

    @property
    def connection(self) -> sqlite3.Connection:
        """The open file, for reports that ask their own questions."""
        return self._db


@contextmanager
def open_journal(path: Path, order: str = "") -> Iterator[Journal]:
    """Open or make the journal; it is closed at the end of the block.

    Args:
        path: The file.
        order: Names the teacher and its prompts; near-duplicates are looked for within it.

    Raises:
        ArtifactError: The file is no journal, is of a newer version, or cannot be written.
    """
    with file_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    except sqlite3.Error as error:
        raise ArtifactError(f"{path}: 저널을 열 수 없습니다({error}).") from error
    try:
        _prepare(connection, path)
        yield Journal(connection, order)
    except sqlite3.Error as error:
        raise ArtifactError(
            f"{path}: 저널을 쓸 수 없습니다({error}). 디스크의 자리와 권한을 확인하세요. 파일이 "
            "저널이 아니라면 다른 곳으로 옮긴 뒤 다시 실행하세요."
        ) from error
    finally:
        connection.close()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set the file up, or bring an older one up to date."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise ArtifactError(
            f"{path}: 더 새로운 exagirl이 쓴 저널입니다(판 {version}, 여기서는 {VERSION}까지). "
            "exagirl을 새 판으로 올리세요."
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for table, columns in _ADDED.items():
        present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for column in columns:
            if present and column.split()[0] not in present:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    for statement in _SCHEMA.split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.commit()
