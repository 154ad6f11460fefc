"""How much memory LoRA training and chatting take, part by part: by formula, without torch."""

from __future__ import annotations

from pydantic import Field

from exagirl.record import Record
from exagirl.training.memory.shape import ModelShape
from exagirl.training.options import TrainingOptions

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
MASTER = 4
"""Bytes of an adapter's weight: peft keeps adapters in float32."""
HEAD_ROWS = {"cpu": 64}
HEAD_ROWS_ELSEWHERE = 1024
"""Positions whose logits stand at once; as in `exagirl.chatmodel.reply_loss`."""
FOUR_BIT = 4.127 / 8
"""Bytes of a weight in NF4, doubly quantised. Source: QLoRA, arXiv:2305.14314, section 3."""
CHAT_TOKENS = 4096
"""How long a conversation `chat_memory` makes room for."""


class Setup(Record):
    """What of a recipe, a base and a machine decides over memory."""

    shape: ModelShape
    options: TrainingOptions
    dtype: str
    """Of the weights: a key of `BYTES`."""
    device: str
    """``cpu``, ``cuda`` or ``mps``."""
    row_tokens: int = Field(ge=1)
    """Tokens of the longest row."""
    has_heap_gaps: bool = False
    """True where tensors live in glibc's heap, which does not give room back between them."""


class Memory(Record):
    """Bytes, by part, when it is fullest: in the backward pass of the second step."""

    weights: int
    adapter: int
    """Float32, and where the base computes in half precision, the copy that autocast makes."""
    gradients: int
    optimiser: int
    activations: int
    """What the forward pass keeps for the backward pass."""
    logits: int
    working: int
    """What one layer's backward pass needs for itself."""
    gaps: int
    """What an allocator keeps between tensors that came and went."""
    program: int
    """Python and its libraries."""

    @property
    def total(self) -> int:
        """All parts; logits and a layer's backward pass do not stand at the same time."""
        lasting = self.weights + self.adapter + self.gradients + self.optimiser + self.activations
        return lasting + max(self.logits, self.working) + self.gaps + self.program


HEAP_GAPS = 1.1
"""Of activations and working room, by which glibc's heap grows beyond them. Measured in
the five trainings of docs/scaling.md: 0.6 to 1.6."""
PROGRAM = {"cpu": 600_000_000, "cuda": 600_000_000, "mps": 600_000_000}
"""Measured on Linux: `exagirl train` on a base of 0.1 million parameters peaked at 0.59 GB. On
other devices an allowance that was not measured."""


def training_memory(setup: Setup) -> Memory:
    """What training takes at its peak, with AdamW and PyTorch's own attention.

    Raises:
        ModelError: A LoRA target is none of the base's layers.
    """
    shape, size = setup.shape, BYTES[setup.dtype]
    lora = setup.options.lora
    learning = shape.adapter(lora)
    tokens = setup.row_tokens * _batch_size(setup)
    layer = _layer_bytes(setup)
    kept = shape.layers * layer
    working = tokens * (4 * shape.feed_forward * size + 4 * shape.hidden * MASTER)
    if getattr(setup.options, "gradient_checkpointing", False):
        kept = shape.layers * shape.hidden * size + layer
    rows = min(tokens, HEAD_ROWS.get(setup.device, HEAD_ROWS_ELSEWHERE))
    # Half precision: the logits in float32, and once more in the weights' type for the gradient.
    logit = 4 if size == 4 else 4 + size
    return Memory(
        weights=_weights(setup),
        adapter=learning * (MASTER if size == 4 else MASTER + size),
        gradients=learning * MASTER,
        optimiser=learning * 2 * MASTER,
        activations=tokens * kept + _dora_bytes(setup),
        logits=rows * shape.vocabulary * logit + 2 * tokens * shape.hidden * size,
        working=working,
        gaps=round(HEAP_GAPS * (tokens * kept + working)) if setup.has_heap_gaps else 0,
        program=PROGRAM[setup.device],
    )


def chat_memory(shape: ModelShape, dtype: str, device: str) -> int:
    """What talking to a model takes: weights, keys and values of `CHAT_TOKENS`, the program."""
    cache = 2 * shape.layers * shape.key_value * CHAT_TOKENS
    logits = shape.vocabulary * 2 * 4
    working = CHAT_TOKENS * (3 * shape.feed_forward + 4 * shape.hidden) * BYTES[dtype]
    return (shape.parameters + cache) * BYTES[dtype] + logits + working + PROGRAM[device]


def _weights(setup: Setup) -> int:
    shape, size = setup.shape, BYTES[setup.dtype]
    if setup.options.lora.quantize is None:
        return shape.parameters * size
    return round(shape.body * FOUR_BIT) + (shape.parameters - shape.body) * size


def _batch_size(setup: Setup) -> int:
    return max(stage.batch_size for stage in setup.options.stages)


def _layer_bytes(setup: Setup) -> int:
    """Bytes a token that one decoder layer keeps for its backward pass.

    The base's weights are frozen, so a linear layer keeps no input of its own: what stays is the
    input of every norm (float32), queries, keys, values and the output of attention, the three
    tensors of the gated feed-forward, and the inputs of A and B of every adapter.

    Source: what `torch.autograd.graph.saved_tensors_hooks` counts in transformers 5.24 with peft
    0.21; tests/training/test_memory.py compares.
    """
    shape, size = setup.shape, BYTES[setup.dtype]
    is_padded = _batch_size(setup) > 1 or bool(getattr(setup.options, "packing", False))
    norms = shape.norms * shape.hidden
    if shape.has_qk_norm:
        norms += shape.query + shape.key_value
    # With a mask, keys and values are repeated for every query head, and the mask is kept too.
    key_value = shape.query if is_padded else shape.key_value
    mask = setup.row_tokens * size if is_padded else 0
    attention = 2 * (shape.query + key_value) * size + mask + 4 * shape.heads
    return norms * 4 + attention + 3 * shape.feed_forward * size + _adapter_bytes(setup)


def _dora_bytes(setup: Setup) -> int:
    """Bytes that DoRA keeps besides, whatever the tokens.

    peft multiplies the adapter out over a unit matrix of inputs × inputs, in every layer.
    """
    shape, lora = setup.shape, setup.options.lora
    if not lora.dora:
        return 0
    inputs = [shape.linears[name][0] for name in shape.targets(lora)]
    return shape.layers * sum(ins * (ins + lora.rank) for ins in inputs) * BYTES[setup.dtype]


def _adapter_bytes(setup: Setup) -> int:
    """Bytes a token that the adapters of one layer keep."""
    shape, lora, size = setup.shape, setup.options.lora, BYTES[setup.dtype]
    targets = shape.targets(lora)
    inputs = {name: shape.linears[name][0] for name in targets}
    kept = len(targets) * lora.rank * size
    if lora.dora:  # what the base gives and what the adapter gives, before they are scaled
        kept += 2 * sum(shape.linears[name][1] for name in targets) * size
    if lora.dropout:
        # The mask: a truth value on CUDA, a number elsewhere.
        mask = 1 if setup.device == "cuda" else MASTER
        return kept + sum(inputs.values()) * (size + mask)
    if size < MASTER:  # autocast copies the input for every adapter
        return kept + sum(inputs.values()) * size
    shared = {
        "attention": inputs.get("q_proj") or inputs.get("k_proj") or inputs.get("v_proj") or 0,
        "feed-forward": inputs.get("gate_proj") or inputs.get("up_proj") or 0,
        "down": inputs.get("down_proj", 0),
    }
    return kept + sum(shared.values()) * size
