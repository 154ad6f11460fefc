"""Conversations as tokens, with the replies marked; the template is the tokenizer's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from exagirl.errors import ModelError
from exagirl.record import Record

HIDDEN = -100
"""The label of a token that stays out of the loss (`ignore_index` of PyTorch's cross entropy)."""

BREAKS = 8
"""Rounds in which tokens are broken; one is enough unless they overlap."""

Conversation = Sequence[dict[str, str]]


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is used here."""

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any:
        """Render and tokenize."""

    def __hash__(self) -> int:
        """By which one it is."""


class Encoded(Record):
    """One conversation as tokens."""

    token_ids: tuple[int, ...]
    labels: tuple[int, ...]
    """The token where the character speaks, `HIDDEN` elsewhere."""
    turns_cut: int = 0
    """How many turns were left out at the front to fit."""


def encode_conversation(
    tokenizer: Tokenizer, messages: Conversation, max_length: int | None = None
) -> Encoded:
    """Tokenize a conversation; labels stand on the replies and on the token that ends each.

    A conversation that is too long loses whole exchanges at the front, never the system message
    and never half a turn.

    Raises:
        ModelError: Nothing of the conversation fits, or the template marks no reply.
    """
    kept = list(messages)
    head = kept[:1] if kept and kept[0]["role"] == "system" else []
    turns = kept[len(head) :]
    cut = 0
    while turns:
        encoded = tokenizer.apply_chat_template(
            head + turns, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        ids, mask = encoded["input_ids"], encoded["assistant_masks"]
        if max_length is None or len(ids) <= max_length:
            labels = tuple(
                token if is_reply else HIDDEN for token, is_reply in zip(ids, mask, strict=True)
            )
            if all(label == HIDDEN for label in labels):
                raise ModelError("이 대화에는 캐릭터의 답이 없어 배울 것이 없습니다.")
            return Encoded(token_ids=tuple(ids), labels=labels, turns_cut=cut)
        lost = _first_exchange(turns)
        turns = turns[lost:]
        cut += lost
    raise ModelError(
        f"대화의 마지막 한 차례도 training.max_length({max_length}토큰)에 들어가지 않습니다. "
        "max_length를 늘리거나 dataset.system_prompt를 brief로 줄이세요."
    )


def _first_exchange(turns: Conversation) -> int:
    """How many turns stand before the user speaks anew."""
    for position in range(1, len(turns)):
        if turns[position]["role"] == "user" and turns[position - 1]["role"] != "user":
            return position
    return len(turns)


def encode_prompt(tokenizer: Tokenizer, messages: Conversation) -> list[int]:
    """Tokenize a conversation up to where the character is about to speak.

    Special tokens are the template's alone: what is written like one in a message is broken by a
    blank, so that nobody's words end a message or open another.
    """
    said, ids = list(messages), list[int]()
    for _ in range(BREAKS):
        encoded = tokenizer.apply_chat_template(
            said, tokenize=True, return_dict=True, add_generation_prompt=True
        )
        ids = list(encoded["input_ids"])
        special = _special_tokens(tokenizer)
        met = {special[token] for token in set(ids) & special.keys()}
        written = {mark for mark in met if any(mark in one["content"] for one in said)}
        if not written:
            break
        said = [one | {"content": _broken(one["content"], written)} for one in said]
    return ids


@lru_cache(maxsize=8)
def _special_tokens(tokenizer: Any) -> dict[int, str]:
    """Ids and texts of tokens that are no words; of Gemma 6,000, which take 5 ms to list."""
    found = getattr(tokenizer, "added_tokens_decoder", {})
    return {number: token.content for number, token in found.items() if token.special}


def _broken(text: str, marks: set[str]) -> str:
    # The longest first: one may be a part of another.
    for mark in sorted(marks, key=len, reverse=True):
        text = text.replace(mark, f"{mark[0]} {mark[1:]}" if len(mark) > 1 else " ")
    return text
