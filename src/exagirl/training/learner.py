"""What learns, as one module whose forward pass is the loss on replies."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from exagirl.chatmodel.reply_loss import reply_loss


class Learner(torch.nn.Module):  # type: ignore[misc]
    """A base with its adapter; called, it gives the loss.

    DDP and FSDP act where a module is called. The loss takes the model apart (the output layer runs
    only where a label stands), so all of that has to happen inside one call of one module.

    Args:
        adapted: The model with its adapter on.
    """

    def __init__(self, adapted: Any) -> None:
        super().__init__()
        self.adapted = adapted
        self.config = adapted.config

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(self.adapted.device)

    @property
    def _no_split_modules(self) -> Any:
        """Names of the layers that FSDP wraps one by one."""
        return self.adapted._no_split_modules

    def in_dtype(self) -> AbstractContextManager[Any]:
        """Compute in the base's dtype; the adapter's weights are float32."""
        weight = self.adapted.get_input_embeddings().weight
        context: AbstractContextManager[Any] = torch.autocast(
            weight.device.type, weight.dtype, enabled=weight.dtype != torch.float32
        )
        return context

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The summed loss of a batch, padded or packed, in nats, and how many tokens it is of."""
        with self.in_dtype():
            return reply_loss(self.adapted, input_ids, labels, attention_mask, position_ids)
