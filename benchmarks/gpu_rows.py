"""Rows and batches for gpu_training.py: real lengths, random tokens, padded or packed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import torch
from corpus_tokens import corpus, system_prompt, train_tokenizer
from torch.nn.utils.rnn import pad_sequence

from exagirl.chatmodel.encoding import HIDDEN, encode_conversation
from exagirl.training.base_model import give_template

TOKENS_A_LETTER, DIALOGUES_A_STEP, SEED = 0.6, 16, 7


def lengths_of_corpus(count: int, longest: int) -> list[list[tuple[bool, int]]]:
    """Dialogues as runs of tokens: whether the character speaks, and how many tokens."""
    system = system_prompt("full")
    dialogues = corpus()
    texts = [system, *(turn.content for one in dialogues for turn in one.turns)]
    tokenizer = give_template(train_tokenizer(texts), system)
    letters = sum("가" <= letter <= "힣" for text in texts for letter in text)
    stretch = TOKENS_A_LETTER * letters / sum(len(ids) for ids in tokenizer(texts)["input_ids"])
    rows = []
    for dialogue in random.Random(SEED).sample(dialogues, count):
        messages = [
            {"role": "system", "content": system},
            *(t.model_dump() for t in dialogue.turns),
        ]
        labels = encode_conversation(tokenizer, messages).labels
        runs = groupby(label != HIDDEN for label in labels)
        row = [(spoken, max(1, round(stretch * len(list(run))))) for spoken, run in runs]
        rows.append(row if sum(size for _, size in row) <= longest else row[:3])
    return rows


class Row(NamedTuple):
    """One dialogue as random tokens."""

    ids: torch.Tensor
    labels: torch.Tensor


def random_rows(runs: Sequence[Sequence[tuple[bool, int]]], vocabulary: int) -> list[Row]:
    """Rows of the given lengths."""
    dice = torch.Generator().manual_seed(SEED)
    rows = []
    for row in runs:
        ids = torch.randint(1, vocabulary, (sum(size for _, size in row),), generator=dice)
        spoken = torch.cat([torch.full((size,), speaks) for speaks, size in row])
        rows.append(Row(ids, torch.where(spoken, ids, HIDDEN)))
    return rows


class Batch(NamedTuple):
    """One micro-batch on the device."""

    inputs: dict[str, Any]
    labels: torch.Tensor
    dialogues: int
    tokens: int
    replies: int


def batches(rows: Sequence[Row], form: str, capacity: int, device: str) -> Iterator[Batch]:
    """Rows one by one, beside 15 of like length, or one after the other up to ``capacity``.

    Args:
        rows: What to put together.
        form: ``one``, ``padded``, ``masked`` (padded, with a mask), ``packed`` or ``varlen``
            (packed, with the boundaries that `attend_varlen` wants).
        capacity: Tokens of a pack.
        device: Where the batches lie.
    """
    groups = [[row] for row in rows]
    if form in ("padded", "masked"):
        ordered = sorted(rows, key=lambda row: len(row.ids))
        groups = [ordered[i : i + DIALOGUES_A_STEP] for i in range(0, len(rows), DIALOGUES_A_STEP)]
    elif form in ("packed", "varlen"):
        groups = first_fit(rows, capacity)
    random.Random(SEED).shuffle(groups)
    for group in groups:
        make = packed if form in ("packed", "varlen") else padded
        inputs, labels = make(group, form)
        yield Batch(
            {name: on(value, device) for name, value in inputs.items()},
            labels.to(device),
            dialogues=len(group),
            tokens=sum(len(row.ids) for row in group),
            replies=sum(int((row.labels != HIDDEN).sum()) for row in group),
        )


def on(value: Any, device: str) -> Any:
    """A tensor on the device; a number as it is."""
    return value.to(device) if isinstance(value, torch.Tensor) else value


def first_fit(rows: Sequence[Row], capacity: int) -> list[list[Row]]:
    """Rows in packs of at most ``capacity`` tokens, longest first into the first with room."""
    packs: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: -len(row.ids)):
        room = (p for p in packs if sum(len(r.ids) for r in p) + len(row.ids) <= capacity)
        next(room, None) or packs.append([])
        next(p for p in packs if sum(len(r.ids) for r in p) + len(row.ids) <= capacity).append(row)
    return packs


def padded(rows: Sequence[Row], form: str) -> tuple[dict[str, Any], torch.Tensor]:
    """Rows beside each other."""
    pad = partial(pad_sequence, batch_first=True)
    inputs = {"input_ids": pad([row.ids for row in rows])}
    if form == "masked":
        inputs["attention_mask"] = pad([torch.ones_like(row.ids) for row in rows])
    return inputs, pad([row.labels for row in rows], padding_value=HIDDEN)


def packed(rows: Sequence[Row], form: str) -> tuple[dict[str, Any], torch.Tensor]:
    """Rows after each other; what tells them apart goes along."""
    labels = torch.cat(
        [torch.cat([row.labels.new_tensor([HIDDEN]), row.labels[1:]]) for row in rows]
    )
    inputs: dict[str, Any] = {
        "input_ids": torch.cat([row.ids for row in rows])[None],
        "position_ids": torch.cat([torch.arange(len(row.ids)) for row in rows])[None],
    }
    if form == "varlen":
        sizes = [0, *(len(row.ids) for row in rows)]
        inputs["starts"] = torch.tensor(sizes).cumsum(0).to(torch.int32)
        inputs["longest"] = max(sizes)
    return inputs, labels[None]


def attend_varlen(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **told: Any
) -> tuple[torch.Tensor, None]:
    """Causal attention inside each dialogue of a pack, without any mask.

    On a CPU, where PyTorch has no such kernel, dialogue by dialogue: slow, but the same numbers.
    """
    starts, longest, scale = told["starts"], told["longest"], module.scaling
    if query.device.type == "cuda":
        from torch.nn.attention.varlen import varlen_attn

        flat = (one[0].transpose(0, 1).contiguous() for one in (query, key, value))
        window = {"window_size": (-1, 0), "scale": scale, "enable_gqa": True}
        return varlen_attn(*flat, starts, starts, longest, longest, **window)[None], None
    attend = partial(
        torch.nn.functional.scaled_dot_product_attention,
        is_causal=True,
        enable_gqa=True,
        scale=scale,
    )
    sizes = starts.diff().tolist()
    parts = zip(*(one.split(sizes, dim=2) for one in (query, key, value)), strict=True)
    return torch.cat([attend(*part) for part in parts], dim=2).transpose(1, 2), None
