"""From dialogues to a dataset that `datasets` loads: one config a subset, train and validation."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from exagirl.artifact import Manifest, fingerprint, is_complete, new_artifact, read_manifest, seal
from exagirl.dataset.options import DatasetOptions
from exagirl.dialogue.corpus import read_heldout
from exagirl.dialogue.personas import CouplePersona, couple_personas
from exagirl.dialogue.records import Dialogue
from exagirl.errors import ArtifactError, MissingExtraError
from exagirl.persona.character import Character
from exagirl.persona.system_prompt import render_system_prompt
from exagirl.progress import Watcher

Row = dict[str, Any]
SPLITS = ("train", "validation")


def build_dataset(
    dialogues: Mapping[str, Sequence[Dialogue]],
    character: Character,
    options: DatasetOptions,
    *,
    seed: int,
    folder: Path,
    watcher: Watcher,
) -> Manifest:
    """Write ``SUBSET/train.parquet`` and ``SUBSET/validation.parquet``.

    Columns: ``messages`` (system first), ``text`` (the same list), ``id``, ``topic``,
    ``character``.

    Raises:
        ArtifactError: A subset has too few dialogues to train and to validate on.
    """
    inputs = {
        "dialogues": fingerprint([list(d) for d in dialogues.values()]),
        "character": fingerprint(character),
        "options": fingerprint([options, seed]),
        "heldout": fingerprint([read_heldout(s) for s in dialogues])
        if options.heldout == "bundled"
        else "",
    }
    if is_complete(folder, inputs) and (done := read_manifest(folder)) is not None:
        return done
    watcher.start("데이터셋", len(dialogues))
    rows_of = _row_maker(character, options)
    counts: dict[str, dict[str, int]] = {}
    with new_artifact(folder) as aside:
        for subset, accepted in dialogues.items():
            splits = split_dialogues(subset, accepted, options, seed)
            for split, chosen in zip(SPLITS, splits, strict=True):
                _write_parquet(aside / subset / f"{split}.parquet", [rows_of(d) for d in chosen])
            counts[subset] = {s: len(c) for s, c in zip(SPLITS, splits, strict=True)}
            watcher.advance(note=subset)
        (aside / "README.md").write_text(_front_matter(list(dialogues)), encoding="utf-8")
        manifest = seal(aside, "dataset", inputs, notes={"rows": counts})
    watcher.finish(", ".join(f"{s} {c['train']}+{c['validation']}" for s, c in counts.items()))
    return manifest


def split_dialogues(
    subset: str, accepted: Sequence[Dialogue], options: DatasetOptions, seed: int
) -> tuple[list[Dialogue], list[Dialogue]]:
    """Part dialogues into those to train on and those to validate on.

    Raises:
        ArtifactError: Fewer than two dialogues.
    """
    if options.heldout == "bundled" and (heldout := read_heldout(subset)):
        return list(accepted), list(heldout[: options.heldout_dialogues])
    if len(accepted) < 2:
        raise ArtifactError(
            f"{subset}: 대화가 {len(accepted)}편뿐이라 학습용과 검증용으로 나눌 수 없습니다. "
            "generation.subsets에서 dialogues를 2편 이상으로 늘리세요."
        )
    count = min(len(accepted) - 1, max(1, round(len(accepted) * options.validation_share)))
    dice = random.Random(f"{seed}/{subset}/validation")
    chosen = set(dice.sample(range(len(accepted)), count))
    train = [d for position, d in enumerate(accepted) if position not in chosen]
    return train, [accepted[position] for position in sorted(chosen)]


def _row_maker(character: Character, options: DatasetOptions) -> Callable[[Dialogue], Row]:
    detail = options.system_prompt
    systems = {"": render_system_prompt(character, detail=detail)}
    for name, persona in couple_personas().items():
        systems[name] = render_system_prompt(persona.as_character(), detail=detail)

    def as_row(dialogue: Dialogue) -> Row:
        system = systems.get(dialogue.character, systems[""])
        if card := dialogue.meta.get("card"):
            persona = CouplePersona.model_validate({"id": dialogue.character, **card})
            system = render_system_prompt(persona.as_character(), detail=detail)
        messages = [{"role": "system", "content": system}]
        messages += [turn.model_dump() for turn in dialogue.turns]
        return {
            "id": dialogue.id,
            "topic": dialogue.topic,
            "character": dialogue.character,
            "messages": messages,
            "text": messages,
        }

    return as_row


def _write_parquet(path: Path, rows: list[Row]) -> None:
    datasets = _datasets()
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows).to_parquet(str(path))


def read_messages(folder: Path, subset: str, split: str) -> list[list[dict[str, str]]]:
    """The conversations of one split, system message first.

    Raises:
        ArtifactError: The dataset has no such subset or split.
    """
    path = folder / subset / f"{split}.parquet"
    if not path.is_file():
        raise ArtifactError(
            f"{path}: 이 데이터가 없습니다. training.stages의 data에는 generation.subsets에 있는 "
            "이름을 쓰세요."
        )
    table = _datasets().Dataset.from_parquet(str(path), keep_in_memory=True)
    return [
        [{"role": m["role"], "content": m["content"]} for m in row] for row in table["messages"]
    ]


def _datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(
            "데이터셋을 만들려면 datasets가 필요합니다. pip install 'exagirl[train]'"
        ) from error
    datasets.disable_progress_bars()
    return datasets


def _front_matter(subsets: list[str]) -> str:
    configs = [
        {
            "config_name": subset,
            "data_files": [
                {"split": split, "path": f"{subset}/{split}.parquet"} for split in SPLITS
            ],
        }
        for subset in subsets
    ]
    # JSON is YAML; a person reads the real card that publishing writes.
    return f"---\nlanguage: ko\nconfigs: {json.dumps(configs)}\n---\n"
