"""How many tokens a recipe trains on, what that takes in FLOP, and how fast this machine is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from exagirl.dialogue.records import Slot
from exagirl.record import Record
from exagirl.training.memory.shape import ModelShape
from exagirl.training.options import LoraOptions, StageOptions, TrainingOptions

EXCHANGE_TOKENS = 68
"""Of one exchange, both sides. Measured on the 400 dialogues that ship, with Gemma 3's tokenizer:
67 and 68 on average, 117 in the longest."""
LONGEST_EXCHANGE_TOKENS = 118
REPLY_SHARE = 0.6
"""Of an exchange's tokens, those that the character speaks. Measured there: 0.57 and 0.64."""
UTILISATION = 0.5
"""Of the matmul rate, what training reaches. Measured on one CPU core, in the five trainings of
docs/scaling.md: 0.38 to 0.59. Not measured on a GPU."""
_MEASURING_S = 0.4
_SIDE = {"cpu": 1024}
_SIDE_ELSEWHERE = 8192


class StageWork(Record):
    """What one stage goes through, padding left out."""

    stage: str
    rows: int
    """Dialogues, every time they are seen."""
    tokens: int
    reply_tokens: int


class Workload(Record):
    """What all stages go through."""

    stages: tuple[StageWork, ...]
    longest_row: int
    """Tokens of the longest row that is expected, at most ``training.max_length``."""

    @property
    def tokens(self) -> int:
        """Tokens of all stages."""
        return sum(stage.tokens for stage in self.stages)

    @property
    def reply_tokens(self) -> int:
        """Tokens of all stages that carry a label."""
        return sum(stage.reply_tokens for stage in self.stages)


def plan_work(
    options: TrainingOptions, slots: Sequence[Slot], *, system_tokens: int, train_share: float
) -> Workload:
    """Guess from the plan of the dialogues what training goes through.

    Args:
        options: The stages.
        slots: All dialogues that are ordered, with their turns.
        system_tokens: Length of the system prompt that opens every row.
        train_share: Share of the dialogues that is not kept for validation.
    """
    most = options.max_length
    longest = max(slot.turns for slot in slots) * LONGEST_EXCHANGE_TOKENS + system_tokens
    stages = []
    for stage in options.stages:
        said = [slot.turns * EXCHANGE_TOKENS for slot in slots if slot.subset == stage.data]
        rows = _rows(stage, round(len(said) * train_share))
        each = [min(most, system_tokens + length) for length in said]
        replies = [min(most - min(most, system_tokens), length) * REPLY_SHARE for length in said]
        stages.append(
            StageWork(
                stage=stage.name,
                rows=rows,
                tokens=round(rows * sum(each) / len(each)),
                reply_tokens=round(rows * sum(replies) / len(replies)),
            )
        )
    row = most if options.packing else min(most, longest)
    return Workload(stages=tuple(stages), longest_row=row)


def _rows(stage: StageOptions, dialogues: int) -> int:
    if stage.steps is not None:
        return stage.steps * stage.batch_size * stage.gradient_accumulation
    rows = dialogues * stage.epochs
    return round(rows / (1 - stage.replay.share) if stage.replay else rows)


def training_flop(shape: ModelShape, lora: LoraOptions, work: Workload) -> float:
    """Floating-point operations of training: 4 N + 6 N_lora a token.

    The base's weights are frozen: 2 N forward, 2 N for the gradient of the activations, none for
    the weights; the adapter takes all three. The output layer runs only where a label stands.

    Source: shared/EXAONE.md; Kaplan et al. 2020, section 2.1, for 2 N a forward pass.

    Raises:
        ModelError: A LoRA target is none of the base's layers.
    """
    per_token = 4 * shape.body + 6 * shape.adapter(lora)
    return float(work.tokens * per_token + work.reply_tokens * 4 * shape.head)


def measure_matmul(device: str, dtype: str) -> float:
    """Multiply square matrices for less than a second.

    Returns:
        The best rate seen, in FLOP a second.
    """
    import torch

    side = _SIDE.get(device, _SIDE_ELSEWHERE)
    left = torch.randn(side, side, device=device).to(getattr(torch, dtype))
    right, best = left.t().contiguous(), float("inf")
    _multiply(left, right)
    began = time.perf_counter()
    while time.perf_counter() - began < _MEASURING_S:
        start = time.perf_counter()
        _multiply(left, right)
        best = min(best, time.perf_counter() - start)
    return float(2 * side**3 / best)


def _multiply(left: object, right: object) -> None:
    """One product, waited for: reading a number of the result waits for the device."""
    product = left @ right  # type: ignore[operator]
    product[0, 0].item()
