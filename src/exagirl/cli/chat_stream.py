"""A reply on the screen while it comes: broken between words, *actions* in italics."""

from __future__ import annotations

import re

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from exagirl.chat.markup import ActionStream
from exagirl.korean.normalise import CONTROL

ACTION = "italic dim"
_PARTS = re.compile(r"\n| +|[^\n ]+")


class ReplyPrinter:
    """Prints one turn piece by piece.

    A word is shown when it is whole, so that no line ends within it; without a terminal nothing is
    broken.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = console.width if console.is_terminal else 0
        self._styles = ActionStream()
        self._column = 0
        self._is_behind_blank = False
        self._word = Text()

    def label(self, name: str, style: str) -> None:
        """Begin the line with a name."""
        self._put(Text(f"{name}: ", style=style))

    def feed(self, piece: str) -> None:
        """Show what came."""
        for span in self._styles.feed(CONTROL.sub("", piece)):
            for part in _PARTS.findall(span.text):
                if part == "\n":
                    self._flush()
                    self._break()
                elif part[0] == " ":
                    self._flush()
                    self._space(part)
                else:
                    self._word.append(part, ACTION if span.is_action else "")
        if not self._width:
            self._flush()

    def end(self, after: str = "") -> None:
        """Show the rest and end the line.

        Args:
            after: What stands behind it, dim.
        """
        self._flush()
        if after:
            self._put(Text(after if self._is_behind_blank else f" {after}", style="dim"))
        if self._column:
            self._break()

    def _space(self, blanks: str) -> None:
        # A blank at the edge of the screen would open an empty line.
        if not self._width or self._column + len(blanks) < self._width:
            self._put(Text(blanks))
        elif self._column:
            self._break()

    def _flush(self) -> None:
        word, self._word = self._word, Text()
        if not word.plain:
            return
        if self._width and self._column and self._column + word.cell_len > self._width:
            self._break()
        if self._width and word.cell_len > self._width:
            for row in chop_cells(word.plain, self._width - 1):
                if self._column:
                    self._break()
                self._put(Text(row))
            return
        self._put(word)

    def _put(self, text: Text) -> None:
        self._console.print(text, end="", soft_wrap=True)
        self._column += cell_len(text.plain)
        self._is_behind_blank = text.plain.endswith(" ")

    def _break(self) -> None:
        self._console.print()
        self._column = 0


def print_turn(console: Console, name: str, style: str, text: str, after: str = "") -> None:
    """A whole turn as it looked when it came."""
    printer = ReplyPrinter(console)
    printer.label(name, style)
    printer.feed(text)
    printer.end(after)
