"""``exagirl chat``: talk in the terminal."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from exagirl.chat.session import ChatError
from exagirl.chat.store import ChatStore, ChatSummary
from exagirl.cli.chat_commands import find, names
from exagirl.cli.chat_line import LineReader, quiet_keys
from exagirl.cli.chat_show import local_time, print_chats, told_of
from exagirl.cli.chat_talk import MINE, THEIRS, Talk
from exagirl.cli.options import DEFAULT_RUNS, RunsOption
from exagirl.cli.screen import command_name, is_interactive, make_console
from exagirl.cli.talk_options import (
    TEMPERATURE,
    USER,
    CharacterOption,
    ContextOption,
    KeyOption,
    ModelOption,
    OthersOption,
    SeedOption,
    SpeakerArgument,
    TemperatureOption,
    choice_of,
)
from exagirl.errors import ExagirlError
from exagirl.korean.normalise import normalise
from exagirl.models import CONTEXT_TOKENS, chats_of, open_talk

LAST = "last"
SHOWN_AGAIN = 6
SHORTEST_ID = 6
"""Fewer digits are a place in the list."""


def chat(  # noqa: PLR0913 (typer reads the options from the arguments)
    name: SpeakerArgument,
    which: Annotated[
        str, typer.Argument(metavar="[ID]", help="--resume이 이을 대화의 번호.", show_default=False)
    ] = "",
    character: CharacterOption = "",
    others: OthersOption = None,
    user: Annotated[
        str, typer.Option("--user", help="캐릭터가 부를 이름.", show_default=USER)
    ] = "",
    resume: Annotated[
        bool, typer.Option("--resume/--new", help="지난 대화를 잇는다. ID가 없으면 마지막 것.")
    ] = False,
    lists: Annotated[bool, typer.Option("--list", help="남긴 대화를 늘어놓고 끝낸다.")] = False,
    model: ModelOption = "",
    api_key_env: KeyOption = "",
    seed: SeedOption = None,
    temperature: TemperatureOption = TEMPERATURE,
    context: ContextOption = CONTEXT_TOKENS,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """터미널에서 캐릭터와 이야기한다. 늘 새 대화로 시작하고, --resume이 지난 대화를 잇는다."""
    console = make_console()
    chats = chats_of(name, runs)
    if lists:
        _list(console, chats)
        return
    wanted = _wanted(chats, which) if which else LAST if resume else ""
    choice = choice_of(
        character=character,
        others=others,
        model=model,
        api_key_env=api_key_env,
        seed=seed,
        temperature=temperature,
        context=context,
    )
    with quiet_keys():
        with console.status("모델을 읽고 있어요…"):
            opened = open_talk(name, runs, choice)
        reader = LineReader(has_colours=console.color_system is not None, commands=names())
        talk = Talk(console, reader, opened, opened.session(user or USER))
        try:
            _open(talk, wanted, user)
            _hold(talk)
        finally:
            talk.close()
            if talk.session.chat_id and talk.session.turns:
                talk.tell(f"대화를 남겼습니다: {talk.chats}", is_whole=True)
                where = [] if runs == DEFAULT_RUNS else ["--runs", str(runs)]
                rest = shlex.join(["chat", name, *where, "--resume"])
                talk.tell(f"이으려면: {command_name()} {rest}", is_whole=True)


def _list(console: Console, chats: Path) -> None:
    if not chats.is_file():
        console.print("아직 남긴 대화가 없습니다.")
        return
    with ChatStore(chats) as store:
        print_chats(console, store.chats())


def _wanted(chats: Path, which: str) -> str:
    """The whole number of a chat that is named by its place in the list or how it begins.

    Raises:
        ChatError: None, or several, are named so.
    """
    known: tuple[ChatSummary, ...] = ()
    if chats.is_file():
        with ChatStore(chats) as store:
            known = store.chats()
    if which.isdecimal() and len(which) < SHORTEST_ID:
        fitting = [one.id for one in known[int(which) - 1 : int(which)] if int(which)]
    else:
        fitting = [one.id for one in known if one.id.startswith(which)]
    if len(fitting) == 1:
        return fitting[0]
    raise ChatError(
        f"'{which}'번 대화가 없습니다. 남긴 대화는 {len(known)}개입니다. --list로 번호를 보세요."
    )


def _open(talk: Talk, wanted: str, user: str) -> None:
    """Say who is here, and go on with an earlier talk where that is wanted."""
    console, session = talk.console, talk.session
    title = Text(" · ".join(session.cast), style=THEIRS)
    console.print(title + Text(f"  {talk.opened.label}", style="dim not bold"), soft_wrap=True)
    talk.tell("/도움말 · Ctrl-C 답 멈추기 · Ctrl-D 끝내기")
    earlier = _earlier(talk)
    if wanted == LAST:
        wanted = earlier[0].id if earlier else ""
        if not wanted:
            talk.tell("이을 대화가 없어 새로 시작합니다.")
    if not wanted:
        if earlier:
            last = earlier[0]
            told = f"{local_time(last.updated)} {told_of(last)}".rstrip()
            talk.tell(f"새 대화입니다. 지난 대화({told})를 이으려면 --resume")
        console.print()
        talk.show_greeting()
        return
    session.resume(talk.store, wanted)
    if user and user != session.user:
        session.rename_user(user)
    count = len(session.turns)
    talk.tell(
        f"이어서 합니다. 지금까지 {count:,}마디." + " 앞의 것은 /보기" * (count > SHOWN_AGAIN)
    )
    console.print()
    if count <= SHOWN_AGAIN:
        talk.show_greeting()
    talk.show_last(SHOWN_AGAIN)
    talk.reader.remember(turn.raw for turn in session.turns if turn.role == "user")
    if session.unsent:
        talk.tell(f"답을 받지 못한 말이 있습니다: {session.unsent} (/다시)")


def _earlier(talk: Talk) -> list[ChatSummary]:
    """Chats with the same characters, the last first."""
    if not talk.chats.is_file():
        return []
    return [one for one in talk.store.chats() if one.cast == talk.session.cast and one.turns]


def _hold(talk: Talk) -> None:
    was_interrupted = False
    while True:
        try:
            text = normalise(talk.reader.read(f"{talk.session.user}: ", MINE)).strip()
            was_interrupted = False
            _take(talk, text)
        except EOFError:
            if is_interactive():
                talk.console.print()
            return
        except KeyboardInterrupt:
            if was_interrupted:
                talk.console.print()
                return
            was_interrupted = True
            talk.console.print()
            talk.tell("끝내려면 Ctrl-C를 한 번 더, 또는 Ctrl-D를 누르세요.")
        except ExagirlError as error:
            talk.fail(error)


def _take(talk: Talk, text: str) -> None:
    """A line: something to say, or something to do."""
    if not text:
        return
    if not text.startswith("/"):
        talk.say(text)
        return
    if text.startswith("//"):
        talk.say(text[1:])
        return
    name, _, rest = text[1:].partition(" ")
    command = find(name)
    if command is None:
        talk.tell(f"/{name}: 모르는 명령입니다. /도움말 에 모두 있습니다. 그대로 말하려면 /{text}")
        return
    command.run(talk, rest.strip())
