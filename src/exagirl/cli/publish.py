"""``exagirl publish``: a finished run for others, on the Hub or in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exagirl import pipeline
from exagirl.cli.options import DEFAULT_RUNS, JsonOption, RunArgument, RunsOption
from exagirl.cli.screen import is_interactive, make_console, make_watcher
from exagirl.publish.choice import PARTS
from exagirl.publish.faults import PublishError
from exagirl.publish.plan import PublishPlan, folded, shown_size
from exagirl.publish.wish import PublishWish, read_parts

if TYPE_CHECKING:
    from exagirl.publish.hub.published import Published, PublishedRepo

HUB = "hub"
KINDS = {"model": "모델", "dataset": "데이터셋", "space": "Space"}


def publish(  # noqa: PLR0913 (typer reads the options from the arguments)
    run: RunArgument,
    to: Annotated[
        str, typer.Option("--to", metavar="hub|DIR", help="hub, 또는 같은 것을 쓸 폴더.")
    ],
    repo: Annotated[
        str, typer.Option("--repo", metavar="OWNER/NAME", help="모델 저장소의 이름.")
    ] = "",
    parts: Annotated[
        str,
        typer.Option("--parts", help=f"쉼표로 나눈 {', '.join(PARTS)}. 비우면 있는 것 모두."),
    ] = "",
    private: Annotated[
        bool, typer.Option("--private", help="새로 만드는 저장소를 비공개로.")
    ] = False,
    licence: Annotated[
        str,
        typer.Option(
            "--licence", "--license", help="기본 모델의 라이선스. exagirl이 모를 때만 적는다."
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="폴더를 만들어 보이기만 하고 보내지 않는다.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="묻지 않고 올린다.")] = False,
    as_json: JsonOption = False,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """실행을 허브에 올리거나(모델, 어댑터, GGUF, 데이터셋, Space) 같은 것을 폴더에 쓴다.

    무엇이 어디로 가는지 먼저 보이고, --yes나 이름을 쳐서 답하기 전에는 아무것도 보내지 않는다.
    """
    is_hub = to == HUB
    sends = is_hub and not dry_run
    if sends and not yes and (as_json or not is_interactive()):
        raise PublishError(
            "터미널이 아니라서 물어볼 수 없습니다. 올리려면 --yes를, 보기만 하려면 --dry-run을 "
            "붙이세요. 아무것도 보내지 않았습니다."
        )
    if sends:
        pipeline.need_hub()
    wish = _wish(repo, parts, None if is_hub else to).model_copy(
        update={"private": private, "licence": licence}
    )
    console = make_console(stderr=as_json)
    watcher = make_watcher(console)
    published: Published | None = None
    try:
        plan = pipeline.plan_publish(pipeline.find_run(run, runs), wish, watcher)
        if not as_json:
            _show(console, plan)
        if sends:
            if not yes:
                _ask(console, plan)
            published = pipeline.publish(plan, watcher)
    finally:
        watcher.close()
    if as_json:
        typer.echo(json.dumps(_facts(plan, published), ensure_ascii=False, indent=2))
    else:
        _tell(console, plan, published)


def _wish(repo: str, parts: str, folder: str | None) -> PublishWish:
    try:
        chosen = read_parts(parts)
    except ValueError as error:
        raise PublishError(str(error)) from error
    place = Path(folder).expanduser() if folder is not None else None
    return PublishWish(repo=repo, parts=chosen, folder=place)


def _show(console: Console, plan: PublishPlan) -> None:
    for repo in plan.repos:
        goes = f" → {repo.repo}" if plan.to == HUB else f" → {repo.folder}"
        who = " · 비공개" if plan.private else " · 누구나 볼 수 있음"
        title = Text(f"{repo.part} ({KINDS[repo.kind]}){goes}{who if plan.to == HUB else ''}")
        console.print(title, style="bold", soft_wrap=True)
        table = Table(show_header=False, box=None, padding=(0, 1, 0, 2))
        table.add_column(overflow="fold")
        table.add_column(justify="right", no_wrap=True)
        for line in folded(repo.files):
            table.add_row(Text(line.name), shown_size(line.size))
        table.add_row(Text(f"파일 {len(repo.files):,}개", style="dim"), shown_size(repo.size))
        console.print(table)
    facts = [("기본 모델", plan.base), ("라이선스", _licence(plan))]
    facts += [("데이터의 라이선스", plan.data_licence), ("꼬리표", plan.tag)]
    for name, value in facts:
        if value:
            console.print(Text.assemble((f"{name}: ", "dim"), value), soft_wrap=True)
    for warning in plan.warnings:
        console.print(Text.assemble(("주의 ", "yellow"), warning), soft_wrap=True)
    console.print(
        Text.assemble(
            ("모두 ", "dim"),
            (f"{plan.count:,}개, {shown_size(plan.size)}", "bold"),
            (". 비밀과 이 컴퓨터의 경로가 없는지 살펴보았습니다.", "dim"),
        ),
        soft_wrap=True,
    )


def _licence(plan: PublishPlan) -> str:
    return f"{plan.licence} ({plan.licence_link})" if plan.licence_link else plan.licence


def _ask(console: Console, plan: PublishPlan) -> None:
    """Have the person type the repository's name; anything else sends nothing."""
    console.print(
        Text.assemble("올리려면 저장소의 이름을 그대로 치세요: ", (plan.asked_name, "bold cyan")),
        soft_wrap=True,
    )
    try:
        typed = input("> ")
    except EOFError:
        typed = ""
    if typed.strip() != plan.asked_name:
        raise PublishError("이름이 달라 그만두었습니다. 아무것도 보내지 않았습니다.")


def _tell(console: Console, plan: PublishPlan, published: Published | None) -> None:
    if published is None:
        folder = plan.repos[0].folder.parent
        said = "보내지 않았습니다. 폴더" if plan.to == HUB else "끝났습니다"
        console.print(Text(f"{said}: {folder}"), soft_wrap=True)
        return
    for repo in published.repos:
        console.print(Text.assemble((repo.url, "cyan"), f"  {_done(repo)}"), soft_wrap=True)
    if published.collection:
        console.print(Text.assemble("모음: ", (published.collection, "cyan")), soft_wrap=True)


def _done(repo: PublishedRepo) -> str:
    done = [f"파일 {len(repo.files):,}개를 올렸습니다"] if repo.files else []
    if repo.deleted:
        done.append(f"파일 {len(repo.deleted):,}개를 지웠습니다")
    return ", ".join(done) or "그대로입니다"


def _facts(plan: PublishPlan, published: Published | None) -> dict[str, object]:
    return {
        "plan": plan.facts(),
        "published": published.model_dump(mode="json") if published is not None else None,
    }
