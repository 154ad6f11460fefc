"""``exagirl doctor``: what this machine can do, and whether a recipe fits it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from exagirl.cli.options import DEFAULT_RUNS, JsonOption, RunsOption
from exagirl.cli.screen import make_console
from exagirl.dialogue.tally import clock
from exagirl.doctor import diagnose
from exagirl.recipe import load_recipe
from exagirl.training.memory.diagnose import BaseFit, Diagnosis, RecipeFit
from exagirl.training.memory.fit import Advice, parts_of
from exagirl.training.memory.machine import Machine

FELL_SHORT = 1
_VERDICTS = {
    "fits": "[green]들어갑니다[/]",
    "tight": "[yellow]빠듯합니다[/]",
    "no": "[red]안 들어갑니다[/]",
}
_PARTS = {
    "weights": "기본 모델",
    "adapter": "어댑터",
    "gradients": "기울기",
    "optimiser": "옵티마이저(AdamW)",
    "activations": "활성값",
    "logits": "로짓",
    "working": "역전파 작업 공간",
    "gaps": "할당기의 빈틈",
    "program": "파이썬과 라이브러리",
    "total": "모두",
}
_SOURCES = {
    "folder": "모델 폴더의 config.json",
    "cache": "이미 받아 둔 config.json",
    "table": "함께 든 표 (아무것도 받지 않음)",
}


def doctor(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE]", help="레시피. 적으면 메모리와 시간을 어림한다.", show_default=False
        ),
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """이 컴퓨터로 무엇을 할 수 있는지, 레시피가 들어가는지 본다. 안 들어가면 1로 끝난다."""
    found = diagnose(load_recipe(recipe) if recipe else None, runs)
    if as_json:
        typer.echo(json.dumps(_facts(found), ensure_ascii=False, indent=2))
    else:
        _print(make_console(), found)
    if found.recipe is not None and found.recipe.verdict == "no":
        raise typer.Exit(FELL_SHORT)


def _facts(found: Diagnosis) -> dict[str, Any]:
    facts = found.model_dump(mode="json")
    if found.recipe is not None:
        facts["recipe"]["memory"] = parts_of(found.recipe.memory)
        time = found.recipe.time
        facts["recipe"]["time"] |= {"least_s": time.least_s, "expected_s": time.expected_s}
    return facts


def _print(console: Console, found: Diagnosis) -> None:
    _print_machine(console, found.machine)
    if found.bases:
        _print_bases(console, found.bases)
    if found.recipe is not None:
        _print_recipe(console, found.recipe, found.machine)
    if found.unknown_base is not None:
        console.print(
            f"[yellow]{found.unknown_base}은(는) 아직 받지 않았거나 모르는 구조라 메모리와 시간을 "
            "어림할 수 없습니다.[/] 받아 둔 모델 폴더를 training.base에 적으면 알 수 있습니다.",
            soft_wrap=True,
        )


def _print_machine(console: Console, machine: Machine) -> None:
    table = Table(title="이 컴퓨터", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row(
        "시스템", f"{machine.system}, 파이썬 {machine.python}, CPU 코어 {machine.cores}개"
    )
    for device in machine.devices:
        speed = {True: "빠름", False: "느림", None: "모름(torch 없음)"}[device.has_fast_bfloat16]
        table.add_row(
            device.kind,
            f"{device.name}, 메모리 {_size(device.total_bytes)} "
            f"(빈 곳 {_size(device.free_bytes)}), bfloat16 {speed}",
        )
    table.add_row("빈 디스크", _size(machine.disk_free_bytes))
    table.add_row(
        "라이브러리",
        ", ".join(f"{name} {version or '없음'}" for name, version in machine.versions.items()),
    )
    table.add_row(
        "부분 설치",
        "\n".join(
            f"{extra}: {'있음' if not missing else '없음 (' + ', '.join(missing) + ')'}"
            for extra, missing in machine.extras.items()
        ),
    )
    table.add_row(
        "키(환경 변수)",
        ", ".join(
            f"{name} {'있음' if is_set else '없음'}" for name, is_set in machine.keys.items()
        ),
    )
    console.print(table)
    if not machine.has_torch:
        console.print(
            "[yellow]학습에 필요한 train 부분이 설치되지 않았습니다.[/] GPU와 속도는 알 수 없어 주 "
            r"메모리와 float32로 어림합니다. pip install 'exagirl\[train]'",
            soft_wrap=True,
        )


def _print_bases(console: Console, bases: tuple[BaseFit, ...]) -> None:
    table = Table(title="내장 레시피의 기본 모델", title_justify="left")
    table.add_column("모델", no_wrap=True)
    table.add_column("파라미터", justify="right")
    table.add_column("학습")
    table.add_column("대화")
    for base in bases:
        name = base.base.rpartition("/")[2].removesuffix("-Instruct")
        table.add_row(
            f"{name}\n[dim]{base.recipe}[/]",
            _count(base.parameters),
            f"{_size(base.training_bytes)} {_VERDICTS[base.training]}",
            f"{_size(base.chat_bytes)} {_VERDICTS[base.chatting]}",
        )
    console.print(table)


def _print_recipe(console: Console, fit: RecipeFit, machine: Machine) -> None:
    device = machine.devices[0]
    table = Table(title=f"{fit.name}의 학습 메모리 (어림)", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for part, size in parts_of(fit.memory).items():
        table.add_row(_PARTS[part], _size(size), end_section=part == "program")
    console.print(
        f"{fit.base}: 파라미터 {_count(fit.parameters)}, 배우는 것 {_count(fit.trainable)}, "
        f"{fit.dtype}. 크기는 {_SOURCES[fit.source]}에서 읽었습니다.",
        soft_wrap=True,
    )
    console.print(table)
    console.print(
        f"{device.kind}의 빈 메모리 {_size(device.free_bytes)}에 {_VERDICTS[fit.verdict]}. 가장 긴 "
        f"줄을 {fit.work.longest_row:,}토큰으로 보았습니다.",
        soft_wrap=True,
    )
    _print_advice(console, fit)
    _print_time(console, fit)


def _print_advice(console: Console, fit: RecipeFit) -> None:
    if fit.verdict == "fits":
        return
    if not fit.advice:
        console.print(
            "[red]설정을 바꾸어도 들어가지 않습니다.[/] 더 작은 기본 모델을 training.base에 적거나 "
            "메모리가 더 큰 기계를 쓰세요.",
            soft_wrap=True,
        )
        return
    if len(fit.advice) > 1 or len(fit.advice[0].changes) == 1:
        console.print("하나만 바꾸면 됩니다:")
    elif fit.advice[0].verdict == "fits":
        console.print("모두 함께 바꾸면 됩니다:")
    else:
        console.print("모두 함께 바꾸어도 빠듯합니다:")
    for advice in fit.advice:
        _print_changes(console, advice)


def _print_changes(console: Console, advice: Advice) -> None:
    for change in advice.changes:
        what = f"{change.setting}: {change.now} → [bold]{change.then}[/]"
        if change.setting.isupper():
            what = f"환경 변수 [bold]{change.setting}={change.then}[/] (조금 느려질 수 있음)"
        console.print(f"  {what}  ({_size(change.total_bytes)})", soft_wrap=True)


def _print_time(console: Console, fit: RecipeFit) -> None:
    for stage in fit.work.stages:
        console.print(
            f"{stage.stage} 단계: 대화 {stage.rows:,}편, 약 {stage.tokens:,}토큰", soft_wrap=True
        )
    line = f"계산량 {fit.time.flop:.2e} FLOP"
    least, expected = fit.time.least_s, fit.time.expected_s
    if fit.time.matmul_flop_per_s is None or least is None or expected is None:
        console.print(f"{line}. 걸릴 시간은 train 부분을 설치해야 알 수 있습니다.", soft_wrap=True)
        return
    console.print(
        f"{line}, 잰 행렬곱 속도 {fit.time.matmul_flop_per_s / 1e12:.2f} TFLOP/s: "
        f"[bold]약 {clock(expected)}[/] (빨라도 {clock(least)})",
        soft_wrap=True,
    )


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _count(number: int) -> str:
    return f"{number / 1e9:.2f}B" if number >= 1e9 else f"{number / 1e6:.1f}M"
