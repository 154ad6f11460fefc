"""``exagirl card lint | show | import | export | schema``: characters and character cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from exagirl.cli.options import JsonOption
from exagirl.cli.screen import make_console
from exagirl.persona.card_json import SPECS, Spec
from exagirl.persona.character import Character, builtin_names, load_character
from exagirl.persona.folder import CHARACTER, export_card, import_card
from exagirl.persona.lint import LintFinding, lint
from exagirl.persona.schema import character_schema
from exagirl.persona.system_prompt import estimate_tokens, render_system_prompt

app = typer.Typer(help="캐릭터 카드를 살피고, 들이고, 내보낸다.", no_args_is_help=True)

FileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="캐릭터나 카드(.yaml .json .png .charx), 또는 내장 캐릭터의 이름."
    ),
]
LEVELS = {"banmal": "반말", "polite": "존댓말"}


@app.command("lint")
def lint_card(file: FileArgument, as_json: JsonOption = False) -> None:
    """캐릭터에서 서로 어긋나는 곳을 찾는다. 있으면 1로 끝난다."""
    findings = lint(load_character(_path(file)))
    if as_json:
        typer.echo(json.dumps([f.model_dump() for f in findings], ensure_ascii=False, indent=2))
    else:
        _print_findings(findings)
    if findings:
        raise typer.Exit(1)


@app.command("show")
def show_card(file: FileArgument, as_json: JsonOption = False) -> None:
    """캐릭터가 누구인지와 시스템 프롬프트를 보인다."""
    character = load_character(_path(file))
    prompt = render_system_prompt(character)
    if as_json:
        facts = character.model_dump(mode="json")
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    console = make_console()
    console.print(f"{character.name} ", style="bold magenta", markup=False, end="")
    console.print(_summary(character), markup=False, style="dim", soft_wrap=True)
    console.print()
    console.print(prompt, markup=False, soft_wrap=True)
    console.print(f"\n[dim]시스템 프롬프트 약 {estimate_tokens(prompt):,}토큰[/]")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="카드(.png .json .charx).")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="character.yaml을 둘 폴더.")],
) -> None:
    """카드를 고쳐 쓸 수 있는 character.yaml로 바꾼다."""
    character = import_card(file, folder)
    console = make_console()
    console.print(f"만들었습니다: {folder / CHARACTER}", markup=False, soft_wrap=True)
    _print_findings(lint(character))


@app.command("export")
def export_file(
    file: FileArgument,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="쓸 카드(.png .json .charx .yaml).")
    ],
    spec: Annotated[str, typer.Option("--spec", help="JSON의 규격: v2 또는 v3.")] = "v3",
    force: Annotated[bool, typer.Option("--force", help="있는 파일을 바꾼다.")] = False,
) -> None:
    """캐릭터를 다른 프로그램이 읽는 카드로 내보낸다. 있는 PNG를 바꾸면 그림은 그대로 둔다."""
    if spec not in SPECS:
        raise typer.BadParameter("v2 또는 v3이어야 합니다.", param_hint="--spec")
    if target.exists() and not force:
        raise typer.BadParameter(
            f"{target}: 이미 있습니다. 다른 이름을 쓰거나 --force를 붙이세요.", param_hint="TARGET"
        )
    path = _path(file)
    folder = None if path in builtin_names() else Path(path).expanduser().parent
    chosen: Spec = "v2" if spec == "v2" else "v3"
    export_card(load_character(path), target, folder=folder, spec=chosen)
    make_console().print(f"만들었습니다: {target}", markup=False, soft_wrap=True)


@app.command("schema")
def print_schema() -> None:
    """편집기가 읽는 JSON Schema를 쓴다. 파일에 담으려면 '> character.schema.json'을 붙인다."""
    typer.echo(json.dumps(character_schema(), ensure_ascii=False, indent=2))


def _path(file: str) -> str:
    """A folder means the character in it."""
    within = Path(file).expanduser() / CHARACTER
    return str(within) if file not in builtin_names() and within.is_file() else file


def _summary(character: Character) -> str:
    level = "하오체" if character.speech.is_old else LEVELS[character.speech.level]
    guessed = "(짐작)" if "speech.level" in character.inferred else ""
    return (
        f"{level}{guessed} · 첫인사 {len(character.greetings)} · 보기 대화 "
        f"{len(character.examples)} · 사실 {len(character.facts)} · 로어북 "
        f"{len(character.lorebook.entries)}"
    )


def _print_findings(findings: list[LintFinding]) -> None:
    console = make_console()
    if not findings:
        console.print("[green]✓[/] 어긋나는 곳이 없습니다.")
        return
    for finding in findings:
        console.print(f"[yellow]![/] [bold]{finding.code}[/]", end=" ")
        console.print(f"{finding.path}: {finding.message}", markup=False, soft_wrap=True)
    console.print(f"[dim]살펴볼 곳 {len(findings)}개[/]")
