"""Which lorebook entries a talk calls up, and where their words go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exagirl.persona.lore import recall
from exagirl.persona.parts import Lorebook, LoreEntry
from exagirl.record import Record


class Fired(Record):
    """What a talk called up."""

    entries: tuple[LoreEntry, ...] = ()
    left_out: tuple[LoreEntry, ...] = ()
    """Entries that were meant too, but for which the lorebook's budget had no room."""


def fire(
    lorebook: Lorebook, lines: Sequence[str], *, count: Callable[[str], int], known: str = ""
) -> Fired:
    """Choose the entries for the last lines of a talk, as `persona.lore.recall` does.

    Args:
        lorebook: Where to look.
        lines: What was said, oldest first.
        count: Counts the tokens of a text.
        known: The system prompt: an entry that stands there already is not said twice.
    """
    told = tuple(entry for entry in lorebook.entries if not (entry.text and entry.text in known))
    book = lorebook.model_copy(update={"entries": told})
    kept = recall(book, lines, count=count)
    meant = recall(book, lines, count=lambda _: 0)
    return Fired(entries=tuple(kept), left_out=tuple(entry for entry in meant if entry not in kept))


def label_of(entry: LoreEntry) -> str:
    """How people know an entry: its keys, or the beginning of what it says."""
    return ", ".join(entry.keys) or entry.text[:20]
