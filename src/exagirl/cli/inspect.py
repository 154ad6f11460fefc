"""``exagirl inspect``: the dialogues of a run, in numbers and pictures."""

from __future__ import annotations

import json
from typing import Any

import typer

from exagirl import pipeline
from exagirl.cli.options import DEFAULT_RUNS, JsonOption, RunArgument, RunsOption
from exagirl.cli.screen import make_console, make_watcher
from exagirl.dialogue.report.write import Inspected


def inspect(run: RunArgument, runs: RunsOption = DEFAULT_RUNS, as_json: JsonOption = False) -> None:
    """대화와 데이터셋의 통계와 그림을 HTML 한 쪽으로 쓴다."""
    console = make_console(stderr=as_json)
    watcher = make_watcher(console)
    try:
        found = pipeline.inspect(pipeline.find_run(run, runs), watcher)
    finally:
        watcher.close()
    if as_json:
        typer.echo(json.dumps(_facts(found), ensure_ascii=False, indent=2))
    else:
        console.print(f"브라우저로 여세요: {found.path.resolve().as_uri()}", soft_wrap=True)


def _facts(found: Inspected) -> dict[str, Any]:
    return {
        "report": str(found.path),
        "subsets": {
            subset: {
                "dialogues": talk.dialogues,
                "turns": {str(turns): count for turns, count in sorted(talk.turns.items())},
                "speech_levels": dict(talk.levels),
                "turns_with_action": talk.acted,
                "morphemes": talk.words.morphemes,
                "distinct": list(talk.words.distinct),
                "ten_endings_share": talk.words.endings_share,
                "nearest_most": max(talk.nearest, default=0.0),
            }
            for subset, talk in found.talks.items()
        },
        "accounts": found.accounts._asdict() if found.accounts else None,
    }
