"""How far several people agree, beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's α of nominal values, with any number of people and values missing anywhere.

    1 is agreement, 0 what chance alone would give, below 0 is worse than chance.

    Args:
        units: For every thing that was judged, the values that people gave it; those who gave none
            are left out.

    Returns:
        None where nothing was judged by two people, or where everybody always gave the same one
        value: then there is nothing to tell agreement from chance by.

    Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section D, by
    coincidences: α = 1 - (n - 1) (n - Σ o_cc) / (n² - Σ n_c²).
    """
    pairable = [Counter(values) for values in units if len(values) > 1]
    totals: Counter[Hashable] = Counter()
    agreed = 0.0
    for counts in pairable:
        totals += counts
        agreed += sum(n * (n - 1) for n in counts.values()) / (counts.total() - 1)
    n = totals.total()
    by_chance = n * n - sum(count * count for count in totals.values())
    if not by_chance:
        return None
    return 1 - (n - 1) * (n - agreed) / by_chance
