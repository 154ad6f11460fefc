"""``exagirl evaluate``: how good the character is; runs side by side; what people vote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console

from exagirl import pipeline
from exagirl.artifact import RunFolder, make_folder, write_text
from exagirl.cli.options import DEFAULT_RUNS, JsonOption, RunsOption
from exagirl.cli.report import print_evaluation, print_votes
from exagirl.cli.screen import make_console, make_watcher
from exagirl.evaluation.compare import compare_runs
from exagirl.evaluation.evaluate import SCORES, read_evaluation, read_replies
from exagirl.evaluation.report.write import REPORT, write_report
from exagirl.evaluation.scores import Evaluation
from exagirl.evaluation.transcripts import score_transcripts
from exagirl.evaluation.votes.score import score_votes
from exagirl.evaluation.votes.sheet import KEY, write_sheet
from exagirl.persona.character import load_character
from exagirl.recipe import LoadedRecipe, load_recipe, shipped_names

VOTES, COMPARISONS = "votes", "comparisons"
"""Folders of a run, beside the evaluation, which stays as it was sealed."""

DIALOGUE_FILES = (".jsonl", ".json", ".txt")

NamesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="실행의 이름이나 레시피, 또는 대화 파일(--character와 함께). 여럿이면 나란히 견준다.",
    ),
]
CharacterOption = Annotated[
    str | None,
    typer.Option("--character", help="대화 파일을 잴 때: 누구의 말인지. 내장 이름이나 파일."),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="대화 파일을 잴 때: 보고서를 둘 폴더."),
]
SheetOption = Annotated[
    int | None,
    typer.Option(
        "--sheet",
        min=1,
        max=1000,
        metavar="N",
        help="사람이 투표할 눈가림 투표지(HTML)를 N쌍으로 만든다.",
    ),
]
VotesOption = Annotated[
    list[Path] | None,
    typer.Option("--votes", metavar="FILE", help="투표 파일을 센다. 여러 번 적을 수 있다."),
]


class _Run(NamedTuple):
    """One of the names on the command line."""

    folder: RunFolder
    loaded: LoadedRecipe | None
    """None where only results stand in the folder."""


def evaluate(  # noqa: PLR0913 (the options of a command)
    names: NamesArgument,
    sheet: SheetOption = None,
    votes: VotesOption = None,
    character: CharacterOption = None,
    out: OutOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """캐릭터가 얼마나 좋아졌는지 학습 전과 후를 나란히 잰다. 이름이 여럿이면 실행을 견준다."""
    console = make_console(stderr=as_json)
    if character is not None:
        if sheet is not None or votes:
            raise typer.BadParameter("--sheet와 --votes는 실행에만 쓸 수 있습니다.")
        _count_files(console, [Path(name) for name in names], character, out, as_json=as_json)
        return
    if any(Path(name).suffix.lower() in DIALOGUE_FILES for name in names):
        raise typer.BadParameter("대화 파일을 재려면 --character로 누구의 말인지 알려 주세요.")
    found = [_find(name, runs) for name in names]
    if (sheet is not None or votes) and len(found) > 1:
        raise typer.BadParameter("--sheet와 --votes에는 실행을 하나만 적으세요.")
    if sheet is not None and votes:
        raise typer.BadParameter("--sheet와 --votes는 따로따로 쓰세요.")
    if votes:
        _count(console, found[0], votes, as_json=as_json)
        return
    evaluations = [_measure(console, run) for run in found]
    if sheet is not None:
        _make_sheet(console, found[0], evaluations[0], sheet, as_json=as_json)
        return
    _show(console, found, evaluations, as_json=as_json)


def _count_files(
    console: Console, files: list[Path], character: str, out: Path | None, *, as_json: bool
) -> None:
    """What rules say of conversations that somebody else's model had."""
    evaluation = score_transcripts(files, load_character(character))
    report = None
    if out is not None:
        folder = make_folder(out)
        write_text(folder / SCORES, evaluation.model_dump_json(indent=2) + "\n")
        report = write_report(evaluation, folder)
    _tell(console, evaluation, report, as_json=as_json)


