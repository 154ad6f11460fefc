"""What was read before is not read again: keys and values of earlier prompts, row by row.

Conversations of an evaluation share their system prompt, and each goes on from its own last turn.
Reading them anew costs more than the replies.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

BUDGET_BYTES = 512 * 1024**2
WORTH_TOKENS = 16
"""Fewer known tokens than these are read again."""

Layers = list[tuple[Tensor, Tensor]]
"""Keys and values of each layer, shape (heads, tokens, width)."""


class _Entry(NamedTuple):
    tokens: tuple[int, ...]
    layers: Layers

    @property
    def bytes(self) -> int:
        return sum(side.numel() * side.element_size() for pair in self.layers for side in pair)


def has_plain_attention(model: Any) -> bool:
    """True where a token's keys and values are all that later tokens see of it."""
    plain = (DynamicLayer, DynamicSlidingWindowLayer)
    try:
        layers = DynamicCache(config=model.config).layers
    except (AttributeError, KeyError, NotImplementedError, ValueError):
        return False
    return bool(layers) and all(type(layer) in plain for layer in layers)


def cache_name(model: Any) -> str:
    """How this release of transformers calls the argument that holds keys and values."""
    names = inspect.signature(model.forward).parameters
    return "cache" if "cache" in names else "past_key_values"


class PromptMemory:
    """Keys and values of prompts, the longest unused forgotten first."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget = budget_bytes
        self._entries: OrderedDict[tuple[int, ...], _Entry] = OrderedDict()

    def recall(self, prompts: Sequence[Sequence[int]]) -> DynamicCache | None:
        """What is known of a batch that will be padded on the left to its longest prompt.

        A batch is read in one piece, so of every row just so much is taken as known that all have
        the same number of tokens to read.

        Returns:
            None where too little is known to be worth it.
        """
        found = [self._nearest(prompt) for prompt in prompts]
        unread = max(
            len(prompt) - min(common, len(prompt) - 1)
            for prompt, (_, common) in zip(prompts, found, strict=True)
        )
        columns = max(map(len, prompts)) - unread
        entries = [entry for entry, _ in found]
        if columns < WORTH_TOKENS or not any(entries):
            return None
        sizes = [max(0, len(prompt) - unread) for prompt in prompts]
        return DynamicCache(_stack(entries, sizes, columns))

    def keep(self, tokens: Sequence[int], layers: Layers) -> None:
        """Remember the keys and values of some tokens; of more tokens than layers hold, the first.

        Args:
            tokens: What was read.
            layers: Shape (heads, at most so many tokens, width) each.
        """
        known = tuple(tokens[: layers[0][0].shape[-2]])
        for old in [old for old in self._entries if old == known[: len(old)]]:
            del self._entries[old]
        copied = [(keys.clone(), values.clone()) for keys, values in layers]
        self._entries[known] = _Entry(known, copied)
        while len(self._entries) > 1 and self._bytes() > self._budget:
            self._entries.popitem(last=False)

    def common(self, prompts: Sequence[Sequence[int]]) -> list[int]:
        """The tokens that all prompts begin with and that are not known yet; empty if few."""
        shared = list(prompts[0][: min(_agree(prompts[0], prompt) for prompt in prompts)])
        is_new = self._nearest(shared)[1] < len(shared)
        return shared if len(prompts) > 1 and len(shared) >= WORTH_TOKENS and is_new else []

    def _nearest(self, prompt: Sequence[int]) -> tuple[_Entry | None, int]:
        best, common, asked = None, 0, tuple(prompt)
        for entry in self._entries.values():
            agreed = _agree(entry.tokens, asked)
            if agreed > common:
                best, common = entry, agreed
        if best is not None:
            self._entries.move_to_end(best.tokens)
        return best, common

    def _bytes(self) -> int:
        return sum(entry.bytes for entry in self._entries.values())


def _agree(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    ours, theirs = tuple(one), tuple(other)
    alike, most = 0, min(len(ours), len(theirs))
    # By halves: slices are compared much faster than one token after the other.
    while alike < most:
        middle = (alike + most + 1) // 2
        if ours[alike:middle] == theirs[alike:middle]:
            alike = middle
        else:
            most = middle - 1
    return alike


def row_of(cache: Any, row: int, start: int, end: int) -> Layers:
    """Keys and values of one row of a cache, from one column to another."""
    return [
        (layer.keys[row, :, start:end], layer.values[row, :, start:end]) for layer in cache.layers
    ]


def _stack(
    entries: Sequence[_Entry | None], sizes: Sequence[int], columns: int
) -> list[tuple[Tensor, Tensor]]:
    """Rows side by side, each at the right end; shape (rows, heads, columns, width) a layer."""
    model = next(entry for entry in entries if entry is not None)
    stacked = []
    for number, pair in enumerate(model.layers):
        sides = []
        for which, like in enumerate(pair):
            heads, _, width = like.shape
            side = like.new_zeros(len(entries), heads, columns, width)
            for row, (entry, size) in enumerate(zip(entries, sizes, strict=True)):
                if entry is not None and size:
                    side[row, :, columns - size :] = entry.layers[number][which][:, :size]
            sides.append(side)
        stacked.append((sides[0], sides[1]))
    return stacked
