"""Which batches are at the endpoint: the journal's table ``batches``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

_OPEN, _DONE = 0, 2


class OpenBatch(NamedTuple):
    """A batch whose answers may not all be in the journal."""

    name: str
    """Ours; it goes along as metadata."""
    remote: str | None
    """The endpoint's id; None where the process died before it was told."""
    requests: list[str]
    was_told: bool
    """True where a run has already ended with the news that this batch is lost."""


class BatchBook:
    """Batches as they are planned, sent and done with.

    The column ``model`` holds whom a batch asks, for which order; ``collected`` is 0 at first, 1
    once a run ended with the news that the batch is lost, 2 when nothing is expected of it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def plan(self, name: str, whom: str, requests: Sequence[str]) -> None:
        """Write a batch down before it is sent."""
        self._db.execute(
            "INSERT INTO batches (name, model, requests) VALUES (?, ?, ?)",
            (name, whom, json.dumps(list(requests))),
        )

    def sent(self, name: str, remote: str) -> None:
        """The endpoint took it under this id."""
        self._db.execute("UPDATE batches SET remote = ? WHERE name = ?", (remote, name))

    def told(self, name: str) -> None:
        """It is lost, and that is told; the second time nothing is expected of it any more."""
        self._db.execute("UPDATE batches SET collected = collected + 1 WHERE name = ?", (name,))

    def done(self, name: str) -> None:
        """Its answers are in the journal."""
        self._db.execute("UPDATE batches SET collected = ? WHERE name = ?", (_DONE, name))

    def forget(self, name: str) -> None:
        """It was never sent."""
        self._db.execute("DELETE FROM batches WHERE name = ?", (name,))

    def open_batches(self, whom: str) -> list[OpenBatch]:
        """Batches whose answers may not be in the journal yet, oldest first."""
        rows = self._db.execute(
            "SELECT name, remote, requests, collected FROM batches"
            " WHERE collected < ? AND model = ? ORDER BY rowid",
            (_DONE, whom),
        )
        return [
            OpenBatch(name, remote, json.loads(found), collected > _OPEN)
            for name, remote, found, collected in rows
        ]
