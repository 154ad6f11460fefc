"""``exagirl check``: the Korean checks of any file of dialogues."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from exagirl.cli.options import JsonOption
from exagirl.cli.screen import make_console
from exagirl.dialogue.formats import FoundDialogue, read_dialogues
from exagirl.korean.check import Finding, Rules, check_turn
from exagirl.korean.normalise import normalise
from exagirl.persona.character import load_character

FELL_SHORT = 1
_COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}
_NAMES = {"error": "오류", "warning": "경고", "info": "참고"}


class Placed(NamedTuple):
    """A finding and where it stands in the file."""

    line: int
    turn: int
    """Counted from 1 within the dialogue."""
    role: str
    found: str
    finding: Finding


def check(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="대화 파일: JSONL(turns, messages, conversations, human1/gpt1) 또는 글.",
        ),
    ],
    character: Annotated[
        str | None, typer.Option("--character", help="내장 캐릭터의 이름이나 파일. 말투까지 본다.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """대화가 한국어로, 캐릭터답게 쓰였는지 본다. 오류가 있으면 1로 끝난다."""
    rules = load_character(character).check_rules() if character else Rules()
    dialogues = read_dialogues(file)
    placed = [one for dialogue in dialogues for one in _placed(dialogue, rules)]
    if as_json:
        _write_lines(file, placed)
    else:
        _print_summary(make_console(), dialogues, placed)
    if any(one.finding.severity == "error" for one in placed):
        raise typer.Exit(FELL_SHORT)


def _placed(dialogue: FoundDialogue, rules: Rules) -> Iterator[Placed]:
    """Check every turn of a dialogue against those before it."""
    said: list[str] = []
    for number, turn in enumerate(dialogue.turns, start=1):
        for finding in check_turn(turn.content, rules, said, speaker=turn.role):
            found = normalise(turn.content[finding.start : finding.end])
            yield Placed(dialogue.line, number, turn.role, found, finding)
        said.append(turn.content)


def _write_lines(file: Path, placed: Sequence[Placed]) -> None:
    """Write one finding a line, for machines."""
    for one in placed:
        row = {
            "file": str(file),
            "line": one.line,
            "turn": one.turn,
            "role": one.role,
            **one.finding.model_dump(),
            "found": one.found,
        }
        typer.echo(json.dumps(row, ensure_ascii=False))


def _print_summary(
    console: Console, dialogues: Sequence[FoundDialogue], placed: Sequence[Placed]
) -> None:
    """Show what was found, a row a code and severity, the gravest and most frequent first."""
    by_kind: dict[tuple[str, str], list[Placed]] = {}
    for one in placed:
        by_kind.setdefault((one.finding.severity, one.finding.code), []).append(one)
    if placed:
        table = Table(title="찾은 것", title_justify="left")
        for heading in ("심각도", "코드"):
            table.add_column(heading, no_wrap=True)
        table.add_column("곳", justify="right")
        table.add_column("처음 나온 곳과 고치는 법")
        order = sorted(by_kind.items(), key=lambda kind: (kind[0][0] != "error", -len(kind[1])))
        for (severity, code), same in order:
            first = same[0]
            place = f"[dim]{first.line}번째 줄, {first.turn}번째 말[/]\n"
            table.add_row(
                f"[{_COLOURS[severity]}]{_NAMES[severity]}[/]",
                code,
                str(len(same)),
                place + first.finding.message.replace("[", r"\["),
            )
        console.print(table)
    turns = sum(len(dialogue.turns) for dialogue in dialogues)
    errors = sum(one.finding.severity == "error" for one in placed)
    console.print(
        f"대화 {len(dialogues):,}편, 말 {turns:,}개: 오류 {errors:,}곳, "
        f"그 밖 {len(placed) - errors:,}곳.",
        soft_wrap=True,
    )
