"""Arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="레시피 파일, 폴더, 또는 내장 레시피의 이름.")
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="실행의 이름 또는 폴더.")]
RunsOption = Annotated[Path, typer.Option("--runs", help="실행 폴더들이 사는 곳.")]
JsonOption = Annotated[bool, typer.Option("--json", help="기계가 읽을 JSON으로 쓴다.")]
DEFAULT_RUNS = Path("runs")
