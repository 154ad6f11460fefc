"""``exagirl run``: the whole way."""

from __future__ import annotations

from pathlib import Path

from exagirl.cli.options import DEFAULT_RUNS, RecipeArgument, RunsOption
from exagirl.cli.report import print_conversation, print_evaluation
from exagirl.cli.screen import command_name, make_console, make_watcher
from exagirl.evaluation.report.write import REPORT
from exagirl.pipeline import Job, run_recipe
from exagirl.recipe import load_recipe


def run(recipe: RecipeArgument, runs: RunsOption = DEFAULT_RUNS) -> None:
    """캐릭터에서 대화까지 한 번에 만든다. 끝난 단계는 다시 하지 않는다."""
    console = make_console()
    watcher = make_watcher(console)
    loaded = load_recipe(recipe)
    job = Job(loaded, runs, watcher)
    name = loaded.character.name
    console.print(f"[bold magenta]{name}[/] [dim]{loaded.recipe.name} → {job.folder.root}[/]")
    try:
        report = run_recipe(job)
    finally:
        watcher.close()
    console.print()
    print_evaluation(console, report.evaluation)
    page = (job.folder.evaluation / REPORT).resolve().as_uri()
    console.print(f"[dim]자세한 보고서: {page}[/]", soft_wrap=True)
    console.print()
    print_conversation(console, report.sample, {"user": "민준", "assistant": name})
    console.print("\n[bold]이제 할 수 있는 것[/]")
    exagirl = command_name()
    where = "" if runs == DEFAULT_RUNS else f" --runs {_quoted(runs)}"
    run_name = loaded.recipe.name
    for command, what in (
        (f"{exagirl} chat {run_name}{where}", f"터미널에서 {name}와 이야기하기"),
        (f"{exagirl} demo {run_name}{where}", "브라우저에서 이야기하기"),
        (f"{exagirl} init my-character", "내 캐릭터 만들기"),
    ):
        console.print(f"  [cyan]{command}[/]  [dim]{what}[/]")


def _quoted(path: Path) -> str:
    return f"'{path}'" if " " in str(path) else str(path)
