"""Dialogues of earlier stages among those of a later one, against forgetting."""

from __future__ import annotations

import torch

from exagirl.training.rows import Rows, join_rows


def mix_in(rows: Rows, pool: Rows, share: float, seed: int) -> Rows:
    """Add so many rows of a pool that they are a given share of the whole.

    Args:
        rows: The stage's own rows; all of them stay.
        pool: Rows of earlier stages; drawn from without repetition, all where there are too few.
        share: Share of the result, between 0 and 1, that comes from the pool.
        seed: Seeds the draw.

    Returns:
        The stage's rows first, then those that were drawn, in the order of the pool.

    Source: experience replay in continual pre-training, Ibrahim et al., arXiv:2403.08763.
    """
    wanted = min(len(pool), max(1, round(len(rows) * share / (1 - share))))
    dice = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(pool), generator=dice)[:wanted].sort().values.tolist()
    return join_rows([rows, pool.pick(drawn)])
