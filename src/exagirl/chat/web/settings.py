"""The drawer: who is talked to, who talks, and how replies are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio

from exagirl.chat.conversation import Setting
from exagirl.chat.room import MAX_CAST
from exagirl.chat.session import Session
from exagirl.chat.web import acts
from exagirl.chat.web.inside import inside_html
from exagirl.chat.web.state import LEAST_TOKENS, MAX_TEMPERATURE, House, Tab
from exagirl.chat.web.words import Words
from exagirl.chatmodel.sampling import Sampling

CARD_TYPES = [".png", ".json", ".charx", ".yaml", ".yml"]
TITLE_CHARS = 28
DEEPEST_NOTE = 20
STEP_TOKENS = 16
REMEMBERED = "exagirl-draws"
"""The name under which a browser remembers how replies are drawn."""


class Settings:
    """The parts of the drawer, made inside the block that is open.

    Args:
        house: What the windows share.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        words = Words()
        with gradio.Column(elem_classes="drawer"):
            self._character = gradio.Dropdown(label=words("character"), elem_id="character")
            self._others = gradio.Dropdown(
                label=words("others"),
                multiselect=True,
                max_choices=MAX_CAST - 1,
                elem_id="others",
            )
            self._card = gradio.UploadButton(
                words("card"), file_types=CARD_TYPES, size="sm", elem_id="card"
            )
            self._chats = gradio.Dropdown(label=words("chats"), elem_id="chats")
            self._title = gradio.Textbox(label=words("title"), max_length=80, elem_id="title")
            self._forget = _part("forget")
            self._user = gradio.Textbox(label=words("user"), max_length=40, elem_id="user")
            self._persona = gradio.Textbox(label=words("persona"), lines=2, elem_id="persona")
            with gradio.Accordion(words("story"), open=False) as self._story:
                self._note = gradio.Textbox(label=words("note"), lines=2, elem_id="note")
                self._depth = gradio.Slider(
                    0,
                    DEEPEST_NOTE,
                    step=1,
                    label=words("depth"),
                    elem_id="depth",
                    buttons=[],
                )
                self._pins = gradio.Textbox(label=words("pins"), lines=3, elem_id="pins")
                self._inside = _part("inside")
            with gradio.Accordion(words("model"), open=False) as self._model:
                self._temperature = gradio.Slider(
                    0,
                    MAX_TEMPERATURE,
                    step=0.05,
                    label=words("temperature"),
                    elem_id="temperature",
                    buttons=[],
                )
                self._length = gradio.Slider(
                    LEAST_TOKENS,
                    self._longest(),
                    step=STEP_TOKENS,
                    label=words("length"),
                    elem_id="length",
                    buttons=[],
                )
            with gradio.Accordion(words("files"), open=False) as self._files:
                self._export = gradio.Button(words("export"), size="sm", elem_id="export")
                self._train = gradio.Button(words("export_messages"), size="sm", elem_id="train")
                self._import = gradio.UploadButton(
                    words("import"), file_types=[".jsonl"], size="sm", elem_id="import"
                )
            # Not a secret: the value is the person's own, and holds two numbers.
            self.remembered = gradio.BrowserState(None, storage_key=REMEMBERED, secret=REMEMBERED)
        self.exports = {"log": self._export, "messages": self._train}

    @property
    def parts(self) -> list[Any]:
        """All parts that show something, in the order of `values`."""
        return [
            self._character,
            self._others,
            self._card,
            self._chats,
            self._title,
            self._forget,
            self._user,
            self._persona,
            self._story,
            self._note,
            self._depth,
            self._pins,
            self._inside,
            self._model,
            self._temperature,
            self._length,
            self._files,
            self._export,
            self._train,
            self._import,
            self.remembered,
        ]

    def wire(
        self,
        run: Callable[..., Any],
        outputs: list[Any],
        quiet: dict[str, Any],
    ) -> None:
        """Connect each part to what it sets."""
        house = self._house
        whole: tuple[tuple[Any, Any, Callable[[Tab, Any], None]], ...] = (
            (self._character, "input", lambda tab, name: acts.talk_to(house, tab, name)),
            (self._others, "input", lambda tab, names: acts.gather(house, tab, names or [])),
            (self._chats, "input", lambda tab, chat: acts.open_chat_of(house, tab, chat)),
            (self._card, "upload", lambda tab, path: acts.open_card(house, tab, Path(path))),
            (self._import, "upload", lambda tab, path: acts.import_log(house, tab, Path(path))),
        )
        for part, event, does in whole:
            getattr(part, event)(run(does), part, outputs, **quiet)
        settings: tuple[tuple[Any, Any, _Setting], ...] = (
            (self._user, "blur", _USER),
            (self._persona, "blur", _PERSONA),
            (self._title, "blur", _TITLE),
            (self._note, "blur", _NOTE),
            (self._depth, "release", _DEPTH),
            (self._pins, "blur", _PINS),
        )
        for part, event, setting in settings:
            getattr(part, event)(self._setting(run, setting), part, outputs, **quiet)
        drawing: tuple[tuple[Any, Callable[[Tab, Any], None]], ...] = (
            (self._temperature, lambda tab, much: acts.draw(house, tab, temperature=float(much))),
            (self._length, lambda tab, many: acts.draw(house, tab, reply_tokens=int(many))),
        )
        for part, does in drawing:
            part.release(run(does, is_all=False), part, outputs, **quiet)

    def values(self, tab: Tab) -> list[Any]:
        """What the parts show for a window, in its language; as many as `parts`."""
        words, session, setting = tab.words, tab.session, tab.session.setting
        names, chats = tab.cast.names(), self._chat_names(tab)
        known = [value for _, value in chats]
        now = session.chat_id if session.chat_id in known else None
        sampling = session.sampling or Sampling()
        is_kept = self._house.store is not None
        first, *others = session.cast
        return [
            gradio.update(label=words("character"), choices=names, value=first),
            gradio.update(
                label=words("others"),
                choices=[name for name in names if name != first],
                value=others,
            ),
            gradio.update(label=words("card"), value=None),
            gradio.update(label=words("chats"), choices=chats, value=now, visible=bool(chats)),
            gradio.update(label=words("title"), value=setting.title, visible=is_kept),
            gradio.update(value=(forget := self._forget_html(tab)), visible=bool(forget)),
            gradio.update(label=words("user"), value=session.user),
            gradio.update(
                label=words("persona"), value=setting.persona, placeholder=words("persona_hint")
            ),
            gradio.update(label=words("story")),
            gradio.update(label=words("note"), value=setting.note.text),
            gradio.update(label=words("depth"), value=setting.note.depth),
            gradio.update(label=words("pins"), value="\n".join(setting.pins)),
            inside_html(tab),
            gradio.update(label=words("model"), visible=self._house.can_tune),
            gradio.update(label=words("temperature"), value=sampling.temperature),
            gradio.update(label=words("length"), value=sampling.max_new_tokens),
            gradio.update(label=words("files")),
            gradio.update(value=words("export")),
            gradio.update(value=words("export_messages")),
            gradio.update(label=words("import"), value=None),
            tab.draws.model_dump(),
        ]

    def lists(self, tab: Tab) -> list[Any]:
        """The lists anew and all else as it stands; as many as `parts`."""
        return self._some(
            tab,
            {self._character, self._others, self._chats, self._forget}
            | {self._title, self._inside},
        )

    def small(self, tab: Tab) -> list[Any]:
        """Only what is no field to type in; as many as `parts`."""
        return self._some(tab, {self._forget, self.remembered})

    def _some(self, tab: Tab, anew: set[Any]) -> list[Any]:
        values = zip(self.parts, self.values(tab), strict=True)
        return [value if part in anew else gradio.skip() for part, value in values]

    def _setting(self, run: Any, setting: _Setting) -> Any:
        house = self._house

        def change(tab: Tab, value: Any) -> None:
            wanted = setting.read(value)
            # Leaving a field is no change, and a talk that was only looked at is not stored.
            if wanted != setting.now(tab.session.setting):
                acts.set_up(house, tab, lambda session: setting.put(session, wanted))

        return run(change, is_all=False)

    def _longest(self) -> int:
        quarter = self._house.first.options.context_tokens // 4
        return max(LEAST_TOKENS + STEP_TOKENS, quarter - quarter % STEP_TOKENS)

    def _forget_html(self, tab: Tab) -> str:
        words = tab.words
        if self._house.store is None:
            return f'<p class="aside">{words("nothing_kept")}</p>'
        if not tab.session.chat_id:
            return ""
        return (
            f'<button class="forget" data-do="forget" data-sure="{words("forget_sure")}">'
            f"{words('forget')}</button>"
        )

    def _chat_names(self, tab: Tab) -> list[tuple[str, str]]:
        names = []
        for chat in self._house.chats(tab.cast):
            title = chat.title or chat.opening or tab.words("no_title")
            short = title[:TITLE_CHARS] + ("…" if len(title) > TITLE_CHARS else "")
            names.append((f"{', '.join(chat.cast)} · {short} · {chat.turns}", chat.id))
        return names


