"""What a conversation looks like from outside: lists, who is there, the exact prompt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exagirl.chat.session import Prompt, Said, Session
from exagirl.chat.store import ChatSummary
from exagirl.evaluation.report.safe import safe

_ROLES = {"system": "시스템", "user": "사용자", "assistant": "캐릭터"}
_COLOURS = {"system": "yellow", "user": "cyan", "assistant": "magenta"}
OPENING_CHARS = 32


def print_chats(console: Console, chats: Sequence[ChatSummary]) -> None:
    """Conversations by the numbers that ``--resume`` takes."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("번호", justify="right")
    table.add_column("마지막", no_wrap=True)
    table.add_column("누구", overflow="fold")
    table.add_column("마디", justify="right")
    table.add_column("무슨 이야기", overflow="fold")
    for number, chat in enumerate(chats, start=1):
        told = "(읽을 수 없음)" if chat.is_damaged else told_of(chat)
        row = (", ".join(chat.cast), f"{chat.turns:,}", told)
        table.add_row(f"{number}", local_time(chat.updated), *(Text(safe(one, 60)) for one in row))
    console.print(table)


def told_of(chat: ChatSummary) -> str:
    """A conversation in a few words."""
    words = " ".join((chat.title or chat.opening).split())
    return words if len(words) <= OPENING_CHARS else f"{words[:OPENING_CHARS]}…"


def local_time(moment: str) -> str:
    """A time of the store on the clock of this place."""
    try:
        return f"{datetime.fromisoformat(moment).astimezone():%m-%d %H:%M}"
    except ValueError:
        return "?"


def print_turns(console: Console, turns: Sequence[Said], session: Session, begin: int) -> None:
    """Turns by the numbers that commands take.

    Args:
        console: Where.
        turns: What is shown.
        session: Whose.
        begin: The number of the first.
    """
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(justify="right", style="dim")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, turn in enumerate(turns, start=begin):
        is_mine = turn.role == "user"
        name = turn.speaker or (session.user if is_mine else session.character.name)
        text = Text(safe(turn.shown, 4000))
        if turn.versions > 1:
            text.append(f" [{turn.version}/{turn.versions}]", "dim")
        table.add_row(f"{number}", Text(safe(name, 40), "cyan" if is_mine else "magenta"), text)
    console.print(table)


def print_who(console: Console, session: Session, label: str) -> None:
    """Who is here, and what else the characters are told."""
    setting = session.setting
    rows = [
        ("캐릭터", ", ".join(session.cast)),
        ("모델", label),
        ("나", f"{session.user}" + (f" ({setting.persona})" if setting.persona else "")),
        (
            "작가 노트",
            f"{setting.note.text} (끝에서 {setting.note.depth})" * bool(setting.note.text),
        ),
        *((f"고정 {at}", pin) for at, pin in enumerate(setting.pins, start=1)),
        ("기억", "\n".join(fact for memory in session.memories for fact in memory.facts)),
        ("첫인사", f"{setting.greeting + 1}번 (모두 {len(session.character.greetings)}개)"),
        ("되돌릴 것", session.can_undo),
    ]
    _print_rows(console, rows)


def print_prompt(console: Console, prompt: Prompt) -> None:
    """What the model would be given, word for word, and what it would not."""
    for message in prompt.messages:
        role = message["role"]
        console.print(Text(f"── {_ROLES[role]}", style=_COLOURS[role]))
        console.print(Text(message["content"]), soft_wrap=False)
    rows = [
        ("토큰", f"{prompt.tokens:,} / {prompt.budget:,}"),
        ("마디", f"{len(prompt.kept):,}개 들어감, {len(prompt.left_out):,}개 밀려남"),
        ("로어북", ", ".join(prompt.lore)),
        ("빠진 로어북", ", ".join(prompt.lore_left_out)),
        ("떠올린 기억", "\n".join(prompt.recalled)),
        ("자리가 없어 빠짐", "\n".join(prompt.blocks_left_out)),
    ]
    if prompt.is_baked:
        rows.append(("시스템", "모델의 대화 틀에 들어 있음"))
    console.rule(style="dim")
    _print_rows(console, rows)


def _print_rows(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(name, Text(safe(value, 4000)))
    console.print(table)
