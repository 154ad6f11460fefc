"""Every reply that was paid for, in SQLite: written down before it is read.

One row an attempt, one row an accepted dialogue. A slot is known by its key and by the hash of its
request, so a changed prompt or teacher asks again, and everything else is never paid for twice.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exagirl.artifact import file_faults
from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.records import Dialogue
from exagirl.errors import ArtifactError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY,
    slot TEXT NOT NULL,
    request TEXT NOT NULL,
    raw TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    latency_s REAL NOT NULL,
    verdict TEXT,
    message TEXT,
    asked_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS attempts_of_slot ON attempts (slot, request, verdict);
CREATE TABLE IF NOT EXISTS accepted (
    slot TEXT NOT NULL,
    request TEXT NOT NULL,
    attempt INTEGER NOT NULL REFERENCES attempts (id),
    dialogue TEXT NOT NULL,
    PRIMARY KEY (slot, request)
);
"""


class Journal:
    """The journal of one run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def write_reply(self, slot: str, request: str, reply: ChatReply, latency_s: float) -> int:
        """Write a raw reply down, before anybody reads it; returns the attempt's number."""
        with self._db:
            cursor = self._db.execute(
                "INSERT INTO attempts (slot, request, raw, finish_reason, prompt_tokens,"
                " completion_tokens, latency_s) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    slot,
                    request,
                    reply.content,
                    reply.finish_reason,
                    reply.prompt_tokens,
                    reply.completion_tokens,
                    latency_s,
                ),
            )
        return int(cursor.lastrowid or 0)

    def reject(self, attempt: int, code: str, message: str) -> None:
        """Record why a reply was refused."""
        with self._db:
            self._db.execute(
                "UPDATE attempts SET verdict = ?, message = ? WHERE id = ?",
                (code, message, attempt),
            )

    def accept(self, attempt: int, slot: str, request: str, dialogue: Dialogue) -> None:
        """Close a slot with a dialogue; a slot that is closed already stays as it is."""
        with self._db:
            self._db.execute("UPDATE attempts SET verdict = 'accepted' WHERE id = ?", (attempt,))
            self._db.execute(
                "INSERT OR IGNORE INTO accepted VALUES (?, ?, ?, ?)",
                (slot, request, attempt, dialogue.model_dump_json()),
            )

    def accepted(self, slot: str, request: str) -> Dialogue | None:
        """The dialogue that closed a slot, if one did."""
        row = self._db.execute(
            "SELECT dialogue FROM accepted WHERE slot = ? AND request = ?", (slot, request)
        ).fetchone()
        return Dialogue.model_validate_json(row[0]) if row else None

    def unread(self, slot: str, request: str) -> tuple[int, ChatReply] | None:
        """A reply that was paid for but not judged before the process died."""
        row = self._db.execute(
            "SELECT id, raw, finish_reason FROM attempts"
            " WHERE slot = ? AND request = ? AND verdict IS NULL ORDER BY id LIMIT 1",
            (slot, request),
        ).fetchone()
        return (row[0], ChatReply(content=row[1], finish_reason=row[2])) if row else None

    def reasons(self) -> Counter[str]:
        """How often replies were refused, by code."""
        rows = self._db.execute(
            "SELECT verdict, count(*) FROM attempts"
            " WHERE verdict IS NOT NULL AND verdict != 'accepted' GROUP BY verdict"
        )
        return Counter(dict(rows.fetchall()))


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open or make the journal; it is closed at the end of the block.

    Raises:
        ArtifactError: The file is no journal, or cannot be written.
    """
    with file_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path)
    except sqlite3.Error as error:
        raise ArtifactError(f"{path}: 저널을 열 수 없습니다({error}).") from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
        yield Journal(connection)
    except sqlite3.Error as error:
        raise ArtifactError(
            f"{path}: 저널을 쓸 수 없습니다({error}). 디스크의 자리와 권한을 확인하세요. 파일이 "
            "저널이 아니라면 다른 곳으로 옮긴 뒤 다시 실행하세요."
        ) from error
    finally:
        connection.close()
