"""Conversations as tokens: made once, kept in one file, read as flat arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from exagirl.artifact import file_faults, make_folder
from exagirl.chatmodel.encoding import (
    HIDDEN,
    Conversation,
    Encoded,
    Tokenizer,
    encode_conversation,
)
from exagirl.errors import ModelError

Row = dict[str, Tensor]
"""``input_ids`` and ``labels`` of one conversation, each of shape (tokens,), int64."""

LAYOUT = 1
"""The form of the cached file; another number makes all of them stale."""
ARRAYS = ("token_ids", "is_reply", "starts", "positions", "turns_cut")


@dataclass(frozen=True)
class Rows:
    """Many conversations as tokens."""

    token_ids: Tensor
    """All tokens, one conversation after the other, shape (tokens,), int32."""
    is_reply: Tensor
    """True where the character speaks, same shape."""
    starts: Tensor
    """Where each conversation begins, and the end of the last, shape (rows + 1,), int64."""
    positions: Tensor
    """Where each stood in its dataset, from 0, shape (rows,), int64."""
    turns_cut: Tensor
    """Turns that each lost at the front to fit, shape (rows,), int64."""
    subsets: tuple[str, ...]
    """The subset that each came from."""
    without_reply: int = 0
    """How many conversations were left out because the character never speaks in them."""

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def lengths(self) -> Tensor:
        """Tokens of each conversation, shape (rows,), int64."""
        return self.starts.diff()

    @property
    def reply_lengths(self) -> Tensor:
        """Tokens of each conversation that are learned, shape (rows,), int64."""
        before = torch.nn.functional.pad(self.is_reply.to(torch.int64).cumsum(0), (1, 0))
        return before[self.starts].diff()

    def row(self, position: int) -> Row:
        """One conversation, with labels on the replies alone."""
        part = slice(int(self.starts[position]), int(self.starts[position + 1]))
        ids = self.token_ids[part].to(torch.int64)
        return {"input_ids": ids, "labels": torch.where(self.is_reply[part], ids, HIDDEN)}

    def name(self, position: int) -> str:
        """Where a person finds a conversation."""
        return f"{self.subsets[position]}의 {int(self.positions[position]) + 1}번째 대화"

    def pick(self, chosen: Sequence[int]) -> Rows:
        """Some of the conversations, in the given order."""
        parts = [slice(int(self.starts[i]), int(self.starts[i + 1])) for i in chosen]
        index = torch.tensor(chosen, dtype=torch.int64)
        return Rows(
            token_ids=torch.cat([self.token_ids[part] for part in parts] or [self.token_ids[:0]]),
            is_reply=torch.cat([self.is_reply[part] for part in parts] or [self.is_reply[:0]]),
            starts=_starts(self.lengths[index]),
            positions=self.positions[index],
            turns_cut=self.turns_cut[index],
            subsets=tuple(self.subsets[i] for i in chosen),
        )


def join_rows(parts: Sequence[Rows]) -> Rows:
    """The conversations of several sets, one set after the other."""
    return Rows(
        token_ids=torch.cat([part.token_ids for part in parts]),
        is_reply=torch.cat([part.is_reply for part in parts]),
        starts=_starts(torch.cat([part.lengths for part in parts])),
        positions=torch.cat([part.positions for part in parts]),
        turns_cut=torch.cat([part.turns_cut for part in parts]),
        subsets=tuple(name for part in parts for name in part.subsets),
        without_reply=sum(part.without_reply for part in parts),
    )


def encode_rows(
    tokenizer: Tokenizer,
    conversations: Sequence[Conversation],
    *,
    subset: str,
    max_length: int | None = None,
) -> Rows:
    """Tokenize conversations; those in which the character never speaks are left out.

    Raises:
        ModelError: There is no conversation, none has a reply, or the last exchange of one does
            not fit into ``max_length``; the message names it.
    """
    if not conversations:
        raise ModelError(
            f"{subset}: 대화가 한 편도 없습니다. generation.subsets에서 {subset}의 dialogues를 "
            "늘리고 'exagirl generate'부터 다시 실행하세요."
        )
    encoded: list[Encoded] = []
    positions: list[int] = []
    for position, messages in enumerate(conversations):
        if all(message["role"] != "assistant" for message in messages):
            continue
        try:
            encoded.append(encode_conversation(tokenizer, messages, max_length))
        except ModelError as error:
            raise ModelError(f"{subset}의 {position + 1}번째 대화: {error}") from error
        positions.append(position)
    if not encoded:
        raise ModelError(
            f"{subset}: 대화 {len(conversations)}편 어디에도 캐릭터의 답이 없어 배울 것이 "
            "없습니다. 데이터셋의 messages에 role이 assistant인 차례가 있는지 보세요."
        )
    return Rows(
        token_ids=torch.tensor([i for row in encoded for i in row.token_ids], dtype=torch.int32),
        is_reply=torch.tensor([label != HIDDEN for row in encoded for label in row.labels]),
        starts=_starts(torch.tensor([len(row.token_ids) for row in encoded])),
        positions=torch.tensor(positions),
        turns_cut=torch.tensor([row.turns_cut for row in encoded]),
        subsets=(subset,) * len(encoded),
        without_reply=len(conversations) - len(encoded),
    )


def _starts(lengths: Tensor) -> Tensor:
    return torch.nn.functional.pad(lengths.cumsum(0), (1, 0))


def cached_rows(path: Path, key: str, subset: str, make: Callable[[], Rows]) -> Rows:
    """Rows from a file, or made anew and written to it when it is missing, damaged or stale.

    Args:
        path: A safetensors file.
        key: A hash of everything that the tokens depend on; a file of another key is stale.
        subset: The subset that all rows come from.
        make: Makes the rows.
    """
    found = _read(path, key, subset)
    if found is not None:
        return found
    rows = make()
    make_folder(path.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    facts = {"key": key, "without_reply": str(rows.without_reply)}
    with file_faults(path):
        save_file({name: getattr(rows, name) for name in ARRAYS}, aside, metadata=facts)
        aside.replace(path)
    return rows


def _read(path: Path, key: str, subset: str) -> Rows | None:
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            if facts.get("key") != key:
                return None
            arrays = {name: file.get_tensor(name) for name in ARRAYS}
            rows = Rows(**arrays, subsets=(), without_reply=int(facts["without_reply"]))
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return replace(rows, subsets=(subset,) * len(rows))
