"""``exagirl export``: a finished run for other programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from exagirl import pipeline
from exagirl.cli.options import DEFAULT_RUNS, RunArgument, RunsOption
from exagirl.cli.screen import make_console, make_watcher
from exagirl.export.choice import ExportChoice


class FormName(StrEnum):
    """What can be made."""

    GGUF = "gguf"
    OLLAMA = "ollama"
    ADAPTER = "adapter"
    VLLM = "vllm"
    MODEL = "model"


class LayoutName(StrEnum):
    """Whose names an adapter's layers bear."""

    LLAMA = "llama"
    EXAONE = "exaone"


def export(
    run: RunArgument,
    to: Annotated[FormName, typer.Option("--to", help="만들 형식.")],
    quant: Annotated[
        list[str] | None,
        typer.Option(
            "--quant",
            help="GGUF의 수 형식: f16, bf16, q8_0(기본), q6_k, q5_k_m, q4_k_m. gguf에서는 여러 번.",
        ),
    ] = None,
    layout: Annotated[
        LayoutName,
        typer.Option(
            "--layout",
            help="adapter와 model의 층 이름. exaone은 EXAONE 3.x가 공개한 코드용이다. transformers "
            "5.24부터 exaone을 Llama로 읽어, 어댑터가 오류 없이 붙지만 다른 값을 계산한다.",
        ),
    ] = LayoutName.LLAMA,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="낯선 파일이 있는 폴더라도 갈아 치운다.")
    ] = False,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """합친 모델을 다른 프로그램의 형식으로 내보낸다: runs/이름/export/형식."""
    console = make_console()
    watcher = make_watcher(console)
    options = ExportChoice(
        form=to.value,
        quants=tuple(quant or ()),
        layout=layout.value,
        overwrite=overwrite,
    )
    try:
        made = pipeline.export(pipeline.find_run(run, runs), options, watcher)
    finally:
        watcher.close()
    for warning in made.warnings:
        console.print(f"[yellow]주의[/] {warning}", soft_wrap=True)
    console.print(f"끝났습니다: {made.folder}", soft_wrap=True)
    for command in made.commands:
        console.print(f"  [cyan]{command}[/]", soft_wrap=True)
