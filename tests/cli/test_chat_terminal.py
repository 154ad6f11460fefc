"""``exagirl chat`` in a terminal: Hangul is edited as people type it, a reply can be stopped."""

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from threading import Event

import pytest

from support.sse_server import StreamServer

pytest.importorskip("readline", reason="lines are edited by readline")
CTRL_C, CTRL_D, UP, HOME, END, RUBOUT = b"\x03", b"\x04", b"\x1b[A", b"\x1b[H", b"\x1b[F", b"\x7f"
LIMIT_S = 30.0


class Terminal:
    """A command in a terminal of 80 columns."""

    def __init__(self, folder, url):
        command = [sys.executable, "-m", "exagirl", "chat", url, "--character", "exa"]
        command += ["--runs", str(folder), "--user", "민준"]
        env = os.environ | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "INPUTRC": "/dev/null"}
        env.pop("NO_COLOR", None)
        env.pop("COLUMNS", None)
        self.screen = b""
        self.pid, self.line = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, command, env)
        fcntl.ioctl(self.line, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def type(self, *keys):
        """Press keys."""
        for key in keys:
            os.write(self.line, key if isinstance(key, bytes) else key.encode())

    def wait_for(self, words, times=1):
        """Read the screen until these words stand there so often."""
        end = time.monotonic() + LIMIT_S
        while self.text.count(words) < times:
            assert time.monotonic() < end, f"{words!r} did not come: {self.text[-600:]}"
            if select.select([self.line], [], [], 0.1)[0]:
                self._read()

    def wait_for_prompt(self, times):
        """Wait until the next line can be typed; a signal just before that is Python's to lose."""
        self.wait_for("민준: ", times)
        time.sleep(0.3)

    def close(self):
        """Read to the end; returns the exit code."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            if select.select([self.line], [], [], 0.1)[0] and not self._read():
                break
        os.close(self.line)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @property
    def text(self):
        """What is on the screen, without colours."""
        shown = self.screen.decode("utf-8", "replace")
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)

    def _read(self):
        try:
            piece = os.read(self.line, 65536)
        except OSError:  # the other side is gone
            piece = b""
        self.screen += piece
        return bool(piece)


@pytest.fixture
def open_terminal(tmp_path):
    """Start the command; it is ended with the test."""
    begun = []

    def start(server):
        terminal = Terminal(tmp_path, server.url)
        begun.append(terminal)
        terminal.wait_for_prompt(1)
        return terminal

    yield start
    for terminal in begun:
        try:
            os.kill(terminal.pid, 9)
            os.waitpid(terminal.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def test_hangul_is_edited_letter_by_letter(open_terminal):
    """Home, End, rub out and arrow up do with letters of two columns what they do with others."""
    with StreamServer(["응."]) as server:
        terminal = open_terminal(server)
        terminal.type("가나다", HOME, "앞", END, RUBOUT, "ㅋㅋ", RUBOUT, "\r")
        terminal.wait_for("응.")
        terminal.type(UP, "!", "\r")
        terminal.wait_for_prompt(3)
        terminal.type(CTRL_D)
        assert terminal.close() == 0
    assert server.heard == ["앞가나ㅋ", "앞가나ㅋ!"]


def test_a_syllable_of_separate_jamo_is_one_letter(open_terminal):
    """As some systems type it; one rub-out takes it away whole, and what stays is composed."""
    with StreamServer(["응."]) as server:
        terminal = open_terminal(server)
        terminal.type("\u1112\u1161\u11ab\u1100\u1173\u11af", RUBOUT, "\r")
        terminal.wait_for("응.")
    assert server.heard == ["한"]


def test_a_line_wider_than_the_screen_keeps_its_place(open_terminal):
    """The prompt's colours take no columns: what is typed at the start lands there."""
    long = "가나다라마바사아자차카타파하 " * 6
    with StreamServer(["응."]) as server:
        terminal = open_terminal(server)
        terminal.type(long, HOME, "앞", END, "뒤", "\r")
        terminal.wait_for("응.")
    assert server.heard == [f"앞{long}뒤"]
    assert b"\x01" not in terminal.screen
    assert b"\x1b[1;36m" in terminal.screen


def test_actions_are_in_italics_and_no_word_is_broken(open_terminal):
    """At 80 columns lines end between words."""
    reply = "*안경을 고쳐 쓰며* " + "도서관에서책을읽었어 " * 9
    with StreamServer([reply[at : at + 7] for at in range(0, len(reply), 7)]) as server:
        terminal = open_terminal(server)
        terminal.type("안녕\r")
        terminal.wait_for("도서관에서책을읽었어", times=9)
    assert b"\x1b[2;3m" in terminal.screen


def test_ctrl_c_stops_the_reply_and_not_the_talk(open_terminal):
    """What came stays, marked; keys pressed meanwhile do not break into it."""
    never = Event()
    with StreamServer(["*책을 펴며* 옛날 옛날에 ", never], ["응."]) as server:
        terminal = open_terminal(server)
        terminal.type("이야기 해 줘\r")
        terminal.wait_for("옛날에")
        terminal.type(CTRL_C)
        terminal.wait_for("(멈춤)")
        terminal.type("고마워\r")
        terminal.wait_for("응.")
        never.set()
        terminal.wait_for_prompt(3)
        terminal.type(CTRL_D)
        assert terminal.close() == 0
    assert "^C" not in terminal.text
    said = [message["content"] for message in server.bodies[1]["messages"][1:]]
    assert said == ["이야기 해 줘", "*책을 펴며* 옛날 옛날에", "고마워"]


def test_ctrl_d_is_heard_while_a_reply_comes_and_right_after(open_terminal):
    """It ends the talk at the next prompt, however short before it was pressed."""
    waiting = Event()
    with StreamServer(["음. ", waiting, "응."], ["짧게."]) as server:
        during = open_terminal(server)
        during.type("안녕\r")
        during.wait_for("음.")
        during.type(CTRL_D)
        waiting.set()
        assert during.close() == 0
        after = open_terminal(server)
        after.type("안녕\r")
        after.wait_for("짧게.")
        after.type(CTRL_D)
        assert after.close() == 0
    assert "음. 응." in during.text


def test_ctrl_c_at_the_prompt_asks_before_it_ends(open_terminal):
    """The second one in a row ends."""
    with StreamServer(["응."]) as server:
        terminal = open_terminal(server)
        terminal.type("쓰다 만", CTRL_C)
        terminal.wait_for("한 번 더")
        terminal.wait_for_prompt(2)
        terminal.type(CTRL_C)
        assert terminal.close() == 0
    assert server.bodies == []


def test_a_turn_is_edited_where_it_stands(open_terminal):
    """`/edit` puts its words into the line; a break in them stays one."""
    with StreamServer(["첫 줄\n둘째"]) as server:
        terminal = open_terminal(server)
        terminal.type("안녕\r")
        terminal.wait_for("둘째")
        terminal.type("/edit\r")
        terminal.wait_for("첫 줄 ⏎ 둘째")
        terminal.type(" 줄\r")
        terminal.wait_for("둘째 줄")
        terminal.type("/말해\r")
        terminal.wait_for_prompt(4)
    said = server.bodies[1]["messages"][-1]
    assert said == {"role": "assistant", "content": "첫 줄\n둘째 줄"}
