"""Why replies were refused, counted, with an example of each."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

_EXAMPLE_CHARS = 80


class Reason(NamedTuple):
    """One code of refusal."""

    code: str
    times: int
    message: str
    """As it was told for the first such reply."""
    example: str
    """The beginning of that reply."""


def common_reasons(connection: sqlite3.Connection, after: int = 0, most: int = 3) -> list[Reason]:
    """The commonest codes among the attempts after a number.

    Args:
        connection: The journal's.
        after: Attempts up to this number are left out.
        most: How many codes.
    """
    rows = connection.execute(
        "SELECT verdict, count(*), min(id) FROM attempts WHERE id > ? AND kind = 'reply'"
        " AND verdict IS NOT NULL AND verdict NOT IN ('accepted', 'kept', 'spare')"
        " GROUP BY verdict ORDER BY count(*) DESC, verdict LIMIT ?",
        (after, most),
    ).fetchall()
    reasons: list[Reason] = []
    for code, count, first in rows:
        message, raw = connection.execute(
            "SELECT message, substr(raw, 1, ?) FROM attempts WHERE id = ?", (_EXAMPLE_CHARS, first)
        ).fetchone()
        example = " ".join(raw.split()) or "(빈 답)"
        reasons.append(Reason(code, count, message or "", example))
    return reasons
