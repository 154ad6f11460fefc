"""The character in the browser: a small Gradio page with our own renderer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import resources
from threading import Event
from typing import Any

import gradio

from exagirl.chat.markup import as_html
from exagirl.chat.session import Session
from exagirl.errors import ExagirlError

MAX_CHARS = 4000


class Talk:
    """One browser tab: its session, and the event that stops a running reply."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.stop = Event()


def render(session: Session, asked: str = "", reply: str = "") -> str:
    """The conversation as HTML; everything but ``*actions*`` is shown as typed."""
    rows = [("assistant", session.greeting())] if session.greeting() else []
    rows += [(turn.role, turn.shown) for turn in session.turns]
    if asked:
        rows += [("user", asked), ("assistant", reply or "…")]
    bubbles = "".join(
        f'<div class="turn {role}"><div class="bubble">{as_html(text)}</div></div>'
        for role, text in rows
    )
    return f'<div class="talk" role="log" aria-live="polite">{bubbles}</div>'


def build_page(open_session: Callable[[], Session]) -> Any:
    """The page; every visitor gets a session of their own.

    Args:
        open_session: Makes a session; the model behind it may be shared.
    """
    first = open_session()
    name = first.character.name
    with gradio.Blocks(title=f"{name} · exagirl", analytics_enabled=False) as page:
        talk = gradio.State(None)
        gradio.HTML(f'<h1 class="who">{as_html(name)}</h1>')
        view = gradio.HTML(render(first))
        box = gradio.Textbox(
            placeholder=f"{name}에게 말을 걸어 보세요",
            show_label=False,
            max_length=MAX_CHARS,
            autofocus=True,
            elem_id="say",
        )
        with gradio.Row():
            send = gradio.Button("보내기", variant="primary", elem_id="send")
            halt = gradio.Button("멈추기", elem_id="stop")
            fresh = gradio.Button("새 대화", elem_id="new")

        def answer(text: str, current: Talk | None) -> Iterator[tuple[str, str, Talk]]:
            current = current or Talk(open_session())
            yield from _answer(text, current)

        def halt_reply(current: Talk | None) -> None:
            if current is not None:
                current.stop.set()

        def start_over() -> tuple[str, Talk]:
            opened = Talk(open_session())
            return render(opened.session), opened

        for trigger in (send.click, box.submit):
            trigger(answer, [box, talk], [view, box, talk], concurrency_limit=1)
        halt.click(halt_reply, [talk], None, queue=False)
        fresh.click(start_over, None, [view, talk])
    return page


def _answer(text: str, current: Talk) -> Iterator[tuple[str, str, Talk]]:
    session = current.session
    if not text.strip():
        yield render(session), "", current
        return
    current.stop = Event()
    reply = ""
    yield render(session, text), "", current
    try:
        for piece in session.say(text, current.stop):
            reply += piece
            yield render(session, text, reply), "", current
    except ExagirlError as error:
        gradio.Warning(f"{error} 다시 말을 걸어 보세요.")
    yield render(session), "", current


def page_style() -> str:
    """The page's stylesheet."""
    return (resources.files("exagirl.chat") / "web.css").read_text("utf-8")
