"""The rules against replies with one planted fault each, and against clean ones."""

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest

from exagirl.evaluation.rules.families import FAMILIES, has_fault
from exagirl.korean.check import check_turn
from exagirl.korean.findings import codes
from exagirl.persona.character import builtin_names, load_character

DATA = Path(__file__).parent / "data"
CLAIMED = {
    "level": "level_slips",
    "script": "script_leaks",
    "label": "labels",
    "loop": "loops",
    "disclosure": "disclosure",
}
OTHERS = {"josa": "josa", "action": "action_faults", "assistant": "assistant_speak", "echo": "echo"}


@lru_cache(maxsize=1)
def planted():
    """Rows of the set, each with the findings of its character's rules."""
    lines = (DATA / "planted.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    rules = {}
    for name in {row["character"] for row in rows}:
        path = str(DATA / "characters" / f"{name}.yaml")
        rules[name] = load_character(name if name in builtin_names() else path).check_rules()
    return [
        (row, check_turn(row["text"], rules[row["character"]], row.get("before", ())))
        for row in rows
    ]


def shares(fault, family):
    """Precision and recall of one rule."""
    told = Counter()
    for row, findings in planted():
        is_planted = fault == row["fault"] or fault in row.get("also", ())
        told[is_planted, has_fault(findings, family)] += 1
    hits = told[True, True]
    return hits / (hits + told[False, True]), hits / (hits + told[True, False])


@pytest.mark.parametrize(("fault", "family"), CLAIMED.items())
def test_a_claimed_rule_is_right_nineteen_times_of_twenty(fault, family):
    """Precision and recall of at least 0.95."""
    precision, recall = shares(fault, family)
    assert min(precision, recall) >= 0.95, (precision, recall)


@pytest.mark.parametrize(("fault", "family"), OTHERS.items())
def test_every_other_rule_is_right_nine_times_of_ten(fault, family):
    """Precision and recall of at least 0.9."""
    precision, recall = shares(fault, family)
    assert min(precision, recall) >= 0.9, (precision, recall)


def test_the_set_is_large_and_varied():
    """At least 300 rows, 100 of them clean, every fault planted, none twice."""
    rows = [row for row, _ in planted()]
    counts = Counter(row["fault"] for row in rows)
    assert len(rows) >= 300
    assert counts["none"] >= 100
    assert set(counts) == {"none", *CLAIMED, *OTHERS}
    assert min(counts[fault] for fault in CLAIMED) >= 30
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["character"] for row in rows}) >= 5


def test_every_code_of_a_family_is_one_that_a_check_gives():
    """And every severity one that the code can have."""
    for family in FAMILIES.values():
        for code, least in family.items():
            assert least in codes()[code].severity, code
