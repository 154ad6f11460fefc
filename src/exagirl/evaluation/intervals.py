"""How sure a share is."""

from __future__ import annotations

import math

from exagirl.record import Record

Z_95 = 1.959964
"""The 97.5th percentile of the standard normal distribution."""


class Share(Record):
    """A share with its 95 % interval."""

    hits: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself; NaN where nothing was counted."""
        return self.hits / self.total if self.total else math.nan


def wilson(hits: int, total: int) -> Share:
    """Wilson's score interval of a share.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).

    Raises:
        ValueError: More hits than trials, or a negative count.
    """
    if not 0 <= hits <= total:
        raise ValueError(f"{hits} of {total}")
    if total == 0:
        return Share(hits=0, total=0, low=0.0, high=1.0)
    share, spread = hits / total, Z_95**2 / total
    middle = (share + spread / 2) / (1 + spread)
    reach = Z_95 * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return Share(
        hits=hits, total=total, low=max(0.0, middle - reach), high=min(1.0, middle + reach)
    )
