"""``exagirl demo``: talk in the browser."""

from __future__ import annotations

from importlib import util
from typing import Annotated

import typer

from exagirl.chat.session import Session
from exagirl.cli.options import DEFAULT_RUNS, RunArgument, RunsOption
from exagirl.cli.screen import make_console
from exagirl.errors import ArtifactError, MissingExtraError
from exagirl.pipeline import find_run, open_chat


def demo(
    run: RunArgument,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="포트.")] = 7860,
    user: Annotated[str, typer.Option("--user", help="캐릭터가 부를 이름.")] = "친구",
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """브라우저에서 캐릭터와 이야기한다. 이 컴퓨터에서만 열린다(127.0.0.1)."""
    if util.find_spec("gradio") is None:
        raise MissingExtraError(
            "브라우저 데모에는 gradio가 필요합니다. pip install 'exagirl[demo]'"
        )
    from exagirl.chat.web import build_page, page_style

    console = make_console()
    folder = find_run(run, runs)
    with console.status("모델을 읽고 있어요…"):
        first = open_chat(folder, user=user)
    page = build_page(lambda: Session(first.character, first.backend, user=user))
    console.print(f"[cyan]http://127.0.0.1:{port}[/] 을 여세요. 끝내려면 Ctrl-C.")
    try:
        page.queue(default_concurrency_limit=1).launch(
            server_name="127.0.0.1",
            server_port=port,
            css=page_style(),
            quiet=True,
            footer_links=[],
        )
    except OSError as error:
        raise ArtifactError(
            f"127.0.0.1:{port}을 열 수 없습니다({error}). 다른 번호를 쓰세요: --port {port + 1}"
        ) from error
