"""Rows of a batch in which each reply has its own length, sampling and dice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from exagirl.chatmodel.local_draw import draw_rows
from exagirl.chatmodel.sampling import Sampling

WINDOW_TOKENS = 16
UNSURE_LETTERS = 3
"""Bytes of a letter that is not whole show as up to three replacement characters."""
REPLACEMENT = "�"


class Lane:
    """One reply that is under way.

    Args:
        ticket: Its name.
        prompt: The tokens before it.
        sampling: How it is drawn; the seed in it is not used.
        seed: Of its own dice.
        tokenizer: Makes text of its tokens.
    """

    def __init__(
        self, ticket: int, prompt: list[int], sampling: Sampling, seed: int, tokenizer: Any
    ) -> None:
        self.ticket = ticket
        self.prompt = prompt
        self.sampling = sampling
        self.dice = torch.Generator().manual_seed(seed)
        self.said: list[int] = []
        self.speech = Speech(tokenizer)
        self.finish: str | None = None
        self.cache: Any = None
        self.read_tokens = 0
        self.known_tokens = 0
        self.history = torch.empty(len(prompt) + sampling.max_new_tokens, dtype=torch.long)
        self.history[: len(prompt)] = torch.tensor(prompt)

    @property
    def unread(self) -> list[int]:
        """Tokens of the prompt that the model has not seen."""
        return self.prompt[self.read_tokens :]

    @property
    def length(self) -> int:
        """Tokens of prompt and reply."""
        return len(self.prompt) + len(self.said)

    def take(self, token: int, *, is_end: bool) -> None:
        """Add a drawn token; it may be the last."""
        self.history[self.length] = token
        self.said.append(token)
        if is_end:
            self.finish = "stop"
        else:
            self.speech.add(token)
            if len(self.said) >= self.sampling.max_new_tokens:
                self.finish = "length"


class Speech:
    """Text of tokens that come one by one; a letter whose bytes are not all there is kept back."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._window: list[int] = []
        self._shown = 0

    def add(self, token: int) -> None:
        """Take the next token."""
        self._window.append(token)

    def text(self, *, is_last: bool = False) -> str:
        """What has become readable since the last call; the rest too where nothing follows."""
        text: str = self._tokenizer.decode(self._window, skip_special_tokens=True)
        sure = len(text)
        while (
            not is_last
            and text[:sure].endswith(REPLACEMENT)
            and len(text) - sure < (UNSURE_LETTERS)
        ):
            sure -= 1
        fresh = text[self._shown : sure]
        self._shown = max(self._shown, sure)
        if sure == len(text) and len(self._window) > WINDOW_TOKENS:
            # The last token stays: how some tokenizers write a word depends on what is before it.
            self._window = self._window[-1:]
            rest: str = self._tokenizer.decode(self._window, skip_special_tokens=True)
            self._shown = len(rest)
        return fresh


def draw_each(logits: Tensor, lanes: Sequence[Lane]) -> list[int]:
    """Draw the next token of every lane by its own temperature, top-p, penalty and dice.

    Args:
        logits: Scores, shape (lanes, vocabulary).
        lanes: Whose they are.

    Source: N. S. Keskar et al., "CTRL" (2019), the penalty on tokens that were there before.
    """
    scores = logits.float()
    if any(lane.sampling.repetition_penalty != 1.0 for lane in lanes):
        scores = _penalised(scores, lanes)
    likeliest = scores.argmax(dim=-1).tolist()
    drawing = [at for at, lane in enumerate(lanes) if lane.sampling.temperature > 0]
    if drawing:
        chosen = scores if len(drawing) == len(lanes) else scores[drawing]
        drawn = _by_dice(chosen, [lanes[at] for at in drawing])
        for at, token in zip(drawing, drawn, strict=True):
            likeliest[at] = token
    return [int(token) for token in likeliest]


def _penalised(scores: Tensor, lanes: Sequence[Lane]) -> Tensor:
    scores = scores.clone()
    for row, lane in enumerate(lanes):
        seen = lane.history[: lane.length].to(scores.device)
        before = scores[row, seen]
        strength = lane.sampling.repetition_penalty
        scores[row, seen] = torch.where(before < 0, before * strength, before / strength)
    return scores


def _by_dice(scores: Tensor, lanes: Sequence[Lane]) -> list[int]:
    warmth = torch.tensor([[lane.sampling.temperature] for lane in lanes], device=scores.device)
    nucleus = torch.tensor([[lane.sampling.top_p] for lane in lanes], device=scores.device)
    drawn = draw_rows(scores, warmth, nucleus, [lane.dice for lane in lanes])
    return [int(token) for token in drawn.squeeze(-1).tolist()]


def join_caches(caches: Sequence[Any]) -> DynamicCache:
    """Keys and values of several batches in one, each row at the right end."""
    columns = max(cache.get_seq_length() for cache in caches)
    layers = []
    for several in zip(*(cache.layers for cache in caches), strict=True):
        keys = [_widened(layer.keys, columns) for layer in several]
        values = [_widened(layer.values, columns) for layer in several]
        layers.append((torch.cat(keys), torch.cat(values)))
    return DynamicCache(layers)


def keep_rows(cache: Any, rows: Sequence[int], columns: int) -> None:
    """Keep some rows of a cache, and of these the last columns."""
    for layer in cache.layers:
        at = torch.tensor(rows, device=layer.keys.device)
        layer.keys = layer.keys.index_select(0, at)[:, :, -columns:]
        layer.values = layer.values.index_select(0, at)[:, :, -columns:]


def _widened(side: Tensor, columns: int) -> Tensor:
    missing = columns - side.shape[-2]
    return pad(side, (0, 0, missing, 0)) if missing else side
