"""``exagirl train | merge``: one stage of the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from exagirl import pipeline
from exagirl.cli.options import DEFAULT_RUNS, RecipeArgument, RunsOption
from exagirl.cli.screen import make_console, make_watcher
from exagirl.progress import Nobody
from exagirl.recipe import load_recipe
from exagirl.training.launched import is_follower


def train(recipe: RecipeArgument, runs: RunsOption = DEFAULT_RUNS) -> None:
    """데이터셋을 만들고 모든 단계를 차례로 학습한다.

    GPU가 여러 장이면: torchrun --nproc-per-node 2 -m exagirl train 레시피
    """
    if is_follower():
        # The first process holds the folder's lock, writes, and speaks for all.
        pipeline.train(pipeline.Job(load_recipe(recipe), runs, Nobody()))
        return
    _stage(recipe, runs, pipeline.train)


def merge(
    recipe: RecipeArgument,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="다른 것이 든 model 폴더도 갈아 치운다.")
    ] = False,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """어댑터를 기본 모델에 합치고, 합친 모델이 같은 답을 내는지 확인한다."""
    _stage(recipe, runs, partial(pipeline.merge, overwrite=overwrite))


def _stage(recipe: str, runs: Path, work: Callable[[pipeline.Job], Any]) -> None:
    console = make_console()
    watcher = make_watcher(console)
    job = pipeline.Job(load_recipe(recipe), runs, watcher)
    try:
        with job.folder.locked():
            pipeline.write_recipe(job)
            work(job)
    finally:
        watcher.close()
    console.print(f"끝났습니다: {job.folder.root}", soft_wrap=True)
