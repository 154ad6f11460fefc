"""``exagirl generate``: dialogues from the teacher."""

from __future__ import annotations

from typing import Annotated

import typer

from exagirl import pipeline
from exagirl.cli.options import DEFAULT_RUNS, RecipeArgument, RunsOption
from exagirl.cli.screen import command_name, make_console, make_watcher
from exagirl.dialogue.outputs import FORMS
from exagirl.recipe import load_recipe


def generate(
    recipe: RecipeArgument,
    runs: RunsOption = DEFAULT_RUNS,
    form: Annotated[
        str, typer.Option("--format", help=f"다른 꼴로도 쓴다: {', '.join(FORMS)}.")
    ] = "",
    batch: Annotated[
        bool, typer.Option("--batch", help="OpenAI 배치 API로 절반 값에 받는다(최대 24시간).")
    ] = False,
    reparse: Annotated[
        bool, typer.Option("--reparse", help="아무에게도 묻지 않고, 받은 답을 다시 읽는다.")
    ] = False,
) -> None:
    """교사에게서 대화를 받는다. 다시 실행하면 남은 것만 받는다."""
    if form and form not in FORMS:
        raise typer.BadParameter(
            f"{', '.join(FORMS)} 가운데 하나여야 합니다.", param_hint="--format"
        )
    if batch and reparse:
        raise typer.BadParameter("--batch와 함께 쓸 수 없습니다.", param_hint="--reparse")
    console = make_console()
    watcher = make_watcher(console)
    job = pipeline.Job(load_recipe(recipe), runs, watcher)
    pipeline.join_run(job)
    try:
        if reparse:
            pipeline.reparse(job)
        elif batch:
            pipeline.generate_in_batches(job)
        else:
            pipeline.generate(job)
        if form:
            for path in pipeline.write_form(job, form):
                console.print(f"썼습니다: {path}", markup=False, soft_wrap=True)
    finally:
        watcher.close()
    console.print(f"끝났습니다: {job.folder.dialogues}", markup=False, soft_wrap=True)
    where = "" if runs == DEFAULT_RUNS else f" --runs {runs}"
    look = f"{command_name()} inspect {job.recipe.name}{where}"
    console.print(f"  [cyan]{look}[/]  [dim]대화의 통계와 그림 보기[/]")
