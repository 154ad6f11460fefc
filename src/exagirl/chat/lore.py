"""Which lorebook entries a talk calls up, and where their words go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from exagirl.persona.lore import recall
from exagirl.persona.parts import Lorebook, LoreEntry
from exagirl.record import Record


class Fired(Record):
    """What a talk called up."""

    entries: tuple[LoreEntry, ...] = ()
    """Those of the last words, and those that stay from before; in their order."""
    called: tuple[LoreEntry, ...] = ()
    """Those of the last words."""
    left_out: tuple[LoreEntry, ...] = ()
    """Entries that were meant too, but for which the lorebook's budget had no room."""


def fire(
    lorebook: Lorebook,
    lines: Sequence[str],
    *,
    count: Callable[[str], int],
    known: str = "",
    staying: Collection[str] = (),
) -> Fired:
    """Choose the entries for the last lines of a talk, as `persona.lore.recall` does.

    Args:
        lorebook: Where to look.
        lines: What was said, oldest first.
        count: Counts the tokens of a text.
        known: The system prompt: an entry that stands there already is not said twice.
        staying: Texts of entries that were called up before; they stay where the budget has room
            beside those of the last lines, so that the prompt begins alike and is not read again.
    """
    told = tuple(entry for entry in lorebook.entries if not (entry.text and entry.text in known))
    book = lorebook.model_copy(update={"entries": told})
    called = recall(book, lines, count=count)
    meant = recall(book, lines, count=lambda _: 0)
    entries, left = list(called), lorebook.budget_tokens - sum(count(e.text) for e in called)
    for entry in told:
        if entry.text in staying and entry not in meant and (cost := count(entry.text)) <= left:
            entries.append(entry)
            left -= cost
    return Fired(
        entries=tuple(sorted(entries, key=lambda entry: entry.order)),
        called=tuple(called),
        left_out=tuple(entry for entry in meant if entry not in called),
    )


def label_of(entry: LoreEntry) -> str:
    """How people know an entry: its keys, or the beginning of what it says."""
    return ", ".join(entry.keys) or entry.text[:20]
