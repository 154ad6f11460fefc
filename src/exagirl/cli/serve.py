"""``exagirl serve``: the character as an OpenAI-compatible HTTP API."""

from __future__ import annotations

import re
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from exagirl.artifact import read_manifest
from exagirl.chat.server.faults import ServeError
from exagirl.cli.options import DEFAULT_RUNS, RunsOption
from exagirl.cli.screen import make_console
from exagirl.errors import MissingExtraError
from exagirl.job import find_run, need, need_train_extra
from exagirl.korean.particles import fill_placeholders
from exagirl.persona.character import Character, load_character, read_character

if TYPE_CHECKING:
    from exagirl.chat.filling import Fill
    from exagirl.chat.server.backend import Backend
    from exagirl.chat.server.options import ServeOptions

SERVE_MODULES = ("fastapi", "uvicorn")


class _Found(NamedTuple):
    """What the argument named."""

    place: Path | str
    """A folder, a file, or an address."""
    name: str
    """What requests call it; of an address it is known once that was asked."""
    character: Character | None


class _Behind(NamedTuple):
    """What is told of a model behind an address."""

    model: str
    key_env: str


def serve(  # noqa: PLR0913 (typer reads the options from the arguments)
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUN|MODEL|URL",
            help="실행, 모델 폴더, GGUF 파일, 또는 OpenAI 호환 주소(http://…/v1).",
        ),
    ],
    host: Annotated[str, typer.Option("--host", help="여는 주소.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="포트.")] = 8000,
    api_key_env: Annotated[
        str | None,
        typer.Option("--api-key-env", help="손님이 낼 키가 든 환경 변수. 비우면 EXAGIRL_API_KEY."),
    ] = None,
    character: Annotated[
        str, typer.Option("--character", help="누구로: 내장 이름, YAML, 카드. 남의 모델에 쓴다.")
    ] = "",
    model: Annotated[str, typer.Option("--model", help="주소 뒤의 모델 이름.")] = "",
    upstream_key_env: Annotated[
        str, typer.Option("--upstream-key-env", help="주소에 쓸 키가 든 환경 변수.")
    ] = "",
    slots: Annotated[int, typer.Option("--slots", min=1, max=256, help="함께 만드는 답의 수.")] = 8,
    max_queue: Annotated[
        int, typer.Option("--max-queue", min=0, help="차례를 기다릴 수 있는 요청의 수.")
    ] = 64,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, help="답 하나의 한도(토큰).")
    ] = 1024,
    user: Annotated[
        str, typer.Option("--user", help="{유저} 자리에 넣을 이름. ''이면 그대로 둔다.")
    ] = "친구",
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="더 받을 Host 이름. 앞에 프록시가 있을 때 쓴다."),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option("--cors", help="브라우저에서 부를 수 있는 출처. 여러 번 쓸 수 있다."),
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """OpenAI와 같은 형식의 HTTP API로 캐릭터를 연다. 이 컴퓨터에서만 열린다(127.0.0.1)."""
    _need_serve_extra()
    from exagirl.chat.server.keys import check_host, read_key
    from exagirl.chat.server.options import ServeOptions
    from exagirl.chat.server.running import serve as run_server

    console = make_console()
    key = read_key(api_key_env)
    check_host(host, key)  # before the model is read, which takes longer
    options = ServeOptions(
        host=host,
        port=port,
        api_key=key,
        hosts=tuple(allow_host or ()),
        cors=tuple(cors or ()),
        max_queue=max_queue,
        max_tokens=max_tokens,
    )
    chosen = load_character(character) if character else None
    found = _find(name, runs, _Behind(model, upstream_key_env))
    with console.status("모델을 읽고 있어요…"):
        backend = _open(found, slots, options, _Behind(model, upstream_key_env))
    found = found._replace(name=backend.name, character=chosen or found.character)
    fill = _fill(found, user)

    def tell(url: str) -> None:
        console.print(f"[cyan]{url}/v1[/] · 모델 {found.name}", soft_wrap=True)
        console.print("끝내려면 Ctrl-C. 하던 답은 마칩니다.")

    run_server(backend, options, fill=fill, system=_system(chosen, fill), on_ready=tell)


def _need_serve_extra() -> None:
    missing = [name for name in SERVE_MODULES if util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"API에는 {', '.join(missing)}이(가) 필요합니다. pip install 'exagirl[serve]'"
        )


def _find(wanted: str, runs: Path, behind: _Behind) -> _Found:
    if re.match("https?://", wanted, re.IGNORECASE):
        return _Found(wanted, behind.model, None)
    for option, given in (("--model", behind.model), ("--upstream-key-env", behind.key_env)):
        if given:
            raise ServeError(
                f"{option}은(는) 주소(http://…/v1)를 열 때만 씁니다. {option}을(를) 빼거나 "
                f"{wanted} 대신 주소를 쓰세요."
            )
    path = Path(wanted).expanduser()
    if path.suffix.lower() == ".gguf":
        return _Found(path, path.stem, _character(path.parent))
    if (path / "config.json").is_file():
        name = path.resolve().name
        # A run's model folder is called model; its run's name says more.
        is_of_run = name == "model" and read_manifest(path) is not None
        return _Found(path, path.resolve().parent.name if is_of_run else name, _character(path))
    folder = find_run(wanted, runs)
    need(folder.model, f"exagirl run {folder.root.name}")
    return _Found(folder.model, folder.root.resolve().name, _character(folder.model))


def _character(folder: Path) -> Character | None:
    file = folder / "character.yaml"
    return read_character(file) if file.is_file() else None


def _open(found: _Found, slots: int, options: ServeOptions, behind: _Behind) -> Backend:
    if isinstance(found.place, str):
        from exagirl.chat.server.proxy import ProxyBackend
        from exagirl.chat.url_backend import ChatUrl

        url = ChatUrl(base_url=found.place, model=behind.model, api_key_env=behind.key_env)
        return ProxyBackend.of(url, slots=slots)
    if found.place.suffix.lower() == ".gguf":
        from exagirl.chat.server.gguf import GgufBackend

        return GgufBackend(found.place, name=found.name, slots=slots, sampling=options.sampling)
    need_train_extra()
    from exagirl.chat.server.local import LocalBackend
    from exagirl.chatmodel.local import LocalModel
    from exagirl.chatmodel.local_slots import SlotModel
    from exagirl.training.train import quiet_libraries

    quiet_libraries()
    return LocalBackend(SlotModel.of(LocalModel.load(found.place)), name=found.name, slots=slots)


def _system(character: Character | None, fill: Fill | None) -> str:
    """The character as a system message, for a model that did not learn it."""
    if character is None:
        return ""
    from exagirl.chat.marks import without_marks
    from exagirl.persona.system_prompt import render_system_prompt

    written = render_system_prompt(character)
    return without_marks(fill(written) if fill else written)


def _fill(found: _Found, user: str) -> Fill | None:
    if not user.strip():
        return None
    name = found.character.name if found.character else found.name
    is_close = found.character.speech.intimate if found.character else False

    def fill(text: str) -> str:
        return fill_placeholders(text, user=user.strip(), character=name, intimate=is_close)

    return fill
