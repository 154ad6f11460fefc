"""The drawer: who is talked to, who talks, and how replies are drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio

from exagirl.chat.session import Session
from exagirl.chat.web import acts
from exagirl.chat.web.state import House, Tab
from exagirl.chat.web.words import Words

CARD_TYPES = [".png", ".json", ".charx", ".yaml", ".yml"]
TITLE_CHARS = 28
LEAST_REPLY, MOST_REPLY = 50, 8000


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
            self._card = gradio.UploadButton(
                words("card"), file_types=CARD_TYPES, size="sm", elem_id="card"
            )
            self._chats = gradio.Dropdown(label=words("chats"), elem_id="chats")
            self._user = gradio.Textbox(label=words("user"), max_length=40, elem_id="user")
            self._persona = gradio.Textbox(label=words("persona"), lines=2, elem_id="persona")
            with gradio.Accordion(words("story"), open=False) as self._story:
                self._note = gradio.Textbox(label=words("note"), lines=2, elem_id="note")
                self._depth = gradio.Slider(0, 20, step=1, label=words("depth"), elem_id="depth")
                self._pins = gradio.Textbox(label=words("pins"), lines=3, elem_id="pins")
            with gradio.Accordion(words("model"), open=False) as self._model:
                self._temperature = gradio.Slider(
                    0, 1.5, step=0.05, label=words("temperature"), elem_id="temperature"
                )
                self._length = gradio.Slider(
                    LEAST_REPLY, MOST_REPLY, step=50, label=words("length"), elem_id="length"
                )
            with gradio.Accordion(words("files"), open=False) as self._files:
                self._export = gradio.Button(words("export"), size="sm", elem_id="export")
                self._train = gradio.Button(words("export_messages"), size="sm", elem_id="train")
                self._import = gradio.UploadButton(
                    words("import"), file_types=[".jsonl"], size="sm", elem_id="import"
                )
        self.exports = {"log": self._export, "messages": self._train}
        self.parts = [
            self._character,
            self._card,
            self._chats,
            self._user,
            self._persona,
            self._story,
            self._note,
            self._depth,
            self._pins,
            self._model,
            self._temperature,
            self._length,
            self._files,
            self._export,
            self._train,
            self._import,
        ]

    def wire(
        self,
        run: Callable[..., Any],
        outputs: list[Any],
        quiet: dict[str, Any],
    ) -> None:
        """Connect each part to what it sets."""
        house = self._house
        self._character.input(
            run(lambda tab, name: acts.talk_to(house, tab, name)),
            self._character,
            outputs,
            **quiet,
        )
        self._chats.input(
            run(lambda tab, chat: acts.open_chat_of(house, tab, chat)),
            self._chats,
            outputs,
            **quiet,
        )
        self._card.upload(
            run(lambda tab, path: acts.open_card(house, tab, Path(path))),
            self._card,
            outputs,
            **quiet,
        )
        self._import.upload(
            run(lambda tab, path: acts.import_log(house, tab, Path(path))),
            self._import,
            outputs,
            **quiet,
        )
        for part, does in (
            (self._user, _rename),
            (self._persona, Session.set_persona),
            (self._note, _note),
            (self._pins, _pin),
        ):
            part.blur(self._setting(run, does), part, outputs, **quiet)
        self._depth.release(self._setting(run, _depth), self._depth, outputs, **quiet)
        self._length.release(self._setting(run, _limit), self._length, outputs, **quiet)
        self._temperature.release(
            run(lambda tab, value: tab.backend.tune(float(value))),
            self._temperature,
            outputs,
            **quiet,
        )

    def values(self, tab: Tab) -> list[Any]:
        """What the parts show for a window, in its language; as many as `parts`."""
        words, session, setting = tab.words, tab.session, tab.session.setting
        names, chats = self._house.cast.names(), self._chat_names(words)
        known = [value for _, value in chats]
        now = session.chat_id if session.chat_id in known else None
        backend = tab.backend
        length = min(session.options.max_reply_chars, MOST_REPLY)
        return [
            gradio.update(label=words("character"), choices=names, value=session.character.name),
            gradio.update(label=words("card"), value=None),
            gradio.update(label=words("chats"), choices=chats, value=now, visible=bool(chats)),
            gradio.update(label=words("user"), value=session.user),
            gradio.update(
                label=words("persona"), value=setting.persona, placeholder=words("persona_hint")
            ),
            gradio.update(label=words("story")),
            gradio.update(label=words("note"), value=setting.note.text),
            gradio.update(label=words("depth"), value=setting.note.depth),
            gradio.update(label=words("pins"), value="\n".join(setting.pins)),
            gradio.update(label=words("model")),
            gradio.update(
                label=words("temperature"),
                value=0.7 if backend.temperature is None else backend.temperature,
                visible=backend.can_tune,
            ),
            gradio.update(label=words("length"), value=length),
            gradio.update(label=words("files")),
            gradio.update(value=words("export")),
            gradio.update(value=words("export_messages")),
            gradio.update(label=words("import"), value=None),
        ]

    def lists(self, tab: Tab) -> list[Any]:
        """The lists anew and all else as it stands; as many as `parts`."""
        anew = {self._character, self._chats}
        values = zip(self.parts, self.values(tab), strict=True)
        return [value if part in anew else gradio.skip() for part, value in values]

    def _setting(self, run: Any, do: Callable[[Session, Any], Any]) -> Any:
        def change(tab: Tab, value: Any) -> None:
            acts.set_up(tab, lambda session: do(session, value))

        return run(change, is_all=False)

    def _chat_names(self, words: Words) -> list[tuple[str, str]]:
        names = []
        for chat in self._house.chats():
            title = chat.title or chat.opening or words("no_title")
            short = title[:TITLE_CHARS] + ("…" if len(title) > TITLE_CHARS else "")
            names.append((f"{chat.cast[0]} · {short} · {chat.turns}", chat.id))
        return names


def _rename(session: Session, name: str) -> None:
    if name.strip() and name.strip() != session.user:
        session.rename_user(name)


def _note(session: Session, text: str) -> None:
    session.set_note(text, session.setting.note.depth)


def _depth(session: Session, depth: float) -> None:
    session.set_note(session.setting.note.text, int(depth))


def _limit(session: Session, chars: float) -> None:
    session.options = session.options.model_copy(update={"max_reply_chars": int(chars)})


def _pin(session: Session, text: str) -> None:
    wanted = [line.strip() for line in text.splitlines() if line.strip()]
    if wanted == list(session.setting.pins):
        return
    for number in reversed(range(len(session.setting.pins))):
        if session.setting.pins[number] not in wanted:
            session.unpin(number)
    for fact in wanted:
        if fact not in session.setting.pins:
            session.pin(fact)
