"""``exagirl evaluate`` on runs that were measured before: tables, JSON, sheets and votes."""

import json
import re

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from exagirl.cli.evaluate import evaluate
from exagirl.cli.report import print_evaluation, print_votes
from exagirl.errors import ArtifactError
from exagirl.evaluation.scores import Evaluation
from exagirl.evaluation.votes.records import VoterCount, VoteResult
from support.evaluations import evaluation, model, reply

_APP = typer.Typer(pretty_exceptions_enable=False)
_APP.command()(evaluate)


def _run(*arguments):
    return CliRunner().invoke(_APP, [*map(str, arguments)])


def measured(runs, name, **changed):
    """A run folder that holds nothing but results."""
    folder = runs / name / "evaluation"
    folder.mkdir(parents=True)
    one = evaluation(run=name, **changed)
    (folder / "scores.json").write_text(one.model_dump_json(), encoding="utf-8")
    found = [
        reply(f"{of}의 답 {number}", of, f"s{number}", asked=f"물음 {number}")
        for of in ("base", "tuned")
        for number in range(6)
    ]
    lines = "".join(one.model_dump_json() + "\n" for one in found)
    (folder / "replies.jsonl").write_text(lines, encoding="utf-8")
    return runs / name


def shown(one, width=80):
    """The terminal's table."""
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        print_evaluation(console, one)
    return capture.get()


def test_the_table_shows_base_tuned_and_the_change():
    """In Korean, with words beside the signs, within 80 columns."""
    text = shown(evaluation())
    assert re.search(r"말투\s+41%\s+94%\s+▲ \+53%p", text)
    assert re.search(r"글자당 비트\s+3.42비트\s+2.18비트\s+▲ −1.24비트", text)
    assert "35~47%" in text
    assert "좋아짐" in text


@pytest.mark.parametrize("runs", [2, 9])
def test_no_line_is_cut(runs):
    """Names and numbers of many models stay whole, three beside one another."""
    models = tuple(model(f"m{n}", f"실행 {n}", str(n), n % 2) for n in range(runs))
    text = shown(evaluation(models=models, changes=()))
    assert "…" not in text
    assert all(f"실행 {n}" in text for n in range(runs))


def test_troubles_and_a_doubtful_judge_stand_above_the_numbers():
    """Nobody reads the numbers without them."""
    text = shown(evaluation(trusted=False))
    assert text.index("심사를 믿을 수 없습니다") < text.index("94%")
    assert text.index("! 사실:") < text.index("94%")


def test_markup_in_a_name_is_text():
    """Brackets of a run's name are no colours."""
    assert "[red]x[/]" in shown(evaluation(run="[red]x[/]", character="[bold]엑사"))


def test_a_measured_run_is_shown_with_its_report(tmp_path):
    """The table, and where to look."""
    measured(tmp_path, "first")
    done = _run("first", "--runs", tmp_path)
    assert done.exit_code == 0, done.output
    assert "94%" in done.output
    assert (tmp_path / "first" / "evaluation" / "report.html").as_uri() in done.output
    assert (tmp_path / "first" / "evaluation" / "report.html").is_file()


def test_several_runs_are_compared(tmp_path):
    """One table, one report, one file of scores; the evaluations stay as they are."""
    folders = [measured(tmp_path, name) for name in ("first", "second")]
    before = [(folder / "evaluation" / "scores.json").read_bytes() for folder in folders]
    done = _run("first", "second", "--runs", tmp_path)
    assert done.exit_code == 0, done.output
    there = folders[0] / "comparisons" / "first+second"
    assert (there / "report.html").is_file()
    kept = Evaluation.model_validate_json((there / "scores.json").read_bytes())
    assert [one.name for one in kept.models] == ["base", "first", "second"]
    assert [(f / "evaluation" / "scores.json").read_bytes() for f in folders] == before


def test_json_is_the_evaluation_alone(tmp_path):
    """Nothing else on the standard output."""
    measured(tmp_path, "first")
    done = _run("first", "--runs", tmp_path, "--json")
    assert Evaluation.model_validate_json(done.stdout) == evaluation(run="first")


def test_a_sheet_is_made_and_its_votes_are_counted(tmp_path):
    """From the replies to a table of voters."""
    folder = measured(tmp_path, "first")
    made = json.loads(_run("first", "--runs", tmp_path, "--sheet", 4, "--json").stdout)
    key = json.loads((folder / "votes" / "voting-key.json").read_text("utf-8"))
    assert made["sheet"] == str(folder / "votes" / "voting-sheet.html")
    assert len(key["pairs"]) == 4
    paths = []
    for voter in ("가람", "나래"):
        votes = {
            pair["id"]: "left" if pair["left"] == "tuned" else "right" for pair in key["pairs"]
        }
        path = tmp_path / f"{voter}.json"
        facts = {"format": 1, "sheet": key["sheet"], "voter": voter, "votes": votes}
        path.write_text(json.dumps(facts), encoding="utf-8")
        paths.append(path)
    arguments = [word for path in paths for word in ("--votes", path)]
    done = _run("first", "--runs", tmp_path, *arguments)
    assert done.exit_code == 0, done.output
    assert "학습 후의 이긴 몫 100%" in done.output
    counted = json.loads(_run("first", "--runs", tmp_path, *arguments, "--json").stdout)
    assert (counted["wins"], counted["losses"]) == (8, 0)


def test_the_sheet_says_which_file_not_to_send(tmp_path):
    """The key tells whose a reply is."""
    measured(tmp_path, "first")
    done = _run("first", "--runs", tmp_path, "--sheet", 2)
    assert "voting-key.json" in done.output
    assert "보내지 마세요" in done.output


@pytest.mark.parametrize(
    "arguments", [["a", "b", "--sheet", "2"], ["a", "--sheet", "2", "--votes", "x"]]
)
def test_options_that_do_not_go_together_are_refused(tmp_path, arguments):
    """Before anything is measured."""
    for name in ("a", "b"):
        measured(tmp_path, name)
    done = _run(*arguments, "--runs", tmp_path)
    assert done.exit_code == 2
    assert not (tmp_path / "a" / "votes").exists()


def test_an_unknown_run_names_those_that_are_there(tmp_path):
    """And how to make one."""
    measured(tmp_path, "first")
    done = _run("nothing", "--runs", tmp_path)
    assert isinstance(done.exception, ArtifactError)
    assert "first" in str(done.exception)


def test_undecided_votes_are_told_in_words():
    """No win rate of nothing."""
    result = VoteResult(
        one="tuned",
        other="base",
        wins=0,
        ties=1,
        losses=0,
        pairs=1,
        pair_wins=0,
        pair_losses=0,
        win_rate=None,
        low=None,
        high=None,
        alpha=None,
        voters=(VoterCount(voter="[red]가람", wins=0, ties=1, losses=0),),
    )
    console = Console(width=80)
    with console.capture() as capture:
        print_votes(console, result)
    assert "이긴 몫을 낼 수 없습니다" in capture.get()
    assert "[red]가람" in capture.get()