class _Setting(NamedTuple):
    """One setting of a conversation behind a part of the drawer."""

    now: Callable[[Setting], Any]
    put: Callable[[Session, Any], Any]
    read: Callable[[Any], Any] = lambda text: str(text or "").strip()


def _part(name: str) -> Any:
    return gradio.HTML("", elem_id=name, apply_default_css=False, padding=False)


def _rename(session: Session, name: str) -> None:
    if name:
        session.rename_user(name)


def _pin(session: Session, wanted: Sequence[str]) -> None:
    for number in reversed(range(len(session.setting.pins))):
        if session.setting.pins[number] not in wanted:
            session.unpin(number)
    for fact in wanted:
        if fact not in session.setting.pins:
            session.pin(fact)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(str.strip, (text or "").splitlines()))))


_USER = _Setting(lambda setting: setting.user, _rename)
_PERSONA = _Setting(lambda setting: setting.persona, Session.set_persona)
_TITLE = _Setting(lambda setting: setting.title, Session.set_title)
_NOTE = _Setting(
    lambda setting: setting.note.text,
    lambda session, text: session.set_note(text, session.setting.note.depth),
)
_DEPTH = _Setting(
    lambda setting: setting.note.depth,
    lambda session, depth: session.set_note(session.setting.note.text, depth),
    int,
)
_PINS = _Setting(lambda setting: setting.pins, _pin, _lines)
