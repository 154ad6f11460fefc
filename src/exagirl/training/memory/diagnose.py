"""Put a machine and recipes side by side: what fits, and how long it takes."""

from __future__ import annotations

from typing import Literal

from exagirl.record import Record
from exagirl.training.memory.base_shape import KnownBase, find_base
from exagirl.training.memory.fit import Advice, Verdict, advise, judge
from exagirl.training.memory.machine import Device, Machine
from exagirl.training.memory.parts import Memory, Setup, chat_memory, training_memory
from exagirl.training.memory.work import UTILISATION, Workload, measure_matmul, training_flop
from exagirl.training.options import TrainingOptions


class BaseFit(Record):
    """How a base that a shipped recipe names gets along with this machine."""

    base: str
    recipe: str
    parameters: int
    training_bytes: int
    training: Verdict
    chat_bytes: int
    chatting: Verdict


class TimeEstimate(Record):
    """How long training takes, by its FLOP."""

    flop: float
    matmul_flop_per_s: float | None
    """Measured on the device that trains; None without torch."""

    @property
    def least_s(self) -> float | None:
        """Seconds at the whole matmul rate: no training is faster."""
        return self.flop / self.matmul_flop_per_s if self.matmul_flop_per_s else None

    @property
    def expected_s(self) -> float | None:
        """Seconds at the share of that rate which training reaches."""
        return None if self.least_s is None else self.least_s / UTILISATION


class RecipeFit(Record):
    """How a recipe gets along with this machine."""

    name: str
    base: str
    source: Literal["folder", "cache", "table"]
    """Where the base's shape was learnt."""
    parameters: int
    trainable: int
    dtype: str
    memory: Memory
    verdict: Verdict
    work: Workload
    time: TimeEstimate
    advice: tuple[Advice, ...]


class Diagnosis(Record):
    """What a machine can do, and whether one recipe fits it."""

    machine: Machine
    bases: tuple[BaseFit, ...] = ()
    recipe: RecipeFit | None = None
    unknown_base: str | None = None
    """The recipe's base, where nothing is known of it without downloading it."""


def weigh_base(recipe: str, options: TrainingOptions, work: Workload, device: Device) -> BaseFit:
    """Weigh the base of a shipped recipe, trained as that recipe trains it."""
    known = find_base(options.base)
    if known is None:
        raise AssertionError(f"{options.base} is in the table")  # a test holds the table complete
    setup = _setup(known, options, work, device)
    training = training_memory(setup).total
    chatting = chat_memory(known.shape, device.auto_dtype, device.kind)
    return BaseFit(
        base=options.base,
        recipe=recipe,
        parameters=known.shape.parameters,
        training_bytes=training,
        training=judge(training, device.free_bytes),
        chat_bytes=chatting,
        chatting=judge(chatting, device.free_bytes),
    )


def weigh_recipe(
    name: str, options: TrainingOptions, work: Workload, machine: Machine
) -> RecipeFit | None:
    """Weigh a recipe; None where its base is unknown.

    Raises:
        ModelError: The base's folder cannot be read, or a LoRA target is none of its layers.
    """
    known = find_base(options.base)
    if known is None:
        return None
    device = machine.devices[0]
    setup = _setup(known, options, work, device)
    memory = training_memory(setup)
    verdict = judge(memory.total, device.free_bytes)
    rate = measure_matmul(device.kind, setup.dtype) if machine.has_torch else None
    return RecipeFit(
        name=name,
        base=options.base,
        source=known.source,
        parameters=known.shape.parameters,
        trainable=known.shape.adapter(options.lora),
        dtype=setup.dtype,
        memory=memory,
        verdict=verdict,
        work=work,
        time=TimeEstimate(
            flop=training_flop(known.shape, options.lora, work), matmul_flop_per_s=rate
        ),
        advice=()
        if verdict == "fits"
        else advise(
            setup, device.free_bytes, has_fast_bfloat16=device.has_fast_bfloat16 is not False
        ),
    )


def _setup(known: KnownBase, options: TrainingOptions, work: Workload, device: Device) -> Setup:
    return Setup(
        shape=known.shape,
        options=options,
        dtype=device.auto_dtype if options.dtype == "auto" else options.dtype,
        device=device.kind,
        row_tokens=work.longest_row,
        has_heap_gaps=device.has_heap_gaps,
    )
