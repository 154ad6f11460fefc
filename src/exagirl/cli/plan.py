"""``exagirl plan``: what ``generate`` would do; nobody is asked."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from exagirl import pipeline
from exagirl.cli.options import DEFAULT_RUNS, JsonOption, RecipeArgument, RunsOption
from exagirl.cli.screen import make_console, make_watcher
from exagirl.dialogue.estimate import Estimate
from exagirl.dialogue.generate import topic_names
from exagirl.recipe import load_recipe


def plan(
    recipe: RecipeArgument,
    runs: RunsOption = DEFAULT_RUNS,
    show: Annotated[
        str,
        typer.Option(
            "--show", metavar="SLOT", help="한 자리의 지시문을 보인다. 예: exa-data/daily/0000"
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """교사에게 무엇을 몇 번 물을지, 얼마가 들지 미리 본다. 아무에게도 묻지 않는다."""
    console = make_console()
    job = pipeline.Job(load_recipe(recipe), runs, make_watcher(console))
    if show:
        for message in pipeline.show_prompt(job, show):
            console.print(f"[bold cyan]{message.role}[/]")
            console.print(message.content, markup=False, soft_wrap=True)
        return
    found = pipeline.plan(job)
    if as_json:
        typer.echo(json.dumps(_facts(found), ensure_ascii=False, indent=2))
    else:
        _print(console, found, job.recipe.teacher.model or job.recipe.teacher.kind)


def _facts(found: Estimate) -> dict[str, Any]:
    return {
        "slots": len(found.slots),
        "filled": found.filled,
        "topics": [
            {"subset": subset, "topic": topic, "dialogues": count}
            for (subset, topic), count in found.topics().items()
        ],
        "turns": {str(turns): count for turns, count in sorted(found.turns().items())},
        "requests": found.requests,
        "prompt_tokens": found.prompt_tokens,
        "completion_tokens": found.completion_tokens,
        "dollars": found.dollars,
    }


def _print(console: Console, found: Estimate, teacher: str) -> None:
    names = topic_names()
    for subset, group in groupby(found.topics().items(), key=lambda item: item[0][0]):
        topics = list(group)
        total = sum(count for _, count in topics)
        table = Table(title=f"{subset} {total:,}편", title_justify="left", show_header=False)
        for _ in range(2):
            table.add_column(overflow="fold")
            table.add_column(justify="right")
        half = (len(topics) + 1) // 2
        cells = [(names.get(topic, topic), f"{count:,}") for (_, topic), count in topics]
        for at in range(half):
            right = cells[half + at] if half + at < len(cells) else ("", "")
            table.add_row(*cells[at], *right)
        console.print(table)
    turns = ", ".join(f"{turns}번 {count:,}편" for turns, count in sorted(found.turns().items()))
    console.print(f"한쪽이 말하는 횟수: {turns}", soft_wrap=True)
    if found.filled:
        console.print(f"저널에 이미 있는 대화: {found.filled:,}편 (다시 묻지 않습니다)")
    console.print(
        f"{teacher}에게 보낼 요청: {found.requests:,}건, 입력 약 {found.prompt_tokens:,}토큰, "
        f"출력 약 {found.completion_tokens:,}토큰",
        soft_wrap=True,
    )
    if found.dollars is None:
        console.print("[yellow]값을 모르는 모델입니다. teacher.price에 적으면 돈도 셉니다.[/]")
    elif found.dollars:
        console.print(
            f"[bold]예상 비용 ${found.dollars:.2f}[/] [dim](--batch는 절반. 검사에서 떨어져 다시 "
            "받는 답은 빼고)[/]",
            soft_wrap=True,
        )
    else:
        console.print("비용 없음")
