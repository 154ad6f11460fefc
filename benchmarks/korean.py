"""How right and how fast the Korean checks are, on the hard test sets and the shipped dialogues.

Run: python benchmarks/korean.py
Claims: speech level ≥ 0.97 of turns with Kiwi; particles ≥ 0.99 of forms; check_turn ≥ 3,000 turns
a second on one core once Kiwi is loaded; no error in a shipped turn. Prints a Markdown table for
RESULTS.md; exits 1 when a claim does not hold.
"""

import json
import os
import platform
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from exagirl.korean.analyser import Analyser, KiwiAnalyser, PatternAnalyser, analyser
from exagirl.korean.check import Rules, check_turn
from exagirl.korean.particles import fill_placeholders
from exagirl.korean.speech import speech_level
from exagirl.korean.syllables import final_of
from exagirl.persona.character import load_character

DATA = Path(__file__).parents[1] / "tests" / "korean" / "data"
LEVEL_SHARE, FALLBACK_SHARE, PARTICLE_SHARE, TURNS_PER_S = 0.97, 0.95, 0.99, 3000
PASSES = 5
_PARTICLES = {
    "을": "를",
    "를": "을",
    "은": "는",
    "는": "은",
    "이": "가",
    "가": "이",
    "와": "과",
    "과": "와",
}


class Row(NamedTuple):
    """One measure, and whether it holds what is claimed."""

    name: str
    value: str
    claim: str
    holds: bool = True


class ShippedTurn(NamedTuple):
    """A turn of a shipped dialogue, with all that its check takes."""

    text: str
    rules: Rules
    history: list[str]


