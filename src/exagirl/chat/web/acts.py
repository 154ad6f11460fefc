"""What the buttons do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from exagirl.chat.faults import ChatError, StaleChatError
from exagirl.chat.session import Session
from exagirl.chat.web.render import PAGE_TURNS, live_html, past_html
from exagirl.chat.web.state import House, Tab
from exagirl.errors import ExagirlError
from exagirl.record import Record

SHOW_EVERY_S = 0.05
"""A window is not drawn anew more often than this while a reply comes."""


class Command(Record):
    """What a button of the page sends."""

    act: str = Field(max_length=20)
    turn: int = 0
    text: str = ""
    chat: str = Field(default="", max_length=64)
    lang: str = Field(default="ko", max_length=8)


class View(Record):
    """The two halves of what was said."""

    past: str
    live: str = ""


def view(tab: Tab) -> View:
    """What stands now."""
    return View(past=past_html(tab.session, tab.words, shown=tab.shown))


def reply(house: House, tab: Tab, command: Command) -> Iterator[View]:
    """Have the character speak and show it as it comes; what fails is noted, what came is kept."""
    session, text = tab.session, command.text
    if command.act == "retry" and session.unsent:
        text = session.unsent
    tab.notice, tab.refused, tab.can_retry = "", "", False
    tab.stop.clear()
    began = len(session.turns)
    with _noting(tab, text):
        house.keep(session)
        yield from _stream(tab, _pieces(tab, command.act, text), command.act, text)
    if tab.can_retry and len(tab.session.turns) == began and text:
        tab.refused = text
    yield view(tab)


def change(house: House, tab: Tab, command: Command) -> None:
    """Do what needs no model."""
    tab.notice, tab.refused, tab.can_retry = "", "", False
    with _noting(tab):
        _act(house, tab, command)


def set_up(tab: Tab, do: Callable[[Session], Any]) -> None:
    """Change a setting of the conversation; it is kept from the first words on."""
    tab.notice = ""
    with _noting(tab):
        do(tab.session)


def talk_to(house: House, tab: Tab, name: str) -> None:
    """Begin a conversation with another character."""
    character = house.cast.find(name)
    if character is not None:
        _begin(tab, house.session(character))


def open_chat_of(house: House, tab: Tab, chat: str) -> None:
    """Go on with an earlier conversation."""
    with _noting(tab):
        _begin(tab, house.resumed(chat))


def open_card(house: House, tab: Tab, path: Path) -> None:
    """Talk to the character of a card."""
    with _noting(tab):
        character = house.cast.open_card(path, tab.words)
        _begin(tab, house.session(character))
        tab.notice = tab.words("opened", name=character.name)


def import_log(house: House, tab: Tab, path: Path) -> None:
    """Put a log in the place of the conversation; undo brings it back."""
    with _noting(tab):
        house.keep(tab.session)
        count = tab.session.read_log(path)
        tab.notice = tab.words("imported", count=count)


def export_log(tab: Tab, kind: str) -> bytes:
    """The conversation as a file: ``messages``, or a log that other programs read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chat.jsonl"
        if kind == "messages":
            tab.session.write_messages(path)
        else:
            tab.session.write_sillytavern(path)
        return path.read_bytes()


def _begin(tab: Tab, session: Session) -> None:
    tab.stop.set()
    tab.session, tab.shown, tab.notice, tab.refused = session, PAGE_TURNS, "", ""


def _pieces(tab: Tab, act: str, text: str) -> Iterator[str]:
    session = tab.session
    if act == "continue":
        return session.continue_reply(tab.stop)
    if act == "say" or (act == "retry" and text):
        return session.say(text, tab.stop)
    if act in ("regenerate", "retry"):
        return session.regenerate(tab.stop)
    raise ChatError(tab.words("bad_command"))


def _stream(tab: Tab, pieces: Iterator[str], act: str, text: str) -> Iterator[View]:
    session, words = tab.session, tab.words
    last = session.turns[-1] if session.turns else None
    drop = int(act != "say" and not text and last is not None and last.role == "assistant")
    past = past_html(session, words, asked=text, shown=tab.shown, drop=drop)
    so_far = last.shown if last is not None and act == "continue" else ""
    yield View(past=past, live=live_html(so_far, words))
    shown_at = time.monotonic()
    for piece in pieces:
        so_far += piece
        if time.monotonic() - shown_at >= SHOW_EVERY_S:
            yield View(past=past, live=live_html(so_far, words))
            shown_at = time.monotonic()


@contextmanager
def _noting(tab: Tab, text: str = "") -> Iterator[None]:
    """Tell the person what went wrong; where another window was faster, load the chat again."""
    try:
        yield
    except StaleChatError as error:
        tab.notice, tab.refused = str(error), text
        if not error.kept_as:
            _reload(tab)
    except ExagirlError as error:
        tab.notice, tab.refused = str(error), text
        tab.can_retry = not isinstance(error, ChatError)
    except Exception as error:  # noqa: BLE001 (a backend may raise anything; the page stays)
        tab.notice = tab.words("failed", error=str(error) or type(error).__name__)
        tab.can_retry = True


def _reload(tab: Tab) -> None:
    try:
        tab.session.reload()
        tab.notice = tab.words("reloaded")
    except ExagirlError as error:
        tab.notice = str(error)


def _act(house: House, tab: Tab, command: Command) -> None:
    name, session = command.act, tab.session
    if name in _ON_A_TURN:
        _ON_A_TURN[name](session, command.turn)
    elif name == "edit":
        session.edit(command.turn, command.text)
    elif name == "undo":
        tab.notice = tab.words("undone", what=session.undo())
    elif name == "more":
        tab.shown += PAGE_TURNS
    elif name == "new":
        _begin_anew(house, tab)
    elif name != "refresh":
        raise ChatError(tab.words("bad_command"))


def _begin_anew(house: House, tab: Tab) -> None:
    setting = tab.session.setting
    session = house.session(tab.session.character)
    session.rename_user(setting.user)
    session.set_persona(setting.persona)
    _begin(tab, session)


_ON_A_TURN: dict[str, Callable[[Session, int], Any]] = {
    "earlier": Session.previous_version,
    "later": Session.next_version,
    "delete": Session.delete,
    "greeting": Session.choose_greeting,
}
