"""The SQLite file of chats: its tables, its transactions, and how an older file is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from exagirl.artifact import file_faults
from exagirl.errors import ArtifactError

VERSION = 2
BUSY_S = 30.0

_TABLES = """
CREATE TABLE IF NOT EXISTS chats (
    id TEXT PRIMARY KEY,
    cast_names TEXT NOT NULL,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    revision INTEGER NOT NULL,
    draft TEXT NOT NULL DEFAULT '',
    setting TEXT NOT NULL,
    memories TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS turns (
    chat TEXT NOT NULL REFERENCES chats (id),
    id INTEGER NOT NULL,
    turn TEXT NOT NULL,
    PRIMARY KEY (chat, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS steps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL REFERENCES chats (id),
    change TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS steps_of_chat ON steps (chat, id);
CREATE TABLE IF NOT EXISTS halves (
    chat TEXT NOT NULL REFERENCES chats (id),
    writer TEXT NOT NULL,
    revision INTEGER NOT NULL,
    change TEXT NOT NULL,
    PRIMARY KEY (chat, writer)
) WITHOUT ROWID;
"""
# Version 2 has one table more than version 1, that of half replies, and changed none: to lay down
# what is missing brings both an empty file and an older one up to date.


class ChatFile:
    """An open file of chats; may be shared by threads.

    Args:
        path: The file; made where there is none.

    Raises:
        ArtifactError: The file cannot be opened, or is no such file; it is left as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        with file_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._faults():
            self._db = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._faults():
                _prepare(self._db, path)
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self, level: str = "FULL") -> Iterator[None]:
        with self._lock, self._faults():
            self._db.execute(f"PRAGMA synchronous = {level}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One look at the file, between two commits of anybody."""
        with self._lock, self._faults():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.rollback()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ArtifactError(
                f"{self.path}: 대화 파일을 쓸 수 없습니다({error}). 디스크의 자리와 권한을 "
                "확인하세요. 파일이 망가졌다면 다른 곳으로 옮긴 뒤 다시 여세요. 새 파일로 "
                "시작하고, 옮긴 파일은 그대로 남습니다."
            ) from error


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """See that a file is one of chats and has all tables; an empty one becomes one."""
    # One look: another process may be setting the file up.
    db.execute("BEGIN")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    is_foreign = not version and db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    db.rollback()
    if version > VERSION:
        raise ArtifactError(
            f"{path}: 더 새로운 exagirl이 쓴 대화 파일입니다(판 {version}, 여기서는 {VERSION}까지)."
            " exagirl을 새 판으로 올리세요."
        )
    if is_foreign:
        raise ArtifactError(
            f"{path}: 대화 파일이 아닌 SQLite 파일입니다. 다른 이름을 쓰거나 옮겨 주세요."
        )
    db.execute("PRAGMA journal_mode = WAL")
    if version == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.commit()
