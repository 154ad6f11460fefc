"""A model that computes from its files, a few rows of one layer at a time.

The modules are transformers' own, built without memory; only linear layers and embedding tables
fetch their numbers when they are used. What an adapter adds is computed on the activations, as
``W x + s · B (A x)``, which is another way than the one that merging takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from exagirl.errors import ModelError
from exagirl.export.adapters import Adapter, Share, shares_of
from exagirl.export.base_weights import empty_model, names_in_model
from exagirl.export.safetensors_stream import Stored, Workspace, read_rows, row_pieces
from exagirl.training.exaone import HEAD

LEFT_BEHIND = ("inv_freq", "masked_bias", ".attn.bias")
"""Endings of tensors that old checkpoints carry and no model reads."""


class StreamedModel:
    """A causal language model in float32, of which a few rows are in memory at any time."""

    def __init__(
        self,
        folder: Path,
        config: Any,
        stored: Mapping[str, Stored],
        adapters: Sequence[Adapter] = (),
    ) -> None:
        """Connect the modules that a configuration describes with the tensors of files.

        Args:
            folder: Named in messages.
            config: Of transformers.
            stored: The tensors, under their names in a checkpoint.
            adapters: What is added to the linear layers.

        Raises:
            ModelError: A tensor is absent, of another shape, or unknown to the model.
        """
        self._model, self._folder = empty_model(config), folder
        places = names_in_model(self._model, stored)
        self.stored = {places[name]: tensor for name, tensor in stored.items()}
        self._check_names()
        self.traces: dict[str, Tensor] = {}
        """Layer to what it gave at the last token of each prompt, in the order of computing."""
        self._places: Tensor | None = None
        self._work = Workspace()
        head = self._model.get_output_embeddings()
        for name, module in self._model.named_modules():
            if isinstance(module, nn.Linear):
                shares = shares_of(adapters, name)
                self._connect_linear(name, module, shares, is_head=module is head)
            elif isinstance(module, nn.Embedding):
                self._connect_embedding(name, module)
            else:
                self._load(name, module)

    def logits(self, rows: Sequence[Sequence[int]], count: int) -> list[Tensor]:
        """What the model makes of prompts.

        Args:
            rows: Prompts as tokens; they may differ in length.
            count: For how many of the last tokens of each.

        Returns:
            For each prompt float32 logits, shape (at most count, vocabulary).
        """
        longest = max(map(len, rows))
        # Padding stands on the right, and attention looks to the left: no mask is needed.
        ids = torch.tensor([[*row, *[row[-1]] * (longest - len(row))] for row in rows])
        counts = [min(count, len(row)) for row in rows]
        self._places = torch.tensor(
            [[max(0, len(row) - 1 - back) for back in range(count - 1, -1, -1)] for row in rows]
        )
        self.traces.clear()
        with torch.no_grad():
            found = self._model(input_ids=ids, use_cache=False).logits
        return [one[count - kept :] for one, kept in zip(found, counts, strict=True)]

    def _check_names(self) -> None:
        wanted = {name: tuple(tensor.shape) for name, tensor in self._model.state_dict().items()}
        if HEAD in wanted and HEAD not in self.stored and self._is_tied():
            del wanted[HEAD]
        unknown = self.stored.keys() - wanted.keys()
        for what, names in (
            ("없는", sorted(wanted.keys() - self.stored.keys())),
            ("모르는", sorted(name for name in unknown if not name.endswith(LEFT_BEHIND))),
            (
                "크기가 다른",
                sorted(n for n in wanted.keys() & self.stored if wanted[n] != self.stored[n].shape),
            ),
        ):
            if names:
                raise ModelError(
                    f"{self._folder}: config.json의 모델에 {what} 텐서가 {len(names)}개 있습니다"
                    f"({', '.join(names[:3])}). config.json과 가중치가 같은 모델의 것인지 보세요."
                )

    def _is_tied(self) -> bool:
        return bool(self._model.config.get_text_config().tie_word_embeddings)

    def _find(self, name: str) -> Stored:
        if name == HEAD and name not in self.stored:
            table = self._model.get_input_embeddings()
            name = next(f"{n}.weight" for n, m in self._model.named_modules() if m is table)
        return self.stored[name]

    def _load(self, name: str, module: nn.Module) -> None:
        """Fill the small parts (norms) for good."""
        for part in [n for n, _ in module.named_parameters(recurse=False)]:
            tensor = read_rows(self._find(f"{name}.{part}")).float()
            setattr(module, part, nn.Parameter(tensor, requires_grad=False))
        for part, buffer in module.named_buffers(recurse=False):
            if f"{name}.{part}" in self.stored:
                buffer.copy_(read_rows(self.stored[f"{name}.{part}"]).to(buffer.dtype))

    def _connect_embedding(self, name: str, module: Any) -> None:
        stored, empty = self._find(f"{name}.weight"), module.weight
        module.padding_idx = None  # matters for gradients only, and would lie beyond the rows

        def fetch(_: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
            tokens, places = inputs[0].unique(return_inverse=True)
            rows = [read_rows(stored, token, token + 1) for token in tokens.tolist()]
            module.weight = nn.Parameter(torch.cat(rows).float(), requires_grad=False)
            return (places,)

        def drop(*_: Any) -> None:
            module.weight = empty

        module.register_forward_pre_hook(fetch)
        module.register_forward_hook(drop)

    def _connect_linear(
        self, name: str, module: Any, shares: Sequence[Share], *, is_head: bool
    ) -> None:
        stored = self._find(f"{name}.weight")
        bias = None
        if module.bias is not None:
            bias = read_rows(self._find(f"{name}.bias")).float()

        def forward(x: Tensor) -> Tensor:
            assert self._places is not None
            batch = torch.arange(len(self._places))
            if is_head:
                x = x[batch[:, None], self._places]
            y = _linear(x, stored, shares, self._work)
            y = y if bias is None else y + bias
            if not is_head and y.ndim == 3:
                self.traces[name] = y[batch, self._places[:, -1]]
            return y

        module.forward = forward


def _linear(x: Tensor, stored: Stored, shares: Sequence[Share], work: Workspace) -> Tensor:
    narrowed = [nn.functional.linear(x, share.down) for share in shares]
    parts = []
    for first, last in row_pieces(stored):
        weight = work.rows_of(stored, first, last)
        plain = nn.functional.linear(x, weight)
        part = plain
        for share, narrow in zip(shares, narrowed, strict=True):
            up = share.up(first, last)
            added = share.scale * nn.functional.linear(narrow, up)
            if share.is_dora:
                norms = torch.linalg.vector_norm(weight + share.scale * (up @ share.down), dim=1)
                lengths = share.lengths(first, last).reshape(-1)
                added = (plain + added) * (lengths / norms) - plain
            part = part + share.weight * added
        parts.append(part)
    return torch.cat(parts, dim=-1)
