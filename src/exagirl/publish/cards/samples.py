"""What the character said: the short talk that a run holds at its end, as it came."""

from __future__ import annotations

import json
from pathlib import Path

from exagirl.artifact import Manifest
from exagirl.record import Record

SAMPLE = ".sample.json"


class Spoken(Record):
    """One turn of a sample, with the names filled in."""

    is_character: bool
    text: str


def read_sample(evaluation: Path, model: Manifest | None) -> tuple[Spoken, ...]:
    """The talk that ``exagirl run`` ended with; nothing where it was held with another model.

    Args:
        evaluation: The run's evaluation folder.
        model: The manifest of the merged model.
    """
    if model is None:
        return ()
    try:
        kept = json.loads((evaluation / SAMPLE).read_text("utf-8"))
        if kept["model"] != model.digest:
            return ()
        return tuple(
            Spoken(is_character=turn["role"] == "assistant", text=str(turn["shown"]))
            for turn in kept["turns"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ()
