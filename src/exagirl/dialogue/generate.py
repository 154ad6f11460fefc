"""From a plan to ``dialogues/SUBSET.jsonl``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from exagirl.artifact import (
    Manifest,
    fingerprint,
    is_complete,
    read_manifest,
    seal,
    unseal,
    write_text,
)
from exagirl.chatmodel.bundled import BundledModel
from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatModel
from exagirl.dialogue.corpus import bundled_lines
from exagirl.dialogue.engine import Engine, Filled, Teacher
from exagirl.dialogue.journal import open_journal
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.plan import plan_slots
from exagirl.dialogue.records import Dialogue, Slot
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.errors import ShortfallError
from exagirl.persona.character import Character
from exagirl.progress import Watcher

JOURNAL = "journal.sqlite"


def generate_dialogues(
    character: Character,
    teacher: TeacherOptions,
    options: GenerationOptions,
    *,
    seed: int,
    folder: Path,
    watcher: Watcher,
) -> Manifest:
    """Fill every slot of the plan, or say which stayed open.

    Run again, it goes on from the journal; when nothing changed, it does nothing.

    Raises:
        ShortfallError: Slots stayed open; what was accepted is written all the same.
        TeacherError: The teacher cannot answer at all.
    """
    slots = plan_slots(options, seed)
    lines = _lines(slots) if teacher.kind == "bundled" else {}
    inputs = {
        "character": fingerprint(character),
        "teacher": fingerprint([teacher, lines]),
        "slots": fingerprint(slots),
    }
    if is_complete(folder, inputs) and (done := read_manifest(folder)) is not None:
        return done
    unseal(folder)
    how = Teacher(
        identity=fingerprint(
            [teacher.kind, teacher.model, teacher.base_url, teacher.temperature, lines]
        ),
        temperature=teacher.temperature,
        max_tokens=teacher.max_tokens,
    )
    with open_journal(folder / JOURNAL) as journal:
        watcher.start("대화 만들기", len(slots))
        engine = partial(
            Engine,
            teacher=how,
            prompt=TeacherPrompt(character),
            journal=journal,
            options=options,
        )
        filled = asyncio.run(_fill(engine, teacher, lines, slots, watcher))
        reasons = journal.reasons()
    write_dialogues(folder, options, filled.dialogues)
    if filled.missing:
        common = ", ".join(f"{code} {count}번" for code, count in reasons.most_common(3))
        raise ShortfallError(
            f"{folder}: 대화 {len(slots)}편 가운데 {len(filled.missing)}편을 채우지 못했습니다"
            f"(예: {filled.missing[0]}). 흔한 까닭: {common or '연결이 끊김'}. 같은 명령을 다시 "
            "실행하면 남은 것만 다시 시도합니다."
        )
    watcher.finish(f"대화 {len(filled.dialogues)}편")
    counts = {name: _count(filled.dialogues, name) for name in options.subsets}
    return seal(folder, "dialogues", inputs, notes={"dialogues": counts}, leave_out=(JOURNAL,))


async def _fill(
    engine: Callable[[ChatModel], Engine],
    teacher: TeacherOptions,
    lines: dict[str, str],
    slots: Sequence[Slot],
    watcher: Watcher,
) -> Filled:
    if teacher.kind == "bundled":
        return await engine(BundledModel(lines)).fill(slots, watcher)
    async with OpenAICompatibleModel(teacher) as model:
        return await engine(model).fill(slots, watcher)


def _lines(slots: Sequence[Slot]) -> dict[str, str]:
    lines: dict[str, str] = {}
    for subset in dict.fromkeys(slot.subset for slot in slots):
        lines.update(bundled_lines(subset))
    return lines


def _count(dialogues: Sequence[Dialogue], subset: str) -> int:
    return sum(dialogue.subset == subset for dialogue in dialogues)


def write_dialogues(
    folder: Path, options: GenerationOptions, dialogues: Sequence[Dialogue]
) -> None:
    """Write one JSONL file a subset, in slot order."""
    for subset in options.subsets:
        rows = [
            json.dumps(dialogue.model_dump(), ensure_ascii=False)
            for dialogue in dialogues
            if dialogue.subset == subset
        ]
        write_text(folder / f"{subset}.jsonl", "".join(row + "\n" for row in rows))


def read_dialogues(folder: Path, subset: str) -> list[Dialogue]:
    """Read the dialogues of a subset back."""
    text = (folder / f"{subset}.jsonl").read_text("utf-8")
    # splitlines() would also part a line at U+2028 and U+0085, which JSON leaves as they are.
    return [Dialogue.model_validate_json(line) for line in text.split("\n") if line]
