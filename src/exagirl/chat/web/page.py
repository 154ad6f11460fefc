"""The page: its parts, and which part calls what."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import gradio
from pydantic import ValidationError
from starlette.middleware import Middleware

from exagirl.chat.session import Session
from exagirl.chat.store import ChatStore
from exagirl.chat.web import acts, heading
from exagirl.chat.web.acts import Command, View
from exagirl.chat.web.cast import MAX_CARD_BYTES, Guest
from exagirl.chat.web.settings import Settings
from exagirl.chat.web.shield import Shield
from exagirl.chat.web.state import Draws, House, Tab
from exagirl.chat.web.words import language_of

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


SWEEP_S = (600, 600)
"""How often gradio looks for files that were sent, and how old those are that it deletes."""


def build_page(
    first: Session,
    *,
    store: ChatStore | None = None,
    cards: Path | None = None,
    guests: Sequence[Guest] = (),
) -> Any:
    """The page as `gradio.Blocks`; every window gets a conversation of its own.

    Args:
        first: A session with the model; it is not spoken in. The windows share its backend, and
            open with its cast.
        store: Where conversations are kept; None keeps them while a window is open.
        cards: Where opened cards are kept; None keeps them while a window is open, for it alone.
        guests: Characters that are neither the first one nor built in, such as those of a room,
            and pictures of characters.
    """
    return _Page(House(first, store, cards, guests)).blocks


def page_style() -> str:
    """The page's stylesheet."""
    return _read("style.css")


def serving_options() -> dict[str, Any]:
    """What `gradio.Blocks.launch` must be told so that the page is whole and loads nothing else."""
    plain = ["system-ui", "Apple SD Gothic Neo", "Noto Sans KR", "Malgun Gothic", "sans-serif"]
    return {
        "css": page_style(),
        "theme": gradio.themes.Base(
            font=[gradio.themes.Font(name) for name in plain],
            font_mono=[gradio.themes.Font("monospace")],
        ),
        "footer_links": [],
        "quiet": True,
        "share": False,
        "ssr_mode": False,
        "enable_monitoring": False,
        "run_history": False,
        # Else gradio asks its own page within three seconds, and gives up on a busy machine or
        # behind a proxy, with the advice to share the page with the world.
        "_frontend": False,
        "max_file_size": MAX_CARD_BYTES + 1_000_000,
        "app_kwargs": {"middleware": [Middleware(Shield)]},
    }


class _Page:
    def __init__(self, house: House) -> None:
        self._house = house
        self._count = itertools.count(1)
        name = house.first.character.name
        with gradio.Blocks(
            title=f"{name} · exagirl", analytics_enabled=False, delete_cache=SWEEP_S
        ) as self.blocks:
            self._who = _html("who")
            self._past = _html("past")
            self._live = _html("live")
            self._state = _html("state")
            self._file = _html("file")
            with gradio.Sidebar(open=False, position="right", width=340):
                self._settings = Settings(house)
            self._bridge = _html("composer", _read("composer.html"), script=_read("script.js"))
            self._wire()

    @property
    def _talk(self) -> list[Any]:
        return [self._past, self._live, self._state]

    @property
    def _all(self) -> list[Any]:
        return [self._who, *self._talk, *self._settings.parts]

    def _wire(self) -> None:
        self.blocks.load(self._open, self._settings.remembered, self._all, **QUIET)
        self.blocks.unload(self._close)
        # One at a time: the model is one.
        self._bridge.submit(
            self._reply, None, self._talk, concurrency_limit=1, trigger_mode="once", **QUIET
        )
        self._bridge.select(
            self._change, None, self._all, concurrency_limit=4, trigger_mode="multiple", **QUIET
        )
        self._bridge.clear(self._halt, None, None, queue=False, **QUIET)
        self._settings.wire(self._run, self._all, QUIET)
        for kind, button in self._settings.exports.items():
            button.click(self._export(kind), None, self._file, **QUIET)

    def _open(self, remembered: Any, request: gradio.Request) -> list[Any]:
        asked = request.query_params
        language = language_of(asked.get("lang"))
        chat = str(asked.get("chat") or "")[:64]
        tab = self._house.open_tab(_key(request), chat, language, _draws(remembered))
        tab.refused = tab.session.unsent
        return self._everything(tab)

    def _close(self, request: gradio.Request) -> None:
        self._house.close_tab(_key(request))

    def _reply(self, event: gradio.EventData, request: gradio.Request) -> Iterator[list[Any]]:
        tab, command = self._command(event, request)
        held: View | None = None
        for held in acts.reply(self._house, tab, command):
            if held.live:
                yield self._shown(tab, held, is_busy=True)
        yield self._shown(tab, held or acts.view(tab))

    def _change(self, event: gradio.EventData, request: gradio.Request) -> list[Any]:
        tab, command = self._command(event, request)
        acts.change(self._house, tab, command)
        if command.act in ("undo", "new", "forget"):
            return self._everything(tab)
        if command.act == "refresh":
            talk = [gradio.skip() for _ in (self._who, *self._talk)]
            return [*talk, *self._settings.lists(tab)]
        return self._talk_alone(tab)

    def _halt(self, event: gradio.EventData, request: gradio.Request) -> None:
        acts.halt(*self._command(event, request))

    def _run(self, do: Any, *, is_all: bool = True) -> Any:
        """A handler: what it does, then the page; the drawer only where all may differ."""

        def handle(value: Any, request: gradio.Request) -> list[Any]:
            tab = self._house.tab(_key(request))
            do(tab, value)
            # Else what is being typed into the next field would be overwritten.
            return self._everything(tab) if is_all else self._talk_alone(tab)

        return handle

    def _export(self, kind: str) -> Any:
        def handle(request: gradio.Request) -> str:
            tab = self._house.tab(_key(request))
            content = acts.export_log(tab, kind)
            return heading.file_html(tab.session, content, kind, next(self._count))

        return handle

    def _command(self, event: Any, request: gradio.Request) -> tuple[Tab, Command]:
        try:
            command = Command.model_validate(event._data)
        except ValidationError:
            command = Command(act="")
        language = language_of(command.lang)
        return self._house.tab(_key(request), command.chat, language), command

    def _shown(self, tab: Tab, view: View, *, is_busy: bool = False) -> list[Any]:
        state = heading.state_html(tab, next(self._count), is_busy=is_busy)
        return [view.past, view.live, state]

    def _talk_alone(self, tab: Tab) -> list[Any]:
        return [gradio.skip(), *self._shown(tab, acts.view(tab)), *self._settings.small(tab)]

    def _everything(self, tab: Tab) -> list[Any]:
        who = heading.who_html(tab, self._house.first.character.name)
        return [who, *self._shown(tab, acts.view(tab)), *self._settings.values(tab)]


def _html(name: str, content: str = "", *, script: str | None = None) -> Any:
    return gradio.HTML(content, elem_id=name, js_on_load=script, apply_default_css=False)


def _draws(remembered: Any) -> Draws:
    """What a browser remembers, which may be anything."""
    try:
        return Draws.model_validate(remembered or {})
    except ValidationError:
        return Draws()


def _key(request: gradio.Request) -> str:
    return str(request.session_hash or "")


def _read(name: str) -> str:
    return (resources.files("exagirl.chat.web") / name).read_text("utf-8")
