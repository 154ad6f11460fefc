"""One stage: one pass of LoRA training over one subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from exagirl.artifact import file_faults
from exagirl.chatmodel.encoding import Conversation
from exagirl.errors import ModelError
from exagirl.progress import Watcher
from exagirl.record import Record
from exagirl.training.batch import collate
from exagirl.training.checkpoint import Checkpoints, whole_weights
from exagirl.training.curves import can_draw, draw_curves
from exagirl.training.early_stop import EarlyStop
from exagirl.training.job import StageJob, Student, make_trainer
from exagirl.training.options import StageOptions
from exagirl.training.order import Pack, plan_packs
from exagirl.training.rows import encode_rows
from exagirl.training.watching import metric_rows

__all__ = ["StageJob", "StageResult", "Student", "collate", "learn", "train_stage"]

CURVES = "curves.png"


class StageResult(Record):
    """How a stage went."""

    steps: int
    kept_step: int
    """The step whose weights were kept; an early one where ``early_stop`` found it best."""
    train_loss: float
    """Mean loss on replies over the stage, nats a token."""
    validation_loss: float
    """Loss on the replies of the validation split with the weights that were kept, nats a token."""
    dialogues: int
    """Conversations of the training split, those of earlier stages among them."""
    replayed: int
    """How many of them came from earlier stages."""
    tokens: int
    """Tokens that went through the model, padding left out."""
    reply_tokens: int
    turns_cut: int
    dialogues_cut: int
    """Conversations that were too long and lost turns at the front."""
    dialogues_without_reply: int


def train_stage(
    student: Student,
    stage: StageOptions,
    conversations: Mapping[str, Sequence[Conversation]],
    *,
    seed: int,
    folder: Path,
    watcher: Watcher,
) -> StageResult:
    """Train the adapter on conversations and save it into ``folder``: `learn`, from messages.

    Args:
        student: Learns in place.
        stage: Epochs, learning rate, batch.
        conversations: ``train`` and ``validation``, system message first.
        seed: Seeds the order of the data and the dropout.
        folder: Gets ``adapter_model.safetensors``, ``adapter_config.json``, ``metrics.jsonl``.
        watcher: Told about every step.

    Raises:
        ModelError: A loss that is no number, or memory that does not suffice.
    """
    rows = {
        split: encode_rows(
            student.tokenizer, chosen, subset=stage.data, max_length=student.max_length
        )
        for split, chosen in conversations.items()
    }
    checkpoints = Checkpoints(folder.with_name(f".{folder.name}.checkpoints"), {})
    checkpoints.delete()
    job = StageJob(
        stage=stage,
        train=rows["train"],
        validation=rows["validation"],
        seed=seed,
        folder=folder,
        checkpoints=checkpoints,
        watcher=watcher,
    )
    result = learn(student, job)
    checkpoints.delete()
    return result


def learn(student: Student, job: StageJob) -> StageResult:
    """Train the adapter on one stage's rows and save it, going on from a checkpoint if one stands.

    Args:
        student: Learns in place.
        job: The stage; its checkpoints stay until the caller has sealed the adapter.

    Raises:
        ModelError: A loss that is no number, or memory that does not suffice.
        MissingExtraError: ``report_to`` names something that is not installed.
    """
    newest = job.checkpoints.newest()
    packs = plan_packs(job.train.lengths.tolist(), job.reading(student.max_length))
    _tell(job, packs)
    early = EarlyStop(job.stage.early_stop, job.checkpoints) if job.stage.early_stop else None
    trainer = make_trainer(student, job, packs, [early] if early else [])
    try:
        with file_faults(job.checkpoints.folder):
            trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise ModelError(_out_of_memory(student, job)) from error
    history = trainer.state.log_history
    best = early.restore(trainer.model, history) if early else None
    rows = metric_rows(history)
    weights = whole_weights(student.model)
    if trainer.is_world_process_zero():
        student.model.save_pretrained(job.folder, state_dict=weights)
        _draw(job, rows)
    student.model.eval()
    steps = trainer.state.global_step
    read = [
        row
        for pack in packs[: steps * job.reading(student.max_length).packs_a_step]
        for row in pack
    ]
    result = StageResult(
        steps=steps,
        kept_step=best.step if best else steps,
        train_loss=sum(row["loss"] for row in rows) / len(rows),
        validation_loss=best.loss if best else rows[-1]["validation_loss"],
        dialogues=len(job.train),
        replayed=sum(name != job.stage.data for name in job.train.subsets),
        tokens=int(job.train.lengths[read].sum()),
        reply_tokens=int(job.train.reply_lengths[read].sum()),
        turns_cut=int(job.train.turns_cut.sum()),
        dialogues_cut=int(job.train.turns_cut.count_nonzero()),
        dialogues_without_reply=job.train.without_reply,
    )
    job.watcher.finish(_summary(result, rows))
    return result


def _summary(result: StageResult, rows: Sequence[dict[str, float]]) -> str:
    seconds = sum(row["tokens"] / max(row["tokens_per_s"], 1e-9) for row in rows)
    parts = [
        f"손실 {result.train_loss:.3f}, 검증 {result.validation_loss:.3f}",
        f"{result.steps}걸음",
        f"{result.tokens / max(seconds, 1e-9):,.0f}토큰/초",
    ]
    if result.kept_step < result.steps:
        parts.append(f"가장 좋았던 {result.kept_step}번째 걸음의 어댑터를 남김")
    return " · ".join(parts)


def _tell(job: StageJob, packs: Sequence[Pack]) -> None:
    """Say what the stage reads, and what it could not read whole."""
    train = job.train
    replayed = sum(name != job.stage.data for name in train.subsets)
    parts = [f"{job.stage.name} 단계: {job.stage.data} {len(train) - replayed}편"]
    if replayed:
        parts.append(f"앞 단계의 대화 {replayed}편")
    if job.packing:
        parts.append(f"{len(packs):,}줄로 이음")
    job.watcher.say(", ".join(parts))
    cut = int(train.turns_cut.count_nonzero())
    if cut:
        job.watcher.say(
            f"너무 긴 대화 {cut}편에서 앞쪽 {int(train.turns_cut.sum())}차례를 덜어 냈습니다"
            "(training.max_length). 시스템 프롬프트와 뒤쪽 차례는 그대로입니다."
        )
    if train.without_reply:
        job.watcher.say(f"캐릭터의 답이 없는 대화 {train.without_reply}편은 뺐습니다.")


def _draw(job: StageJob, rows: Sequence[dict[str, float]]) -> None:
    if can_draw():
        draw_curves(rows, job.stage.name, job.folder / CURVES)
    else:
        job.watcher.say(
            "matplotlib이 없어 curves.png를 그리지 않았습니다. pip install 'exagirl[report]'"
        )


def _is_out_of_memory(error: BaseException) -> bool:
    """True also for the CPU's allocator, which raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in str(error) for words in ("can't allocate memory", "not enough memory")
    )


def _out_of_memory(student: Student, job: StageJob) -> str:
    stage = job.stage
    batch, more = stage.batch_size, stage.gradient_accumulation
    advice = (
        f"training.max_length({student.max_length})나 training.lora.rank를 줄이세요"
        if batch == 1
        else f"stages의 batch_size를 {batch}에서 {max(1, batch // 2)}(으)로 줄이고 "
        f"gradient_accumulation을 {more}에서 {more * batch // max(1, batch // 2)}(으)로 늘리세요"
        "(결과는 같습니다). 그래도 모자라면 training.max_length나 training.lora.rank를 줄이세요"
    )
    return f"{stage.name} 단계: 메모리가 모자랍니다. {advice}."
