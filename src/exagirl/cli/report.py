"""Tables and conversations on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exagirl.chat.markup import ActionStream
from exagirl.chat.session import Said
from exagirl.evaluation.evaluate import Scores
from exagirl.evaluation.intervals import Share

NAMES = {"base": "학습 전", "tuned": "학습 후"}


def print_scores(console: Console, scores: Mapping[str, Scores], level: str) -> None:
    """Base against tuned, a row a measure."""
    table = Table(title="학습 전과 후 (검증 대화)", title_justify="left")
    table.add_column("잰 것")
    for name in scores:
        table.add_column(NAMES.get(name, name), justify="right")
    spoken = "반말" if level == "banmal" else "존댓말"
    table.add_row("답의 손실 (낮을수록 좋음)", *[f"{s.reply_loss:.2f}" for s in scores.values()])
    table.add_row(f"{spoken}로 한 답", *[_share(s.rules.level) for s in scores.values()])
    table.add_row("*행동*이 바르게 든 답", *[_share(s.rules.actions) for s in scores.values()])
    table.add_row("오류 없이 역할을 지킨 답", *[_share(s.rules.in_role) for s in scores.values()])
    console.print(table)
    console.print("[dim]괄호는 95 % 구간(Wilson), 분모는 말투가 드러난 답 또는 모든 답의 수.[/]")


def _share(share: Share) -> str:
    if share.total == 0:
        return "판단할 답 없음"
    return (
        f"{share.value:.0%} [dim]({share.low:.0%}–{share.high:.0%}, {share.hits}/{share.total})[/]"
    )


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
