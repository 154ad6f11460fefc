"""What the command line shows while the library works."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console
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

PLAIN_EVERY_S = 10.0


def make_console(*, stderr: bool = False) -> Console:
    """A console that leaves line breaks of Korean text to rich and colours to the terminal."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


class BarWatcher:
    """Shows a bar for every piece of work; a finished one leaves one line behind."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._title = ""
        self._started = 0.0

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

    def finish(self, summary: str = "") -> None:
        """Take the bar away and leave a line."""
        self.close()
        took = time.monotonic() - self._started
        self._console.print(f"[green]✓[/] {self._title} [dim]{_clock(took)}[/]  {summary}")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(f"[dim]{line}[/]")

    def close(self) -> None:
        """Take the bar away, whatever happened."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class LineWatcher:
    """Writes plain lines where there is no terminal: a log, a pipe, CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._title, self._total, self._done = "", 0, 0
        self._started = self._told = 0.0

    def start(self, title: str, total: int | None = None) -> None:
        """Say that the work begins."""
        self._title, self._total, self._done = title, total or 0, 0
        self._started = self._told = time.monotonic()
        self._print(f"… {title}")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Say how far it is, every few seconds."""
        self._done += steps
        now = time.monotonic()
        if now - self._told >= PLAIN_EVERY_S:
            self._told = now
            self._print(f"  {self._title} {self._done}/{self._total or '?'} {note}")

    def finish(self, summary: str = "") -> None:
        """Say that it is done."""
        self._print(f"✓ {self._title} {_clock(time.monotonic() - self._started)}  {summary}")

    def say(self, line: str) -> None:
        """Print a line."""
        self._print(line)

    def close(self) -> None:
        """Nothing to take away."""

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)


def make_watcher(console: Console) -> BarWatcher | LineWatcher:
    """Bars in a terminal, plain lines elsewhere."""
    return BarWatcher(console) if console.is_terminal else LineWatcher(console)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}분 {rest:02d}초" if minutes else f"{rest}초"


def command_name() -> str:
    """How to call this command from here: by name, or by the path where it is not on PATH."""
    if shutil.which("exagirl"):
        return "exagirl"
    started = Path(sys.argv[0])
    if started.name != "exagirl":
        return f"{sys.executable} -m exagirl"
    return os.path.relpath(started)


def is_interactive() -> bool:
    """True where a person types."""
    return sys.stdin.isatty()
