"""The files that dialogues are kept in: one JSONL a subset, in slot order, in several forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from exagirl.artifact import fingerprint, make_folder, write_lines
from exagirl.dialogue.journal import Journal
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.records import Dialogue, Slot

Form = Literal["sharegpt", "seed", "messages"]


def write_dialogues(
    folder: Path,
    options: GenerationOptions,
    slots: Sequence[Slot],
    journal: Journal,
    order: str,
) -> None:
    """Write one JSONL file a subset, in slot order, whatever order dialogues came in."""
    for subset in options.subsets:
        mine = [slot for slot in slots if slot.subset == subset]
        found = (journal.accepted(slot.key, fingerprint([order, slot])) for slot in mine)
        rows = (as_line(one.model_dump()) for one in found if one is not None)
        write_lines(folder / f"{subset}.jsonl", rows)


def read_dialogues(folder: Path, subset: str) -> list[Dialogue]:
    """Read the dialogues of a subset back."""
    text = (folder / f"{subset}.jsonl").read_text("utf-8")
    # splitlines() would also part a line at U+2028 and U+0085, which JSON leaves as they are.
    return [Dialogue.model_validate_json(line) for line in text.split("\n") if line]


def count_dialogues(folder: Path, subset: str) -> int:
    """How many dialogues a subset's file holds."""
    with (folder / f"{subset}.jsonl").open("rb") as stream:
        return sum(line.count(b"\n") for line in stream)


def write_form(folder: Path, subsets: Iterable[str], form: Form) -> list[Path]:
    """Write the dialogues again in a form that other tools read: ``FORM/SUBSET.jsonl``."""
    written: list[Path] = []
    for subset in subsets:
        rows = (as_line(FORMS[form](one)) for one in read_dialogues(folder, subset))
        target = folder / form / f"{subset}.jsonl"
        make_folder(target.parent)
        written.append(write_lines(target, rows))
    return written


def as_line(value: Any) -> str:
    """One line of JSONL."""
    return json.dumps(value, ensure_ascii=False)


def _sharegpt(dialogue: Dialogue) -> dict[str, Any]:
    names = {"user": "human", "assistant": "gpt"}
    return {
        "id": dialogue.id,
        "conversations": [
            {"from": names[turn.role], "value": turn.content} for turn in dialogue.turns
        ],
    }


def _seed(dialogue: Dialogue) -> dict[str, Any]:
    """The numbered keys of the original project: human1, gpt1, human2 and so on."""
    names = {"user": "human", "assistant": "gpt"}
    return {
        f"{names[turn.role]}{position // 2 + 1}": turn.content
        for position, turn in enumerate(dialogue.turns)
    }


def _messages(dialogue: Dialogue) -> dict[str, Any]:
    return {"messages": [turn.model_dump() for turn in dialogue.turns]}


FORMS: dict[Form, Callable[[Dialogue], dict[str, Any]]] = {
    "sharegpt": _sharegpt,
    "seed": _seed,
    "messages": _messages,
}
