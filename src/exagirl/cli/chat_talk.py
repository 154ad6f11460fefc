"""One conversation on the screen: whose line it is, a reply as it comes, where it is kept."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType

from rich.console import Console
from rich.text import Text

from exagirl.chat.faults import StaleChatError
from exagirl.chat.room import who_speaks
from exagirl.chat.session import Said, Session
from exagirl.chat.store import ChatStore
from exagirl.cli.chat_line import LineReader
from exagirl.cli.chat_stream import ReplyPrinter, print_turn
from exagirl.errors import ExagirlError
from exagirl.models import OpenedTalk

THEIRS = "bold magenta"
MINE = "bold cyan"

Begin = Callable[[Event], Iterator[str]]


class Talk:
    """What the loop and the commands share.

    Args:
        console: The screen.
        reader: The keyboard.
        opened: Who talks.
        session: The conversation.
    """

    def __init__(
        self, console: Console, reader: LineReader, opened: OpenedTalk, session: Session
    ) -> None:
        self.console = console
        self.reader = reader
        self.opened = opened
        self.session = session
        self._store: ChatStore | None = None
        self._told_fault = ""

    @property
    def chats(self) -> Path:
        """The file of conversations."""
        return self.opened.chats

    @property
    def store(self) -> ChatStore:
        """The conversations, opened when they are first needed."""
        if self._store is None:
            self._store = ChatStore(self.chats)
        return self._store

    def close(self) -> None:
        """Let the file go."""
        if self._store is not None:
            self._store.close()

    def begin_anew(self) -> None:
        """Go on with a conversation in which nothing was said yet."""
        self.session = self.opened.session(self.session.user)

    def keep(self) -> None:
        """Have the conversation in its file; one in which nothing is said never gets there."""
        if not self.session.chat_id:
            self.session.store_in(self.store)

    # Telling.

    def tell(self, text: str, style: str = "dim", *, is_whole: bool = False) -> None:
        """A line from us, not from the character.

        Args:
            text: The line.
            style: How it looks.
            is_whole: True for paths and commands, which people copy: nothing is broken.
        """
        whole = is_whole or not self.console.is_terminal
        self.console.print(Text(text, style=style), soft_wrap=whole)

    def fail(self, error: ExagirlError) -> None:
        """What went wrong."""
        self.tell(str(error), "red")

    def show(self, turn: Said) -> None:
        """A turn that was said before."""
        is_mine = turn.role == "user"
        name = turn.speaker or (self.session.user if is_mine else self.session.character.name)
        marks = [f"[{turn.version}/{turn.versions}]"] if turn.versions > 1 else []
        marks += ["(끊김)"] if turn.is_cut else []
        print_turn(self.console, name, MINE if is_mine else THEIRS, turn.shown, " ".join(marks))

    def show_last(self, count: int = 1) -> None:
        """The newest turns."""
        for turn in self.session.turns[-count:]:
            self.show(turn)

    def show_greeting(self) -> None:
        """How the character opens the talk, if it does."""
        if greeting := self.session.greeting():
            print_turn(self.console, self.session.character.name, THEIRS, greeting)

    # Talking.

    def say(self, text: str) -> None:
        """Say something and show the reply."""
        self._answer(lambda stop: self.session.say(text, stop), self.who_answers(text))

    def again(self) -> None:
        """Draw the last reply anew; where none came, say the same again."""
        if self.session.unsent:
            self.say(self.session.unsent)
            return
        turns = self.session.turns
        is_open = bool(turns) and turns[-1].role == "user"
        who = self.who_answers(turns[-1].raw) if is_open else self._last_speaker()
        self._answer(self.session.regenerate, who)

    def go_on(self) -> None:
        """Have the character go on with its last reply."""
        last = self.session.turns[-1:]
        before = last[0].shown if last and last[0].role != "user" else ""
        self._answer(self.session.continue_reply, self._last_speaker(), before)

    def let_speak(self, name: str) -> None:
        """Have a character say something of its own accord."""
        who = name or self.who_answers("")
        self._answer(lambda stop: self.session.let_speak(name, stop), who)

    def who_answers(self, text: str) -> str:
        """Who answers a text."""
        if len(self.session.cast) == 1:
            return self.session.character.name
        members = [self.opened.character, *(one.character for one in self.opened.others)]
        spoken = (one.speaker for one in reversed(self.session.turns) if one.role != "user")
        return self.session.cast[who_speaks(text, members, next(spoken, ""))]

    def _last_speaker(self) -> str:
        turns = self.session.turns
        return (turns[-1].speaker if turns else "") or self.session.character.name

    def _answer(self, begin: Begin, who: str, before: str = "") -> None:
        stop, printer = Event(), ReplyPrinter(self.console)
        has_come = False
        try:
            self.keep()
            pieces = begin(stop)
            printer.label(who, THEIRS)
            printer.feed(before)
            with _stops_on_interrupt(stop):
                for piece in pieces:
                    has_come = True
                    printer.feed(piece)
            printer.end("(멈춤)" if stop.is_set() else "")
        except KeyboardInterrupt:
            printer.end("(멈춤)")
        except StaleChatError as error:
            printer.end()
            self.fail(error)
            if not error.kept_as:
                self.tell("/새로읽기 로 다시 읽을 수 있습니다.")
        except ExagirlError as error:
            printer.end("(끊김)" if has_come else "")
            self.fail(error)
        self._tell_what_is_left(has_come, stop)

    def _tell_what_is_left(self, has_come: bool, stop: Event) -> None:
        if self.session.unsent and not has_come:
            what = "답을 받지 못했습니다." if not stop.is_set() else "답이 나오기 전에 멈췄습니다."
            self.tell(f"{what} /다시 하면 같은 말을 다시 보냅니다.")
        fault = self.session.memory_fault
        if fault and fault != self._told_fault and not stop.is_set():
            self.tell(f"밀려난 대화를 간추리지 못했습니다: {fault}")
        self._told_fault = fault


@contextmanager
def _stops_on_interrupt(stop: Event) -> Iterator[None]:
    """Let the first Ctrl-C end the reply in good order; the second interrupts it."""

    def hear(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
