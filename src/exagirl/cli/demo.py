"""``exagirl demo``: talk in the browser."""

from __future__ import annotations

import os
from importlib import util
from typing import Annotated

import typer

from exagirl.chat.store import ChatStore
from exagirl.cli.options import DEFAULT_RUNS, RunArgument, RunsOption
from exagirl.cli.screen import make_console
from exagirl.errors import ArtifactError, MissingExtraError
from exagirl.pipeline import find_run, open_chat

LOOPBACK = "127.0.0.1"


def demo(
    run: RunArgument,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="포트.")] = 7860,
    host: Annotated[
        str, typer.Option("--host", help="여는 주소. 0.0.0.0은 이 망의 모두에게 보인다.")
    ] = LOOPBACK,
    user: Annotated[str, typer.Option("--user", help="캐릭터가 부를 이름.")] = "친구",
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
    from exagirl.chat.web import build_page, serving_options

    console = make_console()
    folder = find_run(run, runs)
    with console.status("모델을 읽고 있어요…"):
        first = open_chat(folder, user=user)
    with ChatStore(folder.chats / "chats.sqlite") as store:
        page = build_page(first, store=store, cards=folder.chats / "cards")
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
