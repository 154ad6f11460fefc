"""The head of the page, and what its script must know."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence

from exagirl.chat.session import Session
from exagirl.chat.web.portrait import palette_of
from exagirl.chat.web.render import notice_html
from exagirl.chat.web.state import Tab
from exagirl.chat.web.words import Words
from exagirl.korean.particles import attach


def who_html(tab: Tab, learned: str) -> str:
    """Who is talked to, honestly, and the buttons of the whole talk."""
    words, cast = tab.words, tab.session.cast
    faces = [tab.cast.face(character) for character in tab.room]
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
    pictures = "".join(f'<img src="{face}" alt="">' for face in faces)
    names = " · ".join(html.escape(name) for name in cast)
    return (
        f'{_faces_style(faces)}<header class="who"><div class="faces">{pictures}</div>'
        f'<div class="names"><h1>{names}</h1>{_told(tab, learned)}</div>'
        f"<nav>{buttons}</nav></header>"
    )


def _faces_style(faces: Sequence[str]) -> str:
    """The pictures of a room once for all bubbles; each address is of our own making."""
    if len(faces) < 2:
        return ""
    rules = "".join(f".face-{at}{{background-image:url({face})}}" for at, face in enumerate(faces))
    return f"<style>{rules}</style>"


def _told(tab: Tab, learned: str) -> str:
    """What is said of who speaks; nobody passes for one that the model learned."""
    words, cast = tab.words, tab.session.cast
    if cast == (learned,):
        told = tab.session.character.slogan or words("learned", name=learned)
        return f'<p class="slogan">{html.escape(told)}</p>'
    if len(cast) > 1:
        told = words("borrowed_room", learned=learned)
    else:
        told = words("borrowed", name=cast[0], topic=attach(cast[0], "은"), learned=learned)
    return f'<p class="borrowed">{html.escape(told)}</p>'


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
        "placeholder": _placeholder(session, words),
        "hint": words("hint"),
        "style": (
            f"--exa-1:{colours.first};--exa-2:{colours.second};--exa-3:{colours.third};"
            f"--exa-on:{colours.on_first};--exa-day:{colours.ink_by_day};"
            f"--exa-night:{colours.ink_by_night}"
        ),
        **{key: words(key) for key in ("send", "stop", "save", "cancel", "waiting")},
    }
    data = " ".join(f'data-{key}="{_attribute(value)}"' for key, value in known.items())
    notice = "" if is_busy else notice_html(tab.notice, words, can_retry=tab.can_retry)
    return f"<i {data} hidden></i>{notice}"


def _placeholder(session: Session, words: Words) -> str:
    if len(session.cast) > 1:
        return words("say_room")
    return words("say", name=session.character.name)


def file_html(session: Session, content: bytes, kind: str, number: int) -> str:
    """A file that the script hands to the person."""
    name = re.sub(r"[^\w가-힣-]+", "_", session.character.name).strip("_") or "chat"
    ending = ".messages.jsonl" if kind == "messages" else ".jsonl"
    inside = base64.b64encode(content).decode()
    return f'<a hidden data-seq="{number}" data-name="{name}{ending}" data-content="{inside}"></a>'


def _attribute(text: str) -> str:
    return html.escape(text).replace("\n", "&#10;").replace("\r", "&#13;")
