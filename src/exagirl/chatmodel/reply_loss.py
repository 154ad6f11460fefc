"""Cross entropy over the replies alone, without ever holding all logits.

The output layer of a small model with a large vocabulary is most of its work and most of its
memory. It runs here only where a label stands, a few positions at a time, and since it is frozen
its gradient with respect to the hidden states is computed in the same pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from exagirl.chatmodel.encoding import HIDDEN, Encoded
from exagirl.record import Record

CHUNK = {"cpu": 64}
"""Positions a step, by device; 64 keep Gemma's 262,144 logits under 70 MB in float32."""
CHUNK_ELSEWHERE = 1024


class ReplyLoss(Record):
    """How surprised a model was by given replies."""

    nats: float
    tokens: int

    @property
    def per_token(self) -> float:
        """Mean negative log-likelihood, in nats a token."""
        return self.nats / self.tokens


def reply_loss(
    model: Any,
    token_ids: Tensor,
    labels: Tensor,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Sum the loss over all labels.

    Args:
        model: A causal language model, with or without an adapter; its output layer is frozen.
        token_ids: Shape (conversations, tokens), int64.
        labels: Same shape; hidden positions hold -100.
        attention_mask: Same shape; 0 on padding.
        position_ids: Same shape; begin anew with each conversation where several are packed.

    Returns:
        The summed loss in nats, and how many tokens it was summed over; both 0-dimensional.
    """
    targets = labels[:, 1:]
    is_label = targets != HIDDEN
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    inputs: dict[str, Any] = {
        "input_ids": token_ids,
        "attention_mask": attention_mask,
        "use_cache": False,
    }
    if position_ids is not None:
        inputs["position_ids"] = position_ids
    if not _has_plain_head(plain):
        return _loss_of_logits(plain, inputs, targets), is_label.sum()
    hidden = plain.model(**inputs).last_hidden_state
    spoken = hidden[:, :-1][is_label]
    weight = plain.lm_head.weight
    chunk = CHUNK.get(token_ids.device.type, CHUNK_ELSEWHERE)
    nats: Tensor = _HeadLoss.apply(spoken.to(weight.dtype), weight, targets[is_label], chunk)
    return nats, is_label.sum()


def total_loss(model: Any, rows: Iterable[Encoded]) -> ReplyLoss:
    """How surprised a model is by the replies of conversations, taken one at a time."""
    nats, tokens = 0.0, 0
    with torch.inference_mode():
        for row in rows:
            total, count = reply_loss(
                model,
                torch.tensor([row.token_ids], device=model.device),
                torch.tensor([row.labels], device=model.device),
            )
            nats, tokens = nats + total.item(), tokens + int(count.item())
    return ReplyLoss(nats=nats, tokens=tokens)


def _has_plain_head(model: Any) -> bool:
    """True where logits are hidden states times one frozen matrix, and nothing else."""
    head = getattr(model, "lm_head", None)
    return (
        isinstance(head, torch.nn.Linear)
        and head.bias is None
        and not (head.weight.requires_grad and torch.is_grad_enabled())
        and hasattr(model, "model")
        and not any(
            getattr(model.config, name, None)
            for name in ("final_logit_softcapping", "logit_scale", "logits_scaling")
        )
    )


def _loss_of_logits(model: Any, inputs: dict[str, Any], targets: Tensor) -> Tensor:
    columns = (targets != HIDDEN).any(dim=0).nonzero().squeeze(1)
    logits = model(**inputs, logits_to_keep=columns).logits
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(),
        targets[:, columns].flatten(),
        ignore_index=HIDDEN,
        reduction="sum",
    )


class _HeadLoss(torch.autograd.Function):  # type: ignore[misc]
    """Summed cross entropy of ``hidden · weightᵀ``; the gradient is (softmax - onehot) · weight."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
        # None where a text is only read.
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        nats = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(hidden), chunk):
            part = slice(start, start + chunk)
            logits = (hidden[part] @ weight.t()).float()
            wanted = targets[part].unsqueeze(1)
            normaliser = logits.logsumexp(dim=1, keepdim=True)
            nats += (normaliser - logits.gather(1, wanted)).sum()
            if gradient is None:
                continue
            logits.sub_(normaliser).exp_()
            logits.scatter_add_(1, wanted, torch.full_like(wanted, -1, dtype=logits.dtype))
            gradient[part] = logits.to(weight.dtype) @ weight
        ctx.save_for_backward(gradient)
        return nats

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0].to(gradient.dtype), None, None, None