def _find(name: str, runs: Path) -> _Run:
    """A recipe that ships or lies at a path, or else a run.

    Raises:
        ExagirlError: There is neither.
    """
    path = Path(name).expanduser()
    if name in shipped_names() or path.is_file():
        loaded = load_recipe(name)
        return _Run(RunFolder(runs / loaded.recipe.name), loaded)
    if (path / "recipe.yaml").is_file():
        loaded = load_recipe(name)
        # A run folder anywhere is that run; another folder with a recipe makes one in ``runs``.
        is_run = path.resolve().name == loaded.recipe.name and RunFolder(path).model.is_dir()
        return _Run(RunFolder(path if is_run else runs / loaded.recipe.name), loaded)
    folder = pipeline.find_run(name, runs)
    has_recipe = (folder.root / "recipe.yaml").is_file()
    return _Run(folder, load_recipe(str(folder.root)) if has_recipe else None)


def _measure(console: Console, run: _Run) -> Evaluation:
    """Measure a run; what was measured from the same model and data is read back."""
    if run.loaded is None:
        return read_evaluation(run.folder.evaluation)
    watcher = make_watcher(console)
    job = pipeline.Job(run.loaded, run.folder.root.parent, watcher)
    try:
        with job.folder.locked():
            pipeline.write_recipe(job)
            return pipeline.evaluate(job)
    finally:
        watcher.close()


def _show(
    console: Console, found: list[_Run], evaluations: list[Evaluation], *, as_json: bool
) -> None:
    if len(found) == 1:
        evaluation = evaluations[0]
        report = found[0].folder.evaluation / REPORT
        if not report.is_file():
            report = write_report(evaluation, report.parent)
    else:
        evaluation = compare_runs(evaluations)
        title = "+".join(run.folder.root.resolve().name for run in found)
        folder = make_folder(found[0].folder.root / COMPARISONS / title[:120])
        write_text(folder / SCORES, evaluation.model_dump_json(indent=2) + "\n")
        report = write_report(evaluation, folder)
    _tell(console, evaluation, report, as_json=as_json)


def _tell(console: Console, evaluation: Evaluation, report: Path | None, *, as_json: bool) -> None:
    if as_json:
        typer.echo(evaluation.model_dump_json(indent=2))
        return
    print_evaluation(console, evaluation)
    if report is not None:
        console.print(
            f"브라우저로 여세요: {report.resolve().as_uri()}", markup=False, soft_wrap=True
        )


def _make_sheet(
    console: Console, run: _Run, evaluation: Evaluation, pairs: int, *, as_json: bool
) -> None:
    seed = evaluation.repeat.get("seed", 0)
    path = write_sheet(
        read_replies(run.folder.evaluation),
        run.folder.root / VOTES,
        character=evaluation.character,
        pairs=pairs,
        seed=seed if isinstance(seed, int) else 0,
    )
    key = path.with_name(KEY)
    if as_json:
        _echo({"sheet": str(path), "key": str(key)})
        return
    console.print(f"투표지: {path.resolve().as_uri()}", markup=False, soft_wrap=True)
    console.print(
        f"이 파일 하나만 사람들에게 보내고, 열쇠({key})는 보내지 마세요. 받은 파일은 "
        f"'exagirl evaluate {run.folder.root.name} --votes 파일.json'으로 셉니다.",
        markup=False,
        soft_wrap=True,
    )


def _count(console: Console, run: _Run, votes: list[Path], *, as_json: bool) -> None:
    result = score_votes(votes, run.folder.root / VOTES / KEY)
    if as_json:
        _echo(result.model_dump(mode="json"))
    else:
        print_votes(console, result)


def _echo(facts: dict[str, Any]) -> None:
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=2))
