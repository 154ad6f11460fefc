"""Replies that run side by side and begin and end each at its own time (continuous batching).

Every step gives every running reply one token. A reply that is new is read in pieces between the
steps and then takes its place beside the others; one that is done leaves at once.

Source: G. Yu et al., "Orca: A Distributed Serving System for Transformer-Based Generative Models"
(2022), iteration-level scheduling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from exagirl.chatmodel.encoding import Conversation, encode_prompt
from exagirl.chatmodel.local import LocalModel
from exagirl.chatmodel.local_memory import PromptMemory, cache_name, has_plain_attention, row_of
from exagirl.chatmodel.local_rows import Lane, draw_each, join_caches, keep_rows
from exagirl.chatmodel.sampling import Sampling

READ_TOKENS = 256
"""Tokens of new prompts that are read between two steps; running replies wait no longer."""


class Spoken(NamedTuple):
    """What one step gave one reply."""

    ticket: int
    text: str
    """What can be shown; may be empty while a letter is not whole."""
    finish: str | None
    """``stop`` or ``length`` with the last piece."""
    tokens: int
    """How many tokens the reply has by now, with the one that ends it."""
    known_tokens: int
    """How many of the prompt's tokens were known from earlier turns and not read again."""


class SlotModel:
    """A loaded model that speaks several replies side by side. Not safe for several threads.

    What a reply says depends on its prompt, its sampling and its seed alone, whatever runs beside
    it, but for what rounding makes of other neighbours.

    Args:
        model: A causal language model of transformers.
        tokenizer: Its tokenizer, with a chat template.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._argument = cache_name(model)
        self._memory = PromptMemory()
        self._is_plain = has_plain_attention(model)
        self._ends = _ends_of(model, tokenizer)
        self._tickets = 0
        self._reading: list[Lane] = []
        self._running: list[Lane] = []
        self._cache: Any = None

    @classmethod
    def of(cls, local: LocalModel) -> SlotModel:
        """The same weights as a model that is loaded already."""
        return cls(local._model, local._tokenizer)

    @property
    def can_share(self) -> bool:
        """Whether replies can run side by side; otherwise one at a time."""
        return self._is_plain

    @property
    def context_tokens(self) -> int | None:
        """Prompt and reply together; None where the model does not say."""
        config = self._model.config.get_text_config()
        found = getattr(config, "max_position_embeddings", None)
        return int(found) if found else None

    @property
    def is_idle(self) -> bool:
        """True where there is nothing to do."""
        return not self._reading and not self._running

    def prompt_tokens(self, messages: Conversation) -> list[int]:
        """The exact tokens that the model is given before it speaks. Any thread may ask."""
        return encode_prompt(self._tokenizer, messages)

    def join(self, prompt: Sequence[int], sampling: Sampling, seed: int) -> int:
        """Begin a reply.

        Returns:
            A ticket, by which `advance` names the reply.
        """
        self._tickets += 1
        lane = Lane(self._tickets, list(prompt), sampling, seed, self._tokenizer)
        self._reading.append(lane)
        return lane.ticket

    def leave(self, ticket: int) -> None:
        """End a reply that nobody wants any more; what it read is remembered."""
        self._reading = [lane for lane in self._reading if lane.ticket != ticket]
        gone = {at for at, lane in enumerate(self._running) if lane.ticket == ticket}
        self._drop(gone)

    def clear(self) -> None:
        """End every reply, as after a fault."""
        self._reading, self._running, self._cache = [], [], None

    def advance(self) -> list[Spoken]:
        """Read a piece of what is new, and give every running reply its next token."""
        with torch.inference_mode():
            said = self._step() if self._running else []
            return [*said, *self._read()]

    # Reading prompts.

    def _read(self) -> list[Spoken]:
        left, done, scores = READ_TOKENS, [], []
        if not self._is_plain and self._running:
            return []
        while self._reading and left > 0:
            lane = self._reading[0]
            if lane.cache is None:
                self._recall(lane)
            piece = lane.unread[: left if self._is_plain else None]
            logits = self._forward(torch.tensor([piece]), lane.cache, start=lane.read_tokens)
            lane.read_tokens += len(piece)
            left -= len(piece)
            if not lane.unread:
                done.append(self._reading.pop(0))
                scores.append(logits)
                if self._is_plain:
                    self._memory.keep(lane.prompt, row_of(lane.cache, 0, 0, len(lane.prompt)))
                else:
                    break
        if not done:
            return []
        self._join(done)
        return self._said(done, torch.cat(scores))

    def _recall(self, lane: Lane) -> None:
        known = self._memory.recall([lane.prompt]) if self._is_plain else None
        lane.cache = known or (
            DynamicCache() if self._is_plain else DynamicCache(config=self._model.config)
        )
        lane.read_tokens = lane.known_tokens = 0 if known is None else known.get_seq_length()

    def _join(self, lanes: list[Lane]) -> None:
        if self._is_plain:
            caches = [lane.cache for lane in lanes]
            self._cache = join_caches([self._cache, *caches] if self._running else caches)
        else:
            self._cache = lanes[0].cache
        for lane in lanes:
            lane.cache = None
        self._running += lanes

    # Speaking.

    def _step(self) -> list[Spoken]:
        tokens = torch.tensor([[lane.said[-1]] for lane in self._running])
        positions = torch.tensor([[lane.length - 1] for lane in self._running])
        columns = max(lane.length for lane in self._running)
        mask = None
        if any(lane.length < columns for lane in self._running):
            starts = columns - positions - 1
            mask = (torch.arange(columns).unsqueeze(0) >= starts).long()
        logits = self._forward(tokens, self._cache, positions=positions, mask=mask)
        return self._said(self._running, logits)

    def _said(self, lanes: list[Lane], logits: Tensor) -> list[Spoken]:
        """Draw a token for each of the given lanes, which all run, and end what has ended."""
        drawn = draw_each(logits, lanes)
        said = []
        for lane, token in zip(lanes, drawn, strict=True):
            lane.take(token, is_end=token in self._ends)
            text = lane.speech.text(is_last=lane.finish is not None)
            said.append(Spoken(lane.ticket, text, lane.finish, len(lane.said), lane.known_tokens))
        self._drop({at for at, lane in enumerate(self._running) if lane.finish})
        return said

    def _drop(self, gone: set[int]) -> None:
        """Take rows out of the batch and remember what they read."""
        if not gone:
            return
        columns = self._cache.get_seq_length() if self._is_plain else 0
        for at in sorted(gone) if self._is_plain else ():
            lane = self._running[at]
            known = min(lane.length, columns)
            tokens = [*lane.prompt, *lane.said]
            # The newest token of a lane has not been read yet.
            read = min(len(tokens) - 1, known) if lane.said else known
            self._memory.keep(tokens[:read], row_of(self._cache, at, columns - read, columns))
        stay = [at for at in range(len(self._running)) if at not in gone]
        self._running = [self._running[at] for at in stay]
        if not stay:
            self._cache = None
        elif self._is_plain:
            longest = max(lane.length for lane in self._running) - 1
            keep_rows(self._cache, stay, longest)

    def _forward(
        self,
        tokens: Tensor,
        cache: Any,
        *,
        start: int = 0,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of the next token, shape (rows, vocabulary); ``cache`` grows."""
        if positions is None:
            positions = torch.arange(start, start + tokens.shape[1]).unsqueeze(0)
        device = self._model.device
        more = {self._argument: cache}
        if mask is not None:
            more["attention_mask"] = mask.to(device)
        out = self._model(
            input_ids=tokens.to(device),
            position_ids=positions.to(device),
            use_cache=True,
            logits_to_keep=1,
            **more,
        )
        scores: Tensor = out.logits[:, -1]
        return scores


def _ends_of(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end a reply."""
    found = model.generation_config.eos_token_id
    if found is None:
        found = tokenizer.eos_token_id
    return set(found) if isinstance(found, list) else {found}
