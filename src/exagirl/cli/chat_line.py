"""A line typed in the terminal: history, Hangul of two columns, several lines in one."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.style import Style

from exagirl.cli.screen import is_interactive


def _library(name: str) -> Any:
    """A library that not every system has, or None."""
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


readline, termios = _library("readline"), _library("termios")

BREAK = " ⏎ "
"""How a line break stands in a text that is edited on one line."""
_MORE = "… "


class LineReader:
    """Reads what a person types; without a terminal, plain lines.

    Args:
        has_colours: Whether the terminal shows any.
        commands: What Tab completes.
    """

    def __init__(self, *, has_colours: bool, commands: Sequence[str]) -> None:
        self._has_colours = has_colours
        self._commands = sorted(commands)
        self._is_interactive = is_interactive()
        # A byte that is no letter must not end the conversation.
        reconfigure: Callable[..., None] | None = getattr(sys.stdin, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
        if self._is_interactive and readline is not None:
            self._prepare(readline)

    def read(self, label: str, style: str = "", *, preset: str = "") -> str:
        """One text; a line that ends in a backslash goes on in the next.

        Args:
            label: What stands before the line.
            style: How, in the words of rich.
            preset: What stands in the line already.

        Raises:
            EOFError: Nothing more comes.
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        lines: list[str] = []
        begin = label
        while True:
            line = self._line(begin, style, preset if not lines else "")
            if not _goes_on(line):
                lines.append(line)
                return "\n".join(lines)
            lines.append(line[:-1])
            begin = _MORE

    def edit(self, label: str, text: str) -> str:
        """A text changed by the person; in a terminal it stands there to be edited."""
        return self.read(label, preset=text.replace("\n", BREAK))

    def remember(self, lines: Iterable[str]) -> None:
        """Let lines be found with the arrow up."""
        if self._is_interactive and readline is not None:
            for line in lines:
                readline.add_history(line.replace("\n", BREAK))

    def _line(self, label: str, style: str, preset: str) -> str:
        if not self._is_interactive:
            return input()
        if preset and readline is not None:
            readline.set_pre_input_hook(lambda: _insert(preset))
        try:
            with _typing():
                return input(self._shown(label, style)).replace(BREAK, "\n")
        finally:
            if preset and readline is not None:
                readline.set_pre_input_hook(None)

    def _shown(self, label: str, style: str) -> str:
        if not (style and self._has_colours):
            return label
        begin, end = Style.parse(style).render("\0").split("\0")
        if readline is None:
            return f"{begin}{label}{end}"
        # Between these marks readline counts no columns.
        return f"\001{begin}\002{label}\001{end}\002"

    def _prepare(self, library: Any) -> None:
        library.set_completer(self._complete)
        library.set_completer_delims(" \t\n")
        is_libedit = "libedit" in (library.__doc__ or "")
        library.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")

    def _complete(self, begin: str, number: int) -> str | None:
        fitting = [one for one in self._commands if begin.startswith("/") and one.startswith(begin)]
        return f"{fitting[number]} " if number < len(fitting) else None


@contextmanager
def quiet_keys() -> Iterator[None]:
    """Keep keys that are pressed meanwhile off the screen; they are read as the next line.

    A whole talk stands in one such block, in which only `LineReader` shows keys. Where the system
    gathered keys to lines even for the moment before a prompt, a Ctrl-D of that moment would end
    the system's line, and readline, which reads keys, would never hear of it.
    """
    with _keys(lambda flags: flags & ~(termios.ECHO | termios.ICANON)):
        yield


@contextmanager
def _typing() -> Iterator[None]:
    """Show keys; readline asks the system whether to."""
    by_line = termios.ICANON if termios and readline is None else 0
    with _keys(lambda flags: flags | termios.ECHO | by_line):
        yield


@contextmanager
def _keys(change: Callable[[int], int]) -> Iterator[None]:
    """Treat keys in another way until the end of the block."""
    if termios is None or not is_interactive():
        yield
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    other = [*before]
    other[3] = change(before[3])
    termios.tcsetattr(keyboard, termios.TCSANOW, other)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)


def _goes_on(line: str) -> bool:
    """True where a line ends in a backslash that no other backslash takes for a letter."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _insert(text: str) -> None:
    if readline is not None:
        readline.insert_text(text)
        readline.redisplay()
