"""``exagirl demo``: talk in the browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from exagirl.chat.store import ChatStore
from exagirl.cli.options import DEFAULT_RUNS, RunsOption
from exagirl.cli.screen import make_console
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
from exagirl.errors import ArtifactError, ExagirlError, MissingExtraError
from exagirl.models import CONTEXT_TOKENS, OpenedTalk, TalkChoice, open_talk
from exagirl.persona.character import Character
from exagirl.record import is_file

if TYPE_CHECKING:
    from exagirl.chat.web import Guest

LOOPBACK = "127.0.0.1"
CARDS = "cards"


def demo(  # noqa: PLR0913 (typer reads the options from the arguments)
    name: SpeakerArgument,
    character: CharacterOption = "",
    others: OthersOption = None,
    user: Annotated[str, typer.Option("--user", help="캐릭터가 부를 이름.")] = USER,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="포트.")] = 7860,
    host: Annotated[
        str, typer.Option("--host", help="여는 주소. 0.0.0.0은 이 망의 모두에게 보인다.")
    ] = LOOPBACK,
    model: ModelOption = "",
    api_key_env: KeyOption = "",
    seed: SeedOption = None,
    temperature: TemperatureOption = TEMPERATURE,
    context: ContextOption = CONTEXT_TOKENS,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """브라우저에서 캐릭터와 이야기한다. 말하지 않으면 이 컴퓨터에서만 열린다(127.0.0.1)."""
    if util.find_spec("gradio") is None:
        raise MissingExtraError(
            "브라우저 데모에는 gradio가 필요합니다. pip install 'exagirl[demo]'"
        )
    # Read when gradio is imported: nothing is reported to anybody.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    choice = choice_of(
        character=character,
        others=others,
        model=model,
        api_key_env=api_key_env,
        seed=seed,
        temperature=temperature,
        context=context,
    )
    console = make_console()
    with console.status("모델을 읽고 있어요…"):
        opened = open_talk(name, runs, choice)
        guests = list(_guests(opened, choice, name, runs))
    _serve(opened, guests, user, host, port)


def _serve(opened: OpenedTalk, guests: list[Guest], user: str, host: str, port: int) -> None:
    from exagirl.chat.web import build_page, serving_options

    console = make_console()
    with ChatStore(opened.chats) as store:
        cards = opened.chats.parent / CARDS
        page = build_page(opened.session(user), store=store, cards=cards, guests=guests)
        console.print(f"[cyan]http://{host}:{port}[/] 을 여세요. 끝내려면 Ctrl-C.")
        if host != LOOPBACK:
            console.print(
                f"[yellow]{host}: 이 망의 누구나 이 페이지와 저장된 대화를 볼 수 있습니다.[/]"
            )
        try:
            page.queue().launch(server_name=host, server_port=port, **serving_options())
        except OSError as error:
            raise ArtifactError(
                f"{host}:{port}을 열 수 없습니다({error}). 다른 번호를 쓰세요: --port {port + 1}"
            ) from error


def _guests(opened: OpenedTalk, choice: TalkChoice, name: str, runs: Path) -> Iterator[Guest]:
    """Who was named, with the pictures of their cards or beside their YAML files."""
    from exagirl.chat.web import Guest

    mine = [choice.character] if choice.character else _beside(name, runs)
    yield Guest(opened.character, _portrait(mine, opened.character))
    for member, source in zip(opened.others, choice.others, strict=True):
        yield Guest(member.character, _portrait([source], member.character))


def _beside(name: str, runs: Path) -> list[str]:
    """Where the character of a run or a model folder may stand."""
    folders = [runs / name, Path(name), Path(name).parent]
    return [str(folder.expanduser() / "character.yaml") for folder in folders]


def _portrait(sources: list[str], character: Character) -> bytes:
    """The picture of the first of these files that has one; else nothing: one is drawn."""
    from exagirl.chat.web.picture import as_portrait
    from exagirl.persona.card_picture import picture_of

    for source in sources:
        path = Path(source).expanduser()
        try:
            if is_file(path) and (picture := picture_of(path, character)):
                return as_portrait(picture)
        except ExagirlError as error:
            make_console().print(f"[yellow]{path}: 그림을 쓸 수 없어 새로 그립니다({error})[/]")
    return b""
