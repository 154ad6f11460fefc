"""Tables and conversations on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exagirl.chat.markup import ActionStream
from exagirl.chat.session import Said
from exagirl.evaluation.report.safe import safe
from exagirl.evaluation.report.views import is_doubted
from exagirl.evaluation.report.words import (
    any_measure,
    main_measures,
    model_label,
    show_difference,
    show_interval,
    show_number,
    words_of,
)
from exagirl.evaluation.scores import Change, Evaluation, Measure, ModelScores
from exagirl.evaluation.votes.records import VoteResult

_COLOURS = {"better": "green", "worse": "red", "same": "dim", "unknown": "dim"}
_SIDE_BY_SIDE = 3
"""So many models fit beside one another in 80 columns."""


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """The main measures: base, tuned and the change, or several models side by side.

    What could not be done stands above, so that nobody reads a number without it.
    """
    _print_troubles(console, evaluation)
    models = evaluation.models
    for start in range(0, len(models), _SIDE_BY_SIDE):
        _print_models(console, evaluation, models[start : start + _SIDE_BY_SIDE])
    if not models:
        console.print("잰 모델이 없습니다.")
        return
    console.print("[dim]값 아래는 95% 구간. 차이는 그 구간이 0을 품지 않을 때만 말합니다.[/]")
    if any(
        (measure := any_measure(evaluation, name)) and is_doubted(evaluation, measure)
        for name in main_measures(evaluation)
    ):
        console.print("[dim](?) 믿을 수 없는 심사가 매긴 수[/]")


def _print_troubles(console: Console, evaluation: Evaluation) -> None:
    certificate = evaluation.certificate
    if certificate is not None and not certificate.is_trusted:
        console.print(
            Text("✕ 심사를 믿을 수 없습니다: ", style="bold red") + Text(safe(certificate.reason))
        )
    for trouble in evaluation.troubles:
        part = words_of("parts", safe(trouble.part)).ko
        console.print(Text(f"! {part}: ", style="yellow") + Text(safe(trouble.message)))


def _print_models(console: Console, evaluation: Evaluation, models: Sequence[ModelScores]) -> None:
    table = Table(
        title=f"{safe(evaluation.character, 40)} ({safe(evaluation.run, 60)})".replace("[", r"\["),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
    )
    table.add_column("잰 것", overflow="fold")
    for model in models:
        table.add_column(Text(safe(model_label(model), 24)), justify="right", overflow="fold")
    has_changes = len(evaluation.models) == 2 and bool(evaluation.changes)
    if has_changes:
        table.add_column("달라진 것")
    for name in main_measures(evaluation):
        first = any_measure(evaluation, name)
        doubt = "(?)" if first is not None and is_doubted(evaluation, first) else ""
        row = [Text(safe(words_of("measures", name).ko, 40) + doubt)]
        row += [_measured(model.measure(name)) for model in models]
        if has_changes:
            change = next((one for one in evaluation.changes if one.name == name), None)
            row.append(_changed(change, first))
        table.add_row(*row)
    console.print(table)


def _measured(measure: Measure | None) -> Text:
    if measure is None:
        return Text("–", style="dim")
    shown = Text(show_number(measure.value, measure.unit), style="bold")
    interval = show_interval(measure) if measure.value is not None else ""
    return shown + Text(f"\n{interval}", style="not bold dim") if interval else shown


def _changed(change: Change | None, measure: Measure | None) -> Text:
    if change is None or measure is None:
        return Text()
    words = words_of("verdicts", change.verdict)
    return Text(
        f"{words.mark} {show_difference(change.difference, measure.unit)}\n{words.ko}",
        style=_COLOURS[change.verdict],
    )


def print_votes(console: Console, result: VoteResult) -> None:
    """Who won among people, how sure that is, how far they agree, and who voted how often."""
    names = [words_of("models", safe(name, 40)).ko for name in (result.one, result.other)]
    table = Table(title="사람의 표", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("누가", overflow="fold")
    for heading in (names[0], "비슷함", names[1]):
        table.add_column(Text(heading), justify="right")
    for voter in result.voters:
        counts = (voter.wins, voter.ties, voter.losses)
        table.add_row(Text(safe(voter.voter, 40)), *(f"{count:,}" for count in counts))
    table.add_section()
    table.add_row("모두", *(f"{count:,}" for count in (result.wins, result.ties, result.losses)))
    console.print(table)
    if result.win_rate is None or result.low is None or result.high is None:
        console.print("사람들이 한쪽으로 정한 쌍이 없어 이긴 몫을 낼 수 없습니다.")
    else:
        console.print(
            f"{names[0]}의 이긴 몫 [bold]{result.win_rate:.0%}[/] [dim]({result.low:.0%}~"
            f"{result.high:.0%}, 정해진 {result.pair_wins + result.pair_losses}쌍 / 투표한 "
            f"{result.pairs}쌍)[/]",
            soft_wrap=True,
        )
    told = "낼 수 없음(두 사람이 함께 본 쌍이 없거나 모두 같은 표)"
    alpha = told if result.alpha is None else f"{result.alpha:.2f}"
    console.print(f"사람끼리 맞은 정도 Krippendorff α {alpha}", soft_wrap=True)


def print_conversation(console: Console, turns: Iterable[Said], names: Mapping[str, str]) -> None:
    """A conversation, actions in italics."""
    for turn in turns:
        colour = "cyan" if turn.role == "user" else "magenta"
        console.print(Text(f"{names[turn.role]}: ", style=f"bold {colour}") + styled(turn.shown))


def styled(text: str) -> Text:
    """A turn as rich text: actions in dim italics."""
    out = Text()
    for span in ActionStream().feed(text):
        out.append(span.text, style="italic dim" if span.is_action else "")
    return out
