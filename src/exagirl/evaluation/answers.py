"""Answers that were already given: nothing is asked of a model twice.

One SQLite file (WAL) beside the evaluation. It keeps what models replied, what judges said and what
interrogators asked, each under a hash of everything that it depends on, and each at once: a run
that is killed goes on from there.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exagirl.artifact import file_faults, fingerprint, make_folder
from exagirl.errors import ArtifactError


class Answers:
    """A table of answers in one file; a context manager.

    Args:
        path: The file; made with its folder where it is not there.

    Raises:
        ArtifactError: The file cannot be written, or is no such table.
    """

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        try:
            with file_faults(path):
                self._table = sqlite3.connect(path, timeout=30.0, isolation_level=None)
                self._table.execute("PRAGMA journal_mode = WAL")
                self._table.execute(
                    "CREATE TABLE IF NOT EXISTS answers (kind TEXT NOT NULL, key TEXT NOT NULL,"
                    " value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
                )
        except sqlite3.Error as error:
            raise ArtifactError(
                f"{path}: 받아 둔 답을 읽을 수 없습니다({error}). 이 파일을 지우고 다시 "
                "실행하세요. 답은 다시 받습니다."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._table.close()

    def get(self, kind: str, key: Any) -> str | None:
        """The answer that was kept, or None.

        Args:
            kind: What sort of answer: ``reply``, ``judge`` …
            key: Everything that it depends on, as JSON or records: model, prompt, sampling, seed.
        """
        row = self._table.execute(
            "SELECT value FROM answers WHERE kind = ? AND key = ?", (kind, fingerprint(key))
        ).fetchone()
        return None if row is None else str(row[0])

    def put(self, kind: str, key: Any, value: str) -> None:
        """Keep an answer, for good before this returns; a second one replaces the first."""
        self._table.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (kind, fingerprint(key), value)
        )
