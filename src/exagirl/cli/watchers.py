"""Bars and boards in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from exagirl.dialogue.tally import clock
from exagirl.progress import BoardLine

PLAIN_EVERY_S = 10.0
_SPARE_ROWS = 5
"""Rows of the screen that a board leaves to what was printed above it."""
_LABEL_CELLS = 28


class BarWatcher:
    """Shows a bar for every piece of work; a finished one leaves one line behind."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._title = ""
        self._started = 0.0
        self._live: Live | None = None

    def start(self, title: str, total: int | None = None) -> None:
        """Put a bar on the screen."""
        self.close()
        self._title, self._started = title, time.monotonic()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=18),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}", table_column=None),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(title, total=total, note="")
        self._progress.start()

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=steps)
            if note:
                self._progress.update(self._task, note=note)

    def board(self, lines: Sequence[BoardLine], summary: str) -> None:
        """Put a line for every part on the screen; finished ones give room when it is short."""
        if self._live is None:
            self.close()
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        room = max(3, self._console.height - _SPARE_ROWS)
        self._live.update(_draw_board(lines, f"{self._title}  {summary}", room), refresh=True)

    def finish(self, summary: str = "") -> None:
        """Take the bar away and leave a line."""
        self.close()
        took = time.monotonic() - self._started
        self._console.print(f"[green]✓[/] {self._title} [dim]{clock(took)}[/]  {summary}")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(line, style="dim", markup=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bar away, whatever happened."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if self._live is not None:
            self._live.stop()
            self._live = None


class LineWatcher:
    """Writes plain lines where there is no terminal: a log, a pipe, CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._title, self._total, self._done = "", 0, 0
        self._started = self._told = 0.0
        self._told_parts: set[str] = set()

    def start(self, title: str, total: int | None = None) -> None:
        """Say that the work begins."""
        self._title, self._total, self._done = title, total or 0, 0
        self._told_parts = set()
        self._started = self._told = time.monotonic()
        self._print(f"… {title}")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Say how far it is, every few seconds."""
        self._done += steps
        now = time.monotonic()
        if now - self._told >= PLAIN_EVERY_S:
            self._told = now
            self._print(f"  {self._title} {self._done}/{self._total or '?'} {note}")

    def board(self, lines: Sequence[BoardLine], summary: str) -> None:
        """Say once that a part is done, and every few seconds how all of it stands."""
        for line in lines:
            if line.done >= line.total and line.label not in self._told_parts:
                self._told_parts.add(line.label)
                self._print(f"  ✓ {line.label} {line.done:,}/{line.total:,} {line.note}".rstrip())
        now = time.monotonic()
        if now - self._told >= PLAIN_EVERY_S:
            self._told = now
            self._print(f"  {self._title} {summary}")

    def finish(self, summary: str = "") -> None:
        """Say that it is done."""
        self._print(f"✓ {self._title} {clock(time.monotonic() - self._started)}  {summary}")

    def say(self, line: str) -> None:
        """Print a line."""
        self._print(line)

    def close(self) -> None:
        """Nothing to take away."""

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)


def _draw_board(lines: Sequence[BoardLine], summary: str, room: int) -> Group:
    """Parts that are under way first, then those that wait, then the finished ones in one line."""
    finished = [line for line in lines if line.done >= line.total]
    waiting = [line for line in lines if line.done < line.total]
    waiting.sort(key=lambda line: line.done == 0 and not line.note)
    shown = waiting[: room - 2]
    table = Table.grid(padding=(0, 1))
    for line in shown:
        table.add_row(
            Text(_fit(line.label)),
            ProgressBar(total=line.total, completed=line.done, width=16),
            Text(f"{line.done:,}/{line.total:,}", justify="right"),
            Text(line.note, style="yellow"),
        )
    parts: list[Table | Text] = [table]
    rest = len(waiting) - len(shown)
    if finished or rest:
        told = [f"끝난 주제 {len(finished)}" if finished else "", f"그 밖 {rest}" if rest else ""]
        parts.append(Text(" · ".join(filter(None, told)), style="dim"))
    parts.append(Text(summary, style="cyan"))
    return Group(*parts)


def _fit(label: str) -> str:
    return (
        label if cell_len(label) <= _LABEL_CELLS else set_cell_size(label, _LABEL_CELLS - 1) + "…"
    )
