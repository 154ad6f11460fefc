"""How varied the dialogues that ship are.

Run: python benchmarks/corpus.py
Prints a Markdown table for RESULTS.md. Distinct-n is counted over the first 5,000 morphemes of the
character's turns in a seeded order, so that subsets of different size can be compared.
"""

from __future__ import annotations

from importlib.metadata import version

from exagirl.dialogue.corpus import read_heldout, read_subset, subset_names
from exagirl.dialogue.records import Dialogue
from exagirl.dialogue.report import statistics

SAMPLE = 5000


def row(name: str, dialogues: list[Dialogue]) -> str:
    """One subset."""
    talk = statistics.describe(dialogues)
    said = [turn.content for one in dialogues for turn in one.turns if turn.role == "assistant"]
    words = statistics.describe_words(said)
    distinct = " / ".join(f"{value:.3f}" for value in words.distinct)
    return (
        f"| {name} | {talk.dialogues} | {words.morphemes:,} | {distinct} |"
        f" {words.endings_share:.0%} | {talk.acted:.0%} | {max(talk.nearest):.2f} |"
    )


def main() -> None:
    """Describe every subset."""
    statistics.SAMPLED_MORPHEMES = SAMPLE
    print(f"kiwipiepy {version('kiwipiepy')}\n")
    print(
        "| subset | dialogues | morphemes | distinct-1 / 2 / 3 | ten commonest endings |"
        " turns with an action | nearest two |\n|---|---|---|---|---|---|---|"
    )
    for subset in subset_names():
        print(row(subset, [one for found in read_subset(subset).values() for one in found]))
    heldout = [one for subset in subset_names() for one in read_heldout(subset)]
    print(row("heldout", heldout))


if __name__ == "__main__":
    main()
