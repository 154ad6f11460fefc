"""The head of the page, and what its script must know."""

from __future__ import annotations

import base64
import html
import re

from exagirl.chat.session import Session
from exagirl.chat.web.portrait import as_data_uri, draw_portrait, palette_of
from exagirl.chat.web.render import notice_html
from exagirl.chat.web.state import Tab
from exagirl.korean.particles import attach


def who_html(tab: Tab, learned: str) -> str:
    """Who is talked to, honestly, and the buttons of the whole talk."""
    words, character = tab.words, tab.session.character
    name = html.escape(character.name)
    if character.name == learned:
        told = character.slogan or words("learned", name=character.name)
        kind = "slogan"
    else:
        told = words(
            "borrowed", name=character.name, topic=attach(character.name, "은"), learned=learned
        )
        kind = "borrowed"
    other = "en" if words.language == "ko" else "ko"
    dead = "" if tab.session.can_undo else " disabled"
    buttons = (
        f'<button data-act="new">{words("new")}</button>'
        f'<button data-act="undo"{dead}>{words("undo")}</button>'
        f'<button data-do="speech" data-on="{words("speech_on")}" data-off="{words("speech")}">'
        f"{words('speech')}</button>"
        f'<button data-do="language" data-to="{other}">{words("language")}</button>'
        f'<button data-do="settings">{words("settings")}</button>'
    )
    return (
        f'<header class="who"><img src="{as_data_uri(draw_portrait(character))}" alt="">'
        f'<div><h1>{name}</h1><p class="{kind}">{html.escape(told)}</p></div>'
        f"<nav>{buttons}</nav></header>"
    )


def state_html(tab: Tab, number: int, *, is_busy: bool = False) -> str:
    """What the script must know, and a notice where there is one.

    Args:
        tab: The window.
        number: Differs from call to call, so that the script sees each.
        is_busy: True while a reply comes.
    """
    words, session = tab.words, tab.session
    colours = palette_of(session.character)
    known = {
        "seq": str(number),
        "busy": "1" if is_busy else "",
        "chat": session.chat_id,
        "undo": session.can_undo,
        "refused": "" if is_busy else tab.refused,
        "lang": words.language,
        "placeholder": words("say", name=session.character.name),
        "hint": words("hint"),
        "style": (
            f"--exa-1:{colours.first};--exa-2:{colours.second};--exa-3:{colours.third};"
            f"--exa-on:{colours.on_first}"
        ),
        **{key: words(key) for key in ("send", "stop", "save", "cancel")},
    }
    data = " ".join(f'data-{key}="{_attribute(value)}"' for key, value in known.items())
    notice = "" if is_busy else notice_html(tab.notice, words, can_retry=tab.can_retry)
    return f"<i {data} hidden></i>{notice}"


def file_html(session: Session, content: bytes, kind: str, number: int) -> str:
    """A file that the script hands to the person."""
    name = re.sub(r"[^\w가-힣-]+", "_", session.character.name).strip("_") or "chat"
    ending = ".messages.jsonl" if kind == "messages" else ".jsonl"
    inside = base64.b64encode(content).decode()
    return f'<a hidden data-seq="{number}" data-name="{name}{ending}" data-content="{inside}"></a>'


def _attribute(text: str) -> str:
    return html.escape(text).replace("\n", "&#10;").replace("\r", "&#13;")
