"""Whether a recipe fits a machine, and which setting to change where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from exagirl.record import Record
from exagirl.training.memory.parts import BYTES, Memory, Setup, training_memory
from exagirl.training.options import TrainingOptions

Verdict = Literal["fits", "tight", "no"]

COMFORT = 0.85
"""Of the free memory: the estimate may be off, and allocators leave gaps."""
SHORTEST_ROW = 512
LOWEST_RANK = 16


class Change(Record):
    """One setting of a recipe, as it stands and as it could."""

    setting: str
    """The key path in the recipe, or an environment variable in capitals."""
    now: str
    then: str
    total_bytes: int
    """What training takes with this change, and with those before it."""


class Advice(Record):
    """Changes which, made together, let a recipe fit."""

    changes: tuple[Change, ...]
    verdict: Verdict


def judge(total_bytes: int, free_bytes: int) -> Verdict:
    """``fits`` with room to spare, ``tight`` without, or ``no``."""
    if total_bytes <= COMFORT * free_bytes:
        return "fits"
    return "tight" if total_bytes <= free_bytes else "no"


def advise(setup: Setup, free_bytes: int, *, has_fast_bfloat16: bool) -> tuple[Advice, ...]:
    """Name what to change, the mildest first.

    Args:
        setup: What does not fit.
        free_bytes: Memory of the device that trains.
        has_fast_bfloat16: Whether half precision costs no speed there.

    Returns:
        Every single change that gives room to spare; where none does, changes to make together;
        nothing where even all of them do not help: then the base is too large for this machine.

    Raises:
        ModelError: A LoRA target is none of the base's layers.
    """
    steps = [step for step in _STEPS if has_fast_bfloat16 or step is not _halve_weights]
    single = []
    for step in steps:
        found = _least(step(setup), free_bytes)
        if found is not None:
            single.append(found)
    if single:
        return tuple(single)
    together = _together(setup, steps, free_bytes)
    return (together,) if together else ()


class _Option(Record):
    """A setup after one change."""

    setting: str
    now: str
    then: str
    setup: Setup


Step = Callable[[Setup], Iterator[_Option]]


def _least(options: Iterator[_Option], free_bytes: int) -> Advice | None:
    """The mildest of ever stronger changes that suffices."""
    for option in options:
        total = training_memory(option.setup).total
        verdict = judge(total, free_bytes)
        if verdict == "fits":
            return Advice(changes=(_change(option, total),), verdict=verdict)
    return None


def _together(setup: Setup, steps: Sequence[Step], free_bytes: int) -> Advice | None:
    changes: list[Change] = []
    verdict: Verdict = "no"
    for step in steps:
        for option in step(setup):
            total = training_memory(option.setup).total
            change, setup = _change(option, total), option.setup
            if changes and changes[-1].setting == change.setting:
                change = change.model_copy(update={"now": changes.pop().now})
            changes.append(change)
            verdict = judge(total, free_bytes)
            if verdict == "fits":
                return Advice(changes=tuple(changes), verdict=verdict)
    return Advice(changes=tuple(changes), verdict=verdict) if verdict == "tight" else None


def _change(option: _Option, total: int) -> Change:
    return Change(setting=option.setting, now=option.now, then=option.then, total_bytes=total)


def _shrink_batch(setup: Setup) -> Iterator[_Option]:
    """Halve the batch and double the accumulation, so that a step sees as many dialogues."""
    stages = setup.options.stages
    while (most := max(stage.batch_size for stage in stages)) > 1:
        less = most // 2
        stages = tuple(
            stage.model_copy(
                update={
                    "batch_size": less,
                    "gradient_accumulation": stage.gradient_accumulation
                    * -(-stage.batch_size // less),
                }
            )
            if stage.batch_size > less
            else stage
            for stage in stages
        )
        yield _Option(
            setting="training.stages.batch_size",
            now=str(max(stage.batch_size for stage in setup.options.stages)),
            then=f"{less} (gradient_accumulation {max(s.gradient_accumulation for s in stages)})",
            setup=_with(setup, {"stages": stages}),
        )


def _checkpoint(setup: Setup) -> Iterator[_Option]:
    if getattr(setup.options, "gradient_checkpointing", None) is False:
        yield _Option(
            setting="training.gradient_checkpointing",
            now="false",
            then="true",
            setup=_with(setup, {"gradient_checkpointing": True}),
        )


def _map_tensors(setup: Setup) -> Iterator[_Option]:
    """Have the C library map every tensor and give its room back."""
    if setup.has_heap_gaps:
        yield _Option(
            setting="MALLOC_MMAP_THRESHOLD_",
            now="",
            then="262144",
            setup=setup.model_copy(update={"has_heap_gaps": False}),
        )


def _halve_weights(setup: Setup) -> Iterator[_Option]:
    if BYTES[setup.dtype] == BYTES["float32"]:
        yield _Option(
            setting="training.dtype",
            now=setup.dtype,
            then="bfloat16",
            setup=setup.model_copy(update={"dtype": "bfloat16"}),
        )


def _quantize(setup: Setup) -> Iterator[_Option]:
    if setup.device == "cuda" and setup.options.lora.quantize is None:
        yield _with_lora(setup, "quantize", "null", "4bit")


def _shorten(setup: Setup) -> Iterator[_Option]:
    """Cut rows; only what is shorter than the longest expected row saves anything."""
    length = setup.options.max_length
    while (length := length // 2) >= SHORTEST_ROW:
        if length < setup.row_tokens:
            changed = _with(setup, {"max_length": length})
            yield _Option(
                setting="training.max_length",
                now=str(setup.options.max_length),
                then=str(length),
                setup=changed.model_copy(update={"row_tokens": length}),
            )


def _lower_rank(setup: Setup) -> Iterator[_Option]:
    rank = setup.options.lora.rank
    while (rank := rank // 2) >= LOWEST_RANK:
        yield _with_lora(setup, "rank", str(setup.options.lora.rank), rank)


_STEPS: tuple[Step, ...] = (
    _shrink_batch,
    _checkpoint,
    _map_tensors,
    _halve_weights,
    _shorten,
    _lower_rank,
    _quantize,
)


def _with(setup: Setup, changes: dict[str, object]) -> Setup:
    options: TrainingOptions = setup.options.model_copy(update=changes)
    return setup.model_copy(update={"options": options})


def _with_lora(setup: Setup, key: str, now: str, then: str | int) -> _Option:
    lora = setup.options.lora.model_copy(update={key: then})
    return _Option(
        setting=f"training.lora.{key}",
        now=now,
        then=str(then),
        setup=_with(setup, {"lora": lora}),
    )


def parts_of(memory: Memory) -> dict[str, int]:
    """Every part of a memory in bytes, the total last."""
    return {**memory.model_dump(), "total": memory.total}
