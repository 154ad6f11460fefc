"""Which batches are at the endpoint: the journal's table ``batches``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple


class OpenBatch(NamedTuple):
    """A batch whose answers were not all collected."""

    name: str
    """Ours; it goes along as metadata."""
    remote: str | None
    """The endpoint's id; None where the process died before it was told."""
    requests: list[str]


class BatchBook:
    """Batches as they are planned, sent and collected."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def plan(self, name: str, model: str, requests: Sequence[str]) -> None:
        """Write a batch down before it is sent."""
        self._db.execute(
            "INSERT INTO batches (name, model, requests) VALUES (?, ?, ?)",
            (name, model, json.dumps(list(requests))),
        )

    def sent(self, name: str, remote: str) -> None:
        """The endpoint took it under this id."""
        self._db.execute("UPDATE batches SET remote = ? WHERE name = ?", (remote, name))

    def collected(self, name: str) -> None:
        """Its answers were handed out."""
        self._db.execute("UPDATE batches SET collected = collected + 1 WHERE name = ?", (name,))

    def forget(self, name: str) -> None:
        """It was never sent."""
        self._db.execute("DELETE FROM batches WHERE name = ?", (name,))

    def settle(self) -> None:
        """What was collected is in the journal by now: it need not be fetched again."""
        self._db.execute("UPDATE batches SET collected = 2 WHERE collected = 1")

    def open_batches(self, model: str) -> list[OpenBatch]:
        """Batches of a model whose answers may not be in the journal yet, oldest first."""
        rows = self._db.execute(
            "SELECT name, remote, requests FROM batches WHERE collected < 2 AND model = ?"
            " ORDER BY rowid",
            (model,),
        )
        return [OpenBatch(name, remote, json.loads(found)) for name, remote, found in rows]
