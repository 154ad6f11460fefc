"""What a run asked, got and paid, read from its journal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from exagirl.dialogue.journal import open_journal
from exagirl.dialogue.reasons import Reason, common_reasons


class TopicAccount(NamedTuple):
    """Replies for one topic."""

    subset: str
    topic: str
    accepted: int
    refused: int

    @property
    def yielded(self) -> float:
        """The share of dialogues that were accepted; 1.0 where none was judged."""
        seen = self.accepted + self.refused
        return self.accepted / seen if seen else 1.0


class Accounts(NamedTuple):
    """A journal in numbers."""

    replies: int
    judgements: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float
    latency_median_s: float
    latency_most_s: float
    topics: list[TopicAccount]
    reasons: list[Reason]


def read_accounts(path: Path) -> Accounts:
    """Read a journal.

    Raises:
        ArtifactError: The file is no journal.
    """
    with open_journal(path) as journal:
        connection = journal.connection
        with closing(connection.execute(_TOTALS)) as cursor:
            replies, judgements, prompt, completion, dollars = cursor.fetchone()
        latencies = [row[0] for row in connection.execute(_LATENCIES)]
        return Accounts(
            replies=replies,
            judgements=judgements,
            prompt_tokens=int(prompt),
            completion_tokens=int(completion),
            dollars=dollars,
            latency_median_s=latencies[len(latencies) // 2] if latencies else 0.0,
            latency_most_s=latencies[-1] if latencies else 0.0,
            topics=_topics(connection),
            reasons=common_reasons(connection, most=12),
        )


_TOTALS = """
SELECT count(*) FILTER (WHERE kind = 'reply'), count(*) FILTER (WHERE kind = 'judge'),
       total(prompt_tokens), total(completion_tokens), total(dollars)
FROM attempts
"""
_LATENCIES = "SELECT latency_s FROM attempts ORDER BY latency_s"
_TOPICS = """
SELECT slot, verdict = 'accepted', count(*) FROM attempts
WHERE kind = 'reply' AND verdict IS NOT NULL AND verdict NOT IN ('kept', 'spare', 'adrift')
GROUP BY 1, 2
"""


def _topics(connection: sqlite3.Connection) -> list[TopicAccount]:
    found: dict[tuple[str, str], list[int]] = {}
    for slot, is_accepted, times in connection.execute(_TOPICS):
        subset, topic, _ = slot.rsplit("/", 2)
        found.setdefault((subset, topic), [0, 0])[0 if is_accepted else 1] += times
    return [
        TopicAccount(subset, topic, accepted, refused)
        for (subset, topic), (accepted, refused) in sorted(found.items())
    ]
