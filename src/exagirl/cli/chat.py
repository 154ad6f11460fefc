"""``exagirl chat``: talk in the terminal."""

from __future__ import annotations

from datetime import datetime
from threading import Event
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from exagirl.chat.markup import ActionStream
from exagirl.chat.session import Session
from exagirl.cli.options import DEFAULT_RUNS, RunArgument, RunsOption
from exagirl.cli.report import styled
from exagirl.cli.screen import is_interactive, make_console
from exagirl.errors import ExagirlError
from exagirl.korean.normalise import normalise
from exagirl.pipeline import find_run, open_chat

HELP = "[dim]/quit 끝내기 · Ctrl-C 답 멈추기 · 그냥 쓰고 Enter[/]"
MAX_CHARS = 4000


def chat(
    run: RunArgument,
    user: Annotated[str, typer.Option("--user", help="캐릭터가 부를 이름.")] = "친구",
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """터미널에서 캐릭터와 이야기한다."""
    console = make_console()
    folder = find_run(run, runs)
    with console.status("모델을 읽고 있어요…"):
        session = open_chat(folder, user=user)
    name = session.character.name
    console.print(f"[bold magenta]{name}[/]  {HELP}")
    if greeting := session.greeting():
        console.print(Text(f"{name}: ", style="bold magenta") + styled(greeting))
    path = folder.chats / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}.jsonl"
    try:
        _talk(console, session)
    finally:
        if session.turns:
            session.save(path)
            console.print(f"[dim]대화를 남겼습니다: {path}[/]", soft_wrap=True)


def _talk(console: Console, session: Session) -> None:
    prompt = Text(f"{session.user}: ", style="bold cyan") if is_interactive() else Text()
    while True:
        try:
            text = normalise(console.input(prompt)).strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            console.print("\n[dim]끝내려면 /quit 또는 Ctrl-D를 누르세요.[/]")
            continue
        if text == "/quit":
            return
        if text.startswith("/"):
            console.print(HELP)
        elif len(text) > MAX_CHARS:
            console.print(
                f"[yellow]{len(text):,}자는 너무 길어요. {MAX_CHARS:,}자까지 보낼 수 있어요.[/]"
            )
        elif text:
            _answer(console, session, text)


def _answer(console: Console, session: Session, text: str) -> None:
    stop, styles = Event(), ActionStream()
    console.print(Text(f"{session.character.name}: ", style="bold magenta"), end="")
    reply = session.say(text, stop)
    try:
        for piece in reply:
            for span in styles.feed(piece):
                style = "italic dim" if span.is_action else ""
                console.print(Text(span.text, style=style), end="", soft_wrap=True)
        console.print()
    except KeyboardInterrupt:
        stop.set()
        reply.close()  # type: ignore[attr-defined]
        console.print(" [dim](멈춤)[/]")
    except ExagirlError as error:
        console.print(f"\n[red]{error}[/] 다시 말을 걸어 보세요.", soft_wrap=True)
