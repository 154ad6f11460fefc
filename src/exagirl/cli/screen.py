"""What the command line shows while the library works."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from rich.console import Console

from exagirl.cli.watchers import BarWatcher, LineWatcher


def make_console(*, stderr: bool = False) -> Console:
    """A console that leaves line breaks of Korean text to rich and colours to the terminal."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def make_watcher(console: Console) -> BarWatcher | LineWatcher:
    """Bars in a terminal, plain lines elsewhere."""
    return BarWatcher(console) if console.is_terminal else LineWatcher(console)


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
