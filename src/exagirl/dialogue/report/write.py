"""One self-contained page about the dialogues of a run; it works offline and prints."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined

from exagirl.artifact import read_manifest, write_text
from exagirl.dialogue.generate import JOURNAL, topic_names
from exagirl.dialogue.outputs import read_dialogues
from exagirl.dialogue.records import Dialogue
from exagirl.dialogue.report.accounts import Accounts, read_accounts
from exagirl.dialogue.report.pictures import bars, histogram, need_matplotlib
from exagirl.dialogue.report.statistics import (
    SAMPLED_MORPHEMES,
    Spread,
    Talk,
    by_topic,
    describe,
)
from exagirl.errors import ArtifactError
from exagirl.korean.actions import split_actions
from exagirl.korean.analyser import compose
from exagirl.progress import Watcher

REPORT = "report.html"
SAMPLE = 60
_SEED = 7


class Inspected(NamedTuple):
    """What was found of a run's dialogues."""

    talks: dict[str, Talk]
    """A subset's description."""
    accounts: Accounts | None
    path: Path


def inspect_dialogues(
    name: str,
    folder: Path,
    quotas: Mapping[tuple[str, str], int],
    *,
    dataset: Path,
    teacher: str = "",
    watcher: Watcher,
) -> Inspected:
    """Write ``report.html`` into the folder of the dialogues.

    Args:
        name: The run's.
        folder: ``dialogues/``.
        quotas: Dialogues owed a subset and topic; empty where nobody knows.
        dataset: The folder of the dataset, whether it is there or not.
        teacher: Who wrote the dialogues, for the head of the page.
        watcher: Is told how far it is.

    Raises:
        ArtifactError: There are no dialogues.
        MissingExtraError: matplotlib is not installed.
    """
    need_matplotlib()
    subsets = {
        path.stem: read_dialogues(folder, path.stem) for path in sorted(folder.glob("*.jsonl"))
    }
    subsets = {subset: found for subset, found in subsets.items() if found}
    if not subsets:
        raise ArtifactError(
            f"{folder}: 아직 대화가 없습니다. 먼저 'exagirl generate {name}'을 실행하세요."
        )
    accounts = read_accounts(folder / JOURNAL) if (folder / JOURNAL).is_file() else None
    watcher.start("대화 살펴보기", len(subsets))
    talks: dict[str, Talk] = {}
    for subset, found in subsets.items():
        talks[subset] = describe(found, _SEED)
        watcher.advance(note=subset)
    names = topic_names()
    shown = [_shown(one, names) for one in _sample(subsets)]
    facts = {
        "name": name,
        "version": version("exagirl"),
        "made": _made(folder),
        "teacher": teacher,
        "total": sum(map(len, subsets.values())),
        "accounts": accounts,
        "overall_yield": _overall_yield(accounts),
        "subsets": [
            _subset(subset, found, talks[subset], accounts, quotas)
            for subset, found in subsets.items()
        ],
        "dataset": _dataset_rows(dataset),
        "sample": shown,
        "sample_topics": sorted({one["topic"] for one in shown}),
    }
    path = write_text(folder / REPORT, _template().render(**facts))
    watcher.finish(str(path))
    return Inspected(talks, accounts, path)


def _template() -> Any:
    environment = Environment(undefined=StrictUndefined, autoescape=True)
    source = resources.files("exagirl.dialogue.report") / "page.html.jinja"
    return environment.from_string(source.read_text("utf-8"))


def _made(folder: Path) -> str:
    manifest = read_manifest(folder)
    return manifest.created[:10] if manifest else "아직 다 받지 못함"


def _overall_yield(accounts: Accounts | None) -> float:
    if accounts is None:
        return 1.0
    accepted = sum(topic.accepted for topic in accounts.topics)
    seen = accepted + sum(topic.refused for topic in accounts.topics)
    return accepted / seen if seen else 1.0


def _subset(
    subset: str,
    dialogues: Sequence[Dialogue],
    talk: Talk,
    accounts: Accounts | None,
    quotas: Mapping[tuple[str, str], int],
) -> dict[str, Any]:
    levels = talk.levels.total() or 1
    return {
        "name": subset,
        "talk": talk,
        "rows": _topic_rows(subset, dialogues, accounts, quotas),
        "levels": [(level, count / levels) for level, count in talk.levels.most_common()],
        "endings": [(f"-{compose(form)}", times) for form, times in talk.words.endings],
        "sampled": min(talk.words.morphemes, SAMPLED_MORPHEMES),
        "user": Spread.of(talk.user_chars),
        "character": Spread.of(talk.character_chars),
        "nearest": Spread.of(talk.nearest),
        "pictures": {
            "turns": bars(talk.turns),
            "lengths": histogram(talk.character_chars, talk.user_chars),
            "nearest": histogram(talk.nearest, most=max(0.5, *talk.nearest, 0.0)),
        },
    }


def _topic_rows(
    subset: str,
    dialogues: Sequence[Dialogue],
    accounts: Accounts | None,
    quotas: Mapping[tuple[str, str], int],
) -> list[dict[str, Any]]:
    names, counts = topic_names(), by_topic(dialogues)
    asked = {one.topic: one for one in accounts.topics if one.subset == subset} if accounts else {}
    ordered = [topic for of, topic in quotas if of == subset] or sorted(counts)
    most = max([*counts.values(), *quotas.values(), 1])
    rows: list[dict[str, Any]] = []
    for topic in dict.fromkeys([*ordered, *counts]):
        account, quota = asked.get(topic), quotas.get((subset, topic))
        rows.append(
            {
                "name": names.get(topic, topic),
                "accepted": counts[topic],
                "quota": quota,
                "width": round(100 * counts[topic] / (quota or most)),
                "refused": account.refused if account else 0,
                "yielded": account.yielded if account else 1.0,
            }
        )
    return rows


def _dataset_rows(folder: Path) -> list[dict[str, Any]]:
    manifest = read_manifest(folder)
    rows = manifest.notes.get("rows", {}) if manifest else {}
    return [
        {"subset": subset, "split": split, "rows": count}
        for subset, splits in rows.items()
        for split, count in splits.items()
    ]


def _sample(subsets: Mapping[str, Sequence[Dialogue]]) -> list[Dialogue]:
    everything = [one for found in subsets.values() for one in found]
    return random.Random(_SEED).sample(everything, min(SAMPLE, len(everything)))


def _shown(dialogue: Dialogue, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": dialogue.id,
        "topic": names.get(dialogue.topic, dialogue.topic),
        "character": dialogue.character,
        "turns": [
            {
                "role": turn.role,
                "parts": [
                    {"is_action": part.kind == "action", "text": part.text}
                    for part in split_actions(turn.content)
                ],
            }
            for turn in dialogue.turns
        ],
    }