def level_row(name: str, judge: Analyser, claim: float) -> Row:
    """Share of turns of the hard set whose level is right."""
    lines = (DATA / "speech_level.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    right = sum(speech_level(row["text"], judge=judge) == row["level"] for row in rows)
    share = right / len(rows)
    return Row(name, f"{share:.4f} ({right}/{len(rows)})", f"≥ {claim}", share >= claim)


def particle_row() -> Row:
    """Share of template forms that are filled right."""
    lines = (DATA / "particles.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    right = sum(
        fill_placeholders(template, name, "엑사", intimate=bool(intimate)) == expected
        for template, name, expected, intimate in rows
    )
    share = right / len(rows)
    value = f"{share:.4f} ({right}/{len(rows)})"
    return Row("조사 꼴 · particles", value, f"≥ {PARTICLE_SHARE}", share >= PARTICLE_SHARE)


def shipped_turns() -> list[ShippedTurn]:
    """The character's turns of the dialogues that ship, each with its history and its level."""
    exa = load_character("exa").check_rules()
    turns: list[ShippedTurn] = []
    for path in sorted(Path(str(files("exagirl.dialogue") / "corpus")).rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            turns += _of_dialogue(json.loads(line), exa)
    return turns


def _of_dialogue(dialogue: dict, exa: Rules) -> Iterator[ShippedTurn]:
    contents = [turn["content"] for turn in dialogue["turns"]]
    spoken = [turn["content"] for turn in dialogue["turns"] if turn["role"] == "assistant"]
    is_polite = sum(speech_level(text) == "polite" for text in spoken) * 2 > len(spoken)
    other = Rules(level="polite" if is_polite else "banmal")
    rules = exa if dialogue["subset"] == "exa-data" else other
    for at, turn in enumerate(dialogue["turns"]):
        if turn["role"] == "assistant":
            yield ShippedTurn(turn["content"], rules, contents[:at])


def per_second(work: Callable[[], object], items: int) -> float:
    """The best of a few passes, in items per second of processor time."""
    times = []
    for _ in range(PASSES):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return items / min(times)


def speed_rows(turns: list[ShippedTurn]) -> list[Row]:
    """How many turns a second, for the whole check and for Kiwi alone."""
    kiwi = analyser()
    whole = per_second(
        lambda: [check_turn(turn.text, turn.rules, turn.history) for turn in turns], len(turns)
    )
    letters = sum(len(turn.text) for turn in turns) / len(turns)
    rows = [
        Row(
            f"check_turn, {len(turns)}턴 × {letters:.0f}자",
            f"{whole:,.0f} 턴/s",
            f"≥ {TURNS_PER_S:,}",
            whole >= TURNS_PER_S,
        )
    ]
    if isinstance(kiwi, KiwiAnalyser):
        alone = per_second(lambda: [kiwi.morphemes(turn.text) for turn in turns], len(turns))
        rows.append(Row("Kiwi 분석만 · Kiwi alone", f"{alone:,.0f} 턴/s", "–"))
    return rows


def alarm_rows(turns: list[ShippedTurn]) -> list[Row]:
    """Findings on text that people wrote, and wrong particles that are found when put in."""
    found = [
        finding for turn in turns for finding in check_turn(turn.text, turn.rules, turn.history)
    ]
    errors = sum(finding.severity == "error" for finding in found)
    hits, wrong = _injected(turns)
    return [
        Row("쓴 대화의 오류 · errors in shipped turns", str(errors), "0", errors == 0),
        Row("쓴 대화의 경고 · warnings", str(len(found) - errors), "–"),
        Row(
            "넣은 조사 오류를 찾음 · wrong particles found",
            f"{hits / wrong:.3f} ({hits}/{wrong})",
            "–",
        ),
    ]


def _injected(turns: list[ShippedTurn]) -> tuple[int, int]:
    """Swap one particle in each of 400 turns; count how many are found."""
    kiwi = analyser()
    if not isinstance(kiwi, KiwiAnalyser):
        return 0, 1
    hits = wrong = 0
    for turn in random.Random(7).sample(turns, min(400, len(turns))):
        places = [
            token.start
            for token in kiwi.morphemes(turn.text)
            if token.tag.startswith("J") and _can_swap(turn.text, token.start, token.end)
        ]
        if not places:
            continue
        at = places[0]
        swapped = turn.text[:at] + _PARTICLES[turn.text[at]] + turn.text[at + 1 :]
        wrong += 1
        found = check_turn(swapped, Rules())
        hits += any(one.code == "particle.wrong" and one.end == at + 1 for one in found)
    return hits, wrong


def _can_swap(text: str, start: int, end: int) -> bool:
    """A particle of one letter, right now, spoken aloud, with a Hangul word before it."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if end - start != 1 or text[start] not in _PARTICLES or "*" in text or '"' in text:
        return False
    if not "가" <= before <= "힣" or "가" <= after <= "힣":
        return False
    return (text[start] in "을은이과") == (final_of(before) != "")


def load_rows() -> list[Row]:
    """Seconds and memory of the import alone and of loading Kiwi, each in a fresh process."""
    code = (
        "import re, time; t = time.perf_counter()\n"
        "status = lambda: open('/proc/self/status').read()\n"
        "mb = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', status())[1]) / 1024\n"
        "from exagirl.korean.check import check_turn\n"
        "from exagirl.korean.analyser import analyser\n"
        "i = time.perf_counter() - t\n"
        "m = mb()\n"
        "t = time.perf_counter(); analyser(); k = time.perf_counter() - t\n"
        "n = mb()\n"
        "t = time.perf_counter(); analyser(); again = time.perf_counter() - t\n"
        "print(i, m, k, n, again)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported, small, loaded, large, again = map(float, done.stdout.split())
    return [
        Row("불러오기 · import", f"{imported:.2f} s, {small:.0f} MB", "–"),
        Row(
            "Kiwi 읽기 · load",
            f"{loaded:.2f} s, {large:.0f} MB",
            "한 번 · once",
            again < loaded / 100,
        ),
    ]


def main() -> int:
    """Measure, print a table, and tell whether every claim holds."""
    kiwi = analyser()
    check_turn("나 먼저 가요", Rules(level="banmal"))
    turns = shipped_turns()
    rows = [
        level_row(f"말투, {kiwi.name} · speech level", kiwi, LEVEL_SHARE),
        level_row("말투, 무늬만 · patterns alone", PatternAnalyser(), FALLBACK_SHARE),
        particle_row(),
        *speed_rows(turns),
        *alarm_rows(turns),
        *load_rows(),
    ]
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one used; ", end=""
    )
    print(f"Python {platform.python_version()}, kiwipiepy {version('kiwipiepy')}", end="")
    print(f"; peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB\n")
    print("| 잰 것 · measure | 값 · value | 기준 · claim | |\n| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row.name} | {row.value} | {row.claim} | {'✓' if row.holds else '✗'} |")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
