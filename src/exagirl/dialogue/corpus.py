"""The dialogues that ship, written by hand: one JSONL file a topic below ``corpus/SUBSET``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from pydantic import ValidationError

from exagirl.dialogue.records import Dialogue, Probe
from exagirl.dialogue.transcript import format_transcript
from exagirl.errors import TeacherError

CORPUS = resources.files("exagirl.dialogue") / "corpus"
PROBES = "probes.jsonl"


@cache
def read_subset(subset: str) -> dict[str, tuple[Dialogue, ...]]:
    """Topic to its dialogues, both in the order of file names and lines.

    Raises:
        TeacherError: No such subset ships.
    """
    folder = CORPUS / subset
    if not folder.is_dir():
        raise TeacherError(
            f"함께 든 대화에 '{subset}' 서브셋이 없습니다. 있는 것: {', '.join(subset_names())}."
        )
    topics: dict[str, tuple[Dialogue, ...]] = {}
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".jsonl"):
            topics[file.name.removesuffix(".jsonl")] = tuple(read_lines(file))
    return topics


def read_heldout(subset: str) -> tuple[Dialogue, ...]:
    """Dialogues of a subset that no training reads; empty where none ship."""
    file = CORPUS / "heldout" / f"{subset}.jsonl"
    return tuple(read_lines(file)) if file.is_file() else ()


@cache
def read_probes() -> tuple[Probe, ...]:
    """The questions that ship for evaluating a character; no training reads them."""
    text = (CORPUS / "heldout" / PROBES).read_text("utf-8")
    return tuple(Probe.model_validate_json(line) for line in text.rstrip("\n").split("\n"))


def subset_names() -> list[str]:
    """The subsets that ship."""
    return sorted(
        entry.name for entry in CORPUS.iterdir() if entry.is_dir() and entry.name != "heldout"
    )


def read_lines(file: Traversable) -> Iterator[Dialogue]:
    """Read dialogues from a JSONL file.

    Raises:
        TeacherError: A line is no dialogue; the message names the file and the line.
    """
    for number, line in enumerate(file.read_text("utf-8").rstrip("\n").split("\n"), start=1):
        try:
            yield Dialogue.model_validate_json(line)
        except ValidationError as error:
            raise TeacherError(
                f"{file.name}: {number}번째 줄은 대화가 아닙니다. {error}"
            ) from error


def bundled_lines(subset: str) -> dict[str, str]:
    """Slot key to the transcript that the bundled teacher answers with."""
    return {
        f"{subset}/{topic}/{index:04d}": format_transcript(dialogue.turns)
        for topic, dialogues in read_subset(subset).items()
        for index, dialogue in enumerate(dialogues)
    }
