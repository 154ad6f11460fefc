"""``exagirl inspect``: the dialogues of a run, in numbers and pictures."""

from __future__ import annotations

import typer


def inspect(run: str) -> None:
    """대화와 데이터셋의 통계와 그림을 한 쪽의 HTML로 쓴다."""
    raise typer.Exit(1)
