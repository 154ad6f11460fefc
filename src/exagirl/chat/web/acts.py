"""What the buttons do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from exagirl.chat.faults import ChatError, StaleChatError
from exagirl.chat.room import who_speaks
from exagirl.chat.session import Session
from exagirl.chat.web.render import PAGE_TURNS, live_html, past_html
from exagirl.chat.web.state import Draws, House, Tab
from exagirl.errors import ExagirlError
from exagirl.persona.character import Character
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
    number: int = 0
    """Counts the replies that a window asked for; who stops names the one that is meant."""


class View(Record):
    """The two halves of what was said."""

    past: str
    live: str = ""


def view(tab: Tab) -> View:
    """What stands now."""
    return View(past=past_html(tab.session, tab.words, shown=tab.shown))


def reply(house: House, tab: Tab, command: Command) -> Iterator[View]:
    """Have the character speak and show it as it comes; what fails is noted, what came is kept."""
    session, ask = tab.session, _asked(tab, command)
    tab.notice, tab.refused, tab.silent, tab.can_retry = "", "", "", False
    tab.stop.clear()
    if command.number and command.number == tab.halted:
        # It was taken back while others were before it.
        tab.refused = ask.said
        yield view(tab)
        return
    began = len(session.turns)
    with _noting(house, tab, ask.said):
        house.keep(session)
        yield from _stream(tab, ask)
    if tab.can_retry and tab.session is session and len(session.turns) == began:
        tab.refused = ask.said
        tab.silent = ask.speaker if ask.act == "speak" else ""
    yield view(tab)


def halt(tab: Tab, command: Command) -> None:
    """Stop the reply that runs, or that waits for its turn."""
    tab.halted = command.number
    tab.stop.set()


def change(house: House, tab: Tab, command: Command) -> None:
    """Do what needs no model."""
    tab.notice, tab.refused, tab.can_retry = "", "", False
    with _noting(house, tab):
        _act(house, tab, command)


def set_up(house: House, tab: Tab, do: Callable[[Session], Any]) -> None:
    """Change a setting of the conversation, which is stored from then on: a reload keeps it."""
    tab.notice = ""
    with _noting(house, tab):
        house.keep(tab.session)
        do(tab.session)


def draw(house: House, tab: Tab, **values: float) -> None:
    """Have replies drawn in another way."""
    tab.notice = ""
    with _noting(house, tab):
        tab.draw(Draws.model_validate(tab.draws.model_dump() | values))


def talk_to(house: House, tab: Tab, name: str) -> None:
    """Begin a conversation with another character."""
    character = tab.cast.find(name)
    if character is not None:
        with _noting(house, tab):
            tab.begin(house.session([character]))


def gather(house: House, tab: Tab, names: Sequence[str]) -> None:
    """Begin a conversation with the same character and others in one room."""
    first = tab.session.character
    others = [one for one in tab.cast.find_all(names) if one.name != first.name]
    with _noting(house, tab):
        _begin_with(house, tab, [first, *others])


def open_chat_of(house: House, tab: Tab, chat: str) -> None:
    """Go on with an earlier conversation."""
    with _noting(house, tab):
        tab.begin(house.resumed(chat, tab.cast))


def open_card(house: House, tab: Tab, path: Path) -> None:
    """Talk to the character of a card; the file that was sent is not left lying about."""
    with _noting(house, tab):
        try:
            opened = tab.cast.open_card(path, tab.words)
        finally:
            path.unlink(missing_ok=True)
        tab.begin(house.session([opened.character]))
        key = "opened_plain" if opened.fault else "opened"
        tab.notice = tab.words(key, name=opened.character.name, fault=opened.fault)


def import_log(house: House, tab: Tab, path: Path) -> None:
    """Put a log in the place of the conversation; undo brings it back."""
    with _noting(house, tab):
        try:
            house.keep(tab.session)
            count = tab.session.read_log(path)
        finally:
            path.unlink(missing_ok=True)
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


class _Ask(NamedTuple):
    """What is asked of the model."""

    act: str
    said: str = ""
    """What the person says."""
    speaker: str = ""
    """Whose words come."""


def _asked(tab: Tab, command: Command) -> _Ask:
    """What a button means as the conversation stands."""
    act, text, session = command.act, command.text, tab.session
    if act == "retry" and tab.silent:
        return _Ask("speak", speaker=tab.silent)
    if act == "retry" and (session.unsent or text):
        act, text = "say", session.unsent or text
    if act == "speak":
        return _Ask("speak", speaker=text if text in session.cast else _next(tab, ""))
    if act == "say":
        return _Ask("say", text, _next(tab, text))
    turns = session.turns
    is_open = not turns or turns[-1].role == "user"
    speaker = _next(tab, turns[-1].raw if turns else "") if is_open else turns[-1].speaker
    return _Ask("regenerate" if act == "retry" else act, speaker=speaker)


def _next(tab: Tab, text: str) -> str:
    """Who answers a text."""
    spoken = (turn.speaker for turn in reversed(tab.session.turns) if turn.role == "assistant")
    return tab.session.cast[who_speaks(text, tab.room, next(spoken, ""))]


def _pieces(tab: Tab, ask: _Ask) -> Iterator[str]:
    session = tab.session
    if ask.act == "continue":
        return session.continue_reply(tab.stop)
    if ask.act == "say":
        return session.say(ask.said, tab.stop)
    if ask.act == "speak":
        return session.let_speak(ask.speaker, tab.stop)
    if ask.act == "regenerate":
        return session.regenerate(tab.stop)
    raise ChatError(tab.words("bad_command"))


def _stream(tab: Tab, ask: _Ask) -> Iterator[View]:
    session, words = tab.session, tab.words
    pieces = _pieces(tab, ask)
    last = session.turns[-1] if session.turns else None
    is_anew = ask.act in ("regenerate", "continue")
    drop = int(is_anew and last is not None and last.role == "assistant")
    past = past_html(session, words, asked=ask.said, shown=tab.shown, drop=drop, is_busy=True)
    so_far = last.shown if last is not None and ask.act == "continue" else ""

    def now() -> View:
        return View(past=past, live=live_html(so_far, words, session.cast, ask.speaker))

    yield now()
    shown_at = time.monotonic()
    for piece in pieces:
        so_far += piece
        if time.monotonic() - shown_at >= SHOW_EVERY_S:
            yield now()
            shown_at = time.monotonic()


@contextmanager
def _noting(house: House, tab: Tab, text: str = "") -> Iterator[None]:
    """Tell the person what went wrong; where another window was faster, load the chat again."""
    try:
        yield
    except StaleChatError as error:
        tab.notice, tab.refused = str(error), text
        if not error.kept_as:
            _reload(house, tab)
    except ExagirlError as error:
        tab.notice, tab.refused = str(error), text
        tab.can_retry = not isinstance(error, ChatError)
    except Exception as error:  # noqa: BLE001 (a backend may raise anything; the page stays)
        tab.notice = tab.words("failed", error=str(error) or type(error).__name__)
        tab.can_retry = True


def _reload(house: House, tab: Tab) -> None:
    chat, refused = tab.session.chat_id, tab.refused
    try:
        if house.store is not None and not house.store.revision(chat):
            _begin_with(house, tab, tab.room)
            tab.notice = tab.words("gone")
        else:
            tab.session.reload()
            tab.notice = tab.words("reloaded")
    except ExagirlError as error:
        tab.notice = str(error)
    tab.refused = refused


def _act(house: House, tab: Tab, command: Command) -> None:
    name, session = command.act, tab.session
    if name in _ON_A_TURN:
        if name == "greeting":
            house.keep(session)
        _ON_A_TURN[name](session, command.turn)
    elif name == "edit":
        session.edit(command.turn, command.text)
    elif name == "undo":
        tab.notice = tab.words("undone", what=session.undo())
    else:
        _act_on_the_talk(house, tab, name)


def _act_on_the_talk(house: House, tab: Tab, name: str) -> None:
    if name == "more":
        tab.shown += PAGE_TURNS
    elif name == "new":
        _begin_with(house, tab, tab.room)
    elif name == "forget":
        _forget(house, tab)
    elif name != "refresh":
        raise ChatError(tab.words("bad_command"))


def _forget(house: House, tab: Tab) -> None:
    """Delete the chat; who was here stays, for a new one."""
    if house.store is None or not tab.session.chat_id:
        raise ChatError(tab.words("nothing_kept"))
    house.store.delete(tab.session.chat_id)
    _begin_with(house, tab, tab.room)
    tab.notice = tab.words("forgotten")


def _begin_with(house: House, tab: Tab, cast: Sequence[Character]) -> None:
    """Begin anew; the person stays who they are."""
    setting = tab.session.setting
    session = house.session(cast)
    session.rename_user(setting.user)
    session.set_persona(setting.persona)
    tab.begin(session)


_ON_A_TURN: dict[str, Callable[[Session, int], Any]] = {
    "earlier": Session.previous_version,
    "later": Session.next_version,
    "delete": Session.delete,
    "greeting": Session.choose_greeting,
}
