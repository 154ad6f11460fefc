"""``exagirl demo``: talk in the browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from exagirl.chat.room import MAX_CAST
from exagirl.chat.session import ChatError
from exagirl.chat.store import ChatStore
from exagirl.chatmodel.sampling import Sampling
from exagirl.cli.options import DEFAULT_RUNS, RunsOption
from exagirl.cli.screen import make_console
from exagirl.errors import ArtifactError, ExagirlError, MissingExtraError
from exagirl.models import CONTEXT_TOKENS, OpenedTalk, TalkChoice, open_talk
from exagirl.persona.character import Character
from exagirl.record import is_file

if TYPE_CHECKING:
    from exagirl.chat.web import Guest

LOOPBACK = "127.0.0.1"
CARDS = "cards"
USER = "친구"


def demo(  # noqa: PLR0913 (typer reads the options from the arguments)
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUN|MODEL|URL",
            help="실행, 모델 폴더, GGUF 파일, 또는 OpenAI 호환 주소(http://…/v1).",
        ),
    ],
    character: Annotated[
        str, typer.Option("--character", help="누구와: 내장 이름, YAML, 카드. 남의 모델에 쓴다.")
    ] = "",
    others: Annotated[
        list[str] | None, typer.Option("--with", help="한 방에 더 부를 캐릭터. 셋까지 되풀이.")
    ] = None,
    user: Annotated[str, typer.Option("--user", help="캐릭터가 부를 이름.")] = USER,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="포트.")] = 7860,
    host: Annotated[
        str, typer.Option("--host", help="여는 주소. 0.0.0.0은 이 망의 모두에게 보인다.")
    ] = LOOPBACK,
    model: Annotated[str, typer.Option("--model", help="주소 뒤의 모델 이름.")] = "",
    api_key_env: Annotated[
        str, typer.Option("--api-key-env", help="주소에 쓸 키가 든 환경 변수.")
    ] = "",
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="같은 씨앗이면 같은 답.")
    ] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0, max=2, help="높을수록 자유롭게.")
    ] = Sampling().temperature,
    context: Annotated[
        int, typer.Option("--context", min=256, help="글과 답을 합친 길이(토큰), 많아도.")
    ] = CONTEXT_TOKENS,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """브라우저에서 캐릭터와 이야기한다. 말하지 않으면 이 컴퓨터에서만 열린다(127.0.0.1)."""
    if util.find_spec("gradio") is None:
        raise MissingExtraError(
            "브라우저 데모에는 gradio가 필요합니다. pip install 'exagirl[demo]'"
        )
    if len(others or ()) >= MAX_CAST:
        raise ChatError(f"한 방에는 {MAX_CAST}명까지 들어올 수 있습니다. --with는 셋까지입니다.")
    # Read when gradio is imported: nothing is reported to anybody.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    choice = TalkChoice(
        character=character,
        others=tuple(others or ()),
        model=model,
        api_key_env=api_key_env,
        context_tokens=context,
        sampling=Sampling(seed=seed, temperature=temperature),
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
