"""Rows side by side, or one after the other, as one batch of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from exagirl.chatmodel.encoding import HIDDEN
from exagirl.training.rows import Row


def collate(rows: Sequence[Mapping[str, Sequence[int] | Tensor]], pad: int) -> dict[str, Tensor]:
    """Pad rows on the right to one width.

    Returns:
        ``input_ids``, ``labels`` and ``attention_mask``, each of shape (rows, tokens), int64.
    """
    ids = [torch.as_tensor(row["input_ids"]) for row in rows]
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad),
        "labels": pad_sequence(
            [torch.as_tensor(row["labels"]) for row in rows],
            batch_first=True,
            padding_value=HIDDEN,
        ),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
    }


def collate_packs(packs: Sequence[Sequence[Row]], pad: int) -> dict[str, Tensor]:
    """Write the rows of each pack one after the other, and pad the packs to one width.

    No row sees another: positions begin anew with each, and from that transformers makes a
    block-diagonal mask as long as there is neither an attention mask nor a cache. The first label
    of a row is hidden, since nothing before it is its own.

    Returns:
        ``input_ids``, ``labels`` and ``position_ids``, each of shape (packs, tokens), int64.
    """
    joined: dict[str, list[Tensor]] = {"input_ids": [], "labels": [], "position_ids": []}
    for pack in packs:
        joined["input_ids"].append(torch.cat([row["input_ids"] for row in pack]))
        joined["labels"].append(
            torch.cat(
                [torch.cat([row["labels"].new_tensor([HIDDEN]), row["labels"][1:]]) for row in pack]
            )
        )
        joined["position_ids"].append(torch.cat([torch.arange(len(row["labels"])) for row in pack]))
    fillers = {"input_ids": pad, "labels": HIDDEN, "position_ids": 0}
    return {
        name: pad_sequence(joined[name], batch_first=True, padding_value=filler)
        for name, filler in fillers.items()
    }
