"""How right and how fast the rules of an evaluation are: planted faults, and the shipped dialogues.

Run: python benchmarks/evaluation_rules.py [--replies 1000] [--show]
Claims: on tests/evaluation/data/planted.jsonl (hand-written replies, one planted fault each, and
clean ones) speech level, script, labels, loops and AI disclosure each have a precision and a recall
of at least 0.95; all rules together measure 1,000 replies of the shipped dialogues in under 30 s on
one core, Kiwi's loading included. Prints Markdown tables for RESULTS.md; exits 1 when a claim does
not hold. --show prints the replies that a rule gets wrong.

A rule that fires on a reply with another planted fault counts as a false alarm unless the row names
the second fault too (`also`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from exagirl.dialogue.corpus import read_subset
from exagirl.dialogue.records import Dialogue, Turn
from exagirl.evaluation.rules import measure_rules
from exagirl.evaluation.rules.families import has_fault
from exagirl.evaluation.scores import Reply
from exagirl.korean.check import Finding, check_turn
from exagirl.persona.character import builtin_names, load_character
from exagirl.persona.profile import Character

DATA = Path(__file__).parents[1] / "tests" / "evaluation" / "data"
SHARE, SECONDS = 0.95, 30.0
FAMILY_OF = {
    "level": "level_slips",
    "script": "script_leaks",
    "label": "labels",
    "loop": "loops",
    "disclosure": "disclosure",
    "josa": "josa",
    "action": "action_faults",
    "assistant": "assistant_speak",
    "echo": "echo",
}
"""A planted fault to the family of findings that should tell it."""
CLAIMED = ("level", "script", "label", "loop", "disclosure")


class Row(NamedTuple):
    """A reply of the planted set, and what was found in it."""

    text: str
    faults: frozenset[str]
    findings: list[Finding]


class Counts(NamedTuple):
    """How a rule did."""

    fault: str
    hits: int
    missed: list[str]
    false: list[str]

    @property
    def precision(self) -> float:
        """Hits of all replies in which the rule fired."""
        return self.hits / max(1, self.hits + len(self.false))

    @property
    def recall(self) -> float:
        """Hits of all replies with the fault."""
        return self.hits / max(1, self.hits + len(self.missed))

    @property
    def holds(self) -> bool:
        """False where a claim is made and does not hold."""
        return self.fault not in CLAIMED or min(self.precision, self.recall) >= SHARE


def character_of(name: str) -> Character:
    """A built-in character, or one of the planted set's own."""
    if name in builtin_names():
        return load_character(name)
    return load_character(str(DATA / "characters" / f"{name}.yaml"))


def read_planted() -> list[Row]:
    """Every reply of the planted set, checked by its character's rules."""
    lines = (DATA / "planted.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    rules = {name: character_of(name).check_rules() for name in {r["character"] for r in rows}}
    return [
        Row(
            text=row["text"],
            faults=frozenset({row["fault"], *row.get("also", ())} - {"none"}),
            findings=check_turn(row["text"], rules[row["character"]], row.get("before", ())),
        )
        for row in rows
    ]


def count(rows: Sequence[Row], fault: str) -> Counts:
    """Hold one rule against the planted set."""
    fired = [(row, has_fault(row.findings, FAMILY_OF[fault])) for row in rows]
    return Counts(
        fault=fault,
        hits=sum(told and fault in row.faults for row, told in fired),
        missed=[row.text for row, told in fired if fault in row.faults and not told],
        false=[row.text for row, told in fired if told and fault not in row.faults],
    )


def shipped_replies(count: int) -> list[Reply]:
    """Replies of the shipped dialogues of 엑사, each after what was said before it."""
    dialogues = [d for topic in read_subset("exa-data").values() for d in topic]
    replies = [reply for dialogue in dialogues for reply in replies_of(dialogue)]
    if len(replies) < count:
        sys.exit(f"The corpus has {len(replies)} replies, fewer than {count}.")
    return replies[:count]


def replies_of(dialogue: Dialogue) -> list[Reply]:
    """Every turn of the character, as if a model had said it."""
    places = [at for at, turn in enumerate(dialogue.turns) if turn.role == "assistant"]
    return [
        Reply(
            model="corpus",
            scenario=dialogue.id,
            kind="heldout",
            position=number,
            before=before if (before := dialogue.turns[:at]) else (Turn(role="user", content=""),),
            text=dialogue.turns[at].content,
        )
        for number, at in enumerate(places, start=1)
    ]


def main() -> int:
    """Measure, print the tables, and tell whether every claim holds."""
    parser = argparse.ArgumentParser(description="Rules of an evaluation: how right, how fast.")
    parser.add_argument("--replies", type=int, default=1000)
    parser.add_argument("--show", action="store_true", help="print what a rule gets wrong")
    options = parser.parse_args()
    replies, exa = shipped_replies(options.replies), load_character("exa")
    wall, cpu = time.perf_counter(), time.process_time()
    report = measure_rules(replies, exa, seed=7)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rows = read_planted()
    counts = [count(rows, fault) for fault in FAMILY_OF]
    is_fast = cpu < SECONDS * options.replies / 1000
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one used; Python "
        f"{platform.python_version()}, kiwipiepy {version('kiwipiepy')}; peak "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB\n"
    )
    print(
        f"{len(replies)} replies of the shipped dialogues, {len(report.measures)} measures: "
        f"{cpu:.1f} s of processor time, {wall:.1f} s on the clock, Kiwi's loading included "
        f"(claim: < {SECONDS:.0f} s per 1,000) {'✓' if is_fast else '✗'}\n"
    )
    clean = sum(not row.faults for row in rows)
    print(f"{len(rows)} planted rows, {clean} of them clean.\n")
    print("| fault | planted | precision | recall | false alarms | missed | claim | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for one in counts:
        claim = f"≥ {SHARE}" if one.fault in CLAIMED else "–"
        print(
            f"| {one.fault} | {one.hits + len(one.missed)} | {one.precision:.3f} | "
            f"{one.recall:.3f} | {len(one.false)} | {len(one.missed)} | {claim} | "
            f"{'✓' if one.holds else '✗'} |"
        )
    print("\n| measure | value | 95 % | reference | of | note |")
    print("| --- | --- | --- | --- | --- | --- |")
    for measure in report.measures:
        span = "–" if measure.low is None else f"{measure.low:.3f}–{measure.high:.3f}"
        right = (
            "–" if measure.reference is None else "–".join(f"{x:.2f}" for x in measure.reference)
        )
        value = "–" if measure.value is None else f"{measure.value:.3f}"
        print(f"| {measure.name} | {value} | {span} | {right} | {measure.count} | {measure.note} |")
    if options.show:
        for one in counts:
            for word, texts in (("missed", one.missed), ("false alarm", one.false)):
                for text in texts:
                    print(f"\n{one.fault}, {word}: {text}")
    return 0 if is_fast and all(one.holds for one in counts) else 1


if __name__ == "__main__":
    sys.exit(main())
