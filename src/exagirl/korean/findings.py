"""What a check found: one record, and the one table of codes that it is built from."""

import re
from functools import lru_cache
from importlib.resources import files
from typing import Literal, NamedTuple

import yaml

from exagirl.korean.particles import particle_after
from exagirl.record import Record

Severity = Literal["error", "warning", "info"]

_SHOWN_CHARS = 40
# '{found}'은(는): the particle follows what is quoted.
_BLANK = re.compile(r"\{(found|fix)\}('?)(은\(는\)|이\(가\)|을\(를\)|\(으\)로)?")


class Finding(Record):
    """One fault in one turn, with the place and the words that put it right."""

    code: str
    start: int
    """First character of the fault in the turn as it was given."""
    end: int
    """One past the last character."""
    severity: Severity
    message: str
    """A Korean sentence: what is wrong, and what to write instead."""


class Spot(NamedTuple):
    """A fault as a check reports it, at a place in the normal text."""

    code: str
    start: int
    end: int
    severity: Severity | None = None
    """The code's usual severity if None."""
    fix: str = ""


class Code(Record):
    """One row of the table of codes, ``findings.yaml``."""

    severity: tuple[Severity, ...]
    """The severities that the code is given, the usual one first."""
    message: str
    """The Korean sentence, with ``{found}`` and ``{fix}`` where the turn's own words go."""
    bad: str
    """A turn that gets the code, under rules that ask for it."""
    english: str
    """What the code means, for readers without Korean."""


@lru_cache(maxsize=1)
def codes() -> dict[str, Code]:
    """Read the table of codes, once."""
    text = (files("exagirl.korean") / "findings.yaml").read_text(encoding="utf-8")
    return {name: Code.model_validate(row) for name, row in yaml.safe_load(text).items()}


def as_finding(spot: Spot, found: str, place: tuple[int, int]) -> Finding:
    """Write a spot as a finding.

    Args:
        spot: What a check reported.
        found: The turn's words at the spot.
        place: Where they stand in the turn as it was given.

    Raises:
        KeyError: The table has no such code.
    """
    row = codes()[spot.code]
    words = {"found": _short(found), "fix": spot.fix}
    return Finding(
        code=spot.code,
        start=place[0],
        end=place[1],
        severity=spot.severity or row.severity[0],
        message=_BLANK.sub(lambda blank: _filled(blank, words), row.message),
    )


def _filled(blank: re.Match[str], words: dict[str, str]) -> str:
    """Put words into a blank, with the particle that they take."""
    word, quote, particle = words[blank[1]], blank[2], blank[3]
    return word + quote + (particle_after(word, particle) if particle else "")


def _short(found: str) -> str:
    """Keep a message readable when the fault is long."""
    one_line = " ".join(found.split())
    return one_line if len(one_line) <= _SHOWN_CHARS else one_line[: _SHOWN_CHARS - 1] + "…"
