"""Draw each reply of a batch with a seed of its own, whoever stands beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from exagirl.chatmodel.sampling import Sampling

NUCLEUS = 256
"""How many of the likeliest tokens are sorted first. At top-p 0.9 they nearly always hold the
nucleus; sorting all 262,144 of Gemma's at every step costs more than the model itself."""


def draw_rows(
    scores: Tensor, warmth: Tensor | float, nucleus: Tensor | float, dice: Sequence[torch.Generator]
) -> Tensor:
    """Draw a token for every row by temperature and top-p, with one uniform number a row.

    Source: A. Holtzman et al., "The Curious Case of Neural Text Degeneration" (2020), nucleus
    sampling; the inverse of the cumulative distribution draws from it.

    Args:
        scores: Shape (rows, vocabulary), in float32.
        warmth: Temperatures above 0: one for all, or shape (rows, 1).
        nucleus: Top-p: one for all, or shape (rows, 1).
        dice: One a row; what a row draws does not depend on its neighbours, but for what rounding
            makes of them.

    Returns:
        Tokens, shape (rows, 1).
    """
    wide = scores / warmth
    total = wide.logsumexp(dim=-1, keepdim=True)
    top, tokens = wide.topk(min(NUCLEUS, wide.shape[-1]), dim=-1)
    chances = (top - total).exp()
    if bool((chances.sum(dim=-1, keepdim=True) < nucleus).any()):
        top, tokens = wide.sort(dim=-1, descending=True)
        chances = (top - total).exp()
    # A token is in the nucleus where the likelier ones do not yet reach top-p; the first is.
    kept = chances * (chances.cumsum(dim=-1) - chances < nucleus)
    reach = kept.cumsum(dim=-1)
    thrown = torch.stack([torch.rand((), generator=one) for one in dice]).to(scores.device)
    place = (reach <= thrown.unsqueeze(-1) * reach[:, -1:]).sum(dim=-1, keepdim=True)
    last = (kept > 0).sum(dim=-1, keepdim=True) - 1
    return tokens.gather(-1, torch.minimum(place, last))


class DrawEach(LogitsProcessor):  # type: ignore[misc]
    """Chooses the next token of every row as `draw_rows` does.

    It leaves one finite score a row, so that a greedy search takes just that token.

    Args:
        sampling: Temperature above 0, and top-p.
        seeds: One a row.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int]) -> None:
        self._temperature = sampling.temperature
        self._top_p = sampling.top_p
        self._dice = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 (generate names both)
        """Leave the drawn token's score alone; shape (rows, vocabulary), before and after."""
        drawn = draw_rows(scores.float(), self._temperature, self._top_p, self._dice)
        return torch.full_like(scores, -torch.inf).scatter(-1, drawn, 0.0)
