"""What a person sees while dialogues come in, in a terminal and in a log."""

import io
import re

from rich.cells import cell_len
from rich.console import Console

from exagirl.cli.watchers import BarWatcher, LineWatcher
from exagirl.progress import BoardLine

LINES = [
    BoardLine("일상 대화", 3, 10, "버림 2"),
    BoardLine("농담", 4, 4),
    BoardLine("철학적 질문", 0, 5),
]


def terminal(height=24):
    """A console that draws as on a screen of eighty columns."""
    return Console(
        file=io.StringIO(), force_terminal=True, width=80, height=height, color_system=None
    )


def drawn(lines, summary="3/19편", height=24):
    """What one board looks like."""
    console = terminal(height)
    watcher = BarWatcher(console)
    watcher.start("대화 만들기", 19)
    watcher.board(lines, summary)
    text = console.file.getvalue()
    watcher.close()
    return text


def test_a_board_has_a_line_for_every_topic_that_is_not_done():
    """Accepted, quota and refused stand side by side."""
    text = drawn(LINES)
    assert "일상 대화" in text
    assert "3/10" in text
    assert "버림 2" in text
    assert "철학적 질문" in text


def test_finished_topics_are_counted_in_one():
    """They give their room to those that are under way."""
    assert "끝난 주제 1" in drawn(LINES)
    assert "농담" not in drawn(LINES)


def test_the_summary_stands_below():
    """Speed, money and time are told once."""
    assert "대화 만들기  3/19편" in drawn(LINES)


def test_a_low_screen_shows_what_is_under_way():
    """Topics that nobody has begun are counted, not cut off in the middle."""
    many = [BoardLine(f"주제 {n}", 0, 5) for n in range(30)] + [BoardLine("한창", 2, 5)]
    text = drawn(many, height=12)
    assert "한창" in text
    assert "그 밖" in text
    assert len([line for line in text.split("\n") if "주제" in line]) < 12


def test_no_line_is_wider_than_the_screen():
    """Hangul takes two columns; long names are cut."""
    text = drawn(
        [BoardLine("아주 길고 긴 이름을 가진 주제 하나가 여기에 있다고 하자", 1, 5, "버림 3")]
    )
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    assert max(cell_len(line) for line in shown.split("\n")) <= 80


def log(*boards):
    """What a log holds after some boards."""
    console = Console(file=io.StringIO(), force_terminal=False, width=80)
    watcher = LineWatcher(console)
    watcher.start("대화 만들기", 19)
    for lines in boards:
        watcher.board(lines, "3/19편")
    watcher.finish("대화 19편")
    return console.file.getvalue()


def test_a_log_says_once_that_a_topic_is_done():
    """However often the board is told."""
    assert log(LINES, LINES, LINES).count("✓ 농담 4/4") == 1


def test_a_log_is_not_flooded():
    """Topics under way are not told with every board."""
    assert "일상 대화" not in log(LINES, LINES)


def test_a_log_ends_with_the_sum():
    """The last line says how many there are."""
    assert log(LINES).rstrip().endswith("대화 19편")
