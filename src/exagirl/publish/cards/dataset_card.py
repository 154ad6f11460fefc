"""The page of a published data set: what a row is, how it came to be, what may be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exagirl.dataset.build import SPLITS
from exagirl.publish.cards.card import links, render
from exagirl.publish.cards.facts import RunFacts, SubsetFacts
from exagirl.publish.cards.teachers import TeacherTerms
from exagirl.publish.choice import PARTS, PublishChoice
from exagirl.publish.faults import PublishError

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
MORE = "1M<n<10M"
PLANS = {
    "exa": "19가지 주제 / nineteen topics",
    "gf-persona": "연인 페르소나 × 상황 / couple personas × situations",
    "corpus": "함께 든 대화 그대로 / the dialogues that ship",
}


def dataset_card(facts: RunFacts, teachers: Sequence[TeacherTerms], choice: PublishChoice) -> str:
    """``README.md`` of the data set, with one config a subset as the files lie.

    Args:
        facts: What the run left behind.
        teachers: Who wrote the dialogues; see `teachers.teachers_of`.
        choice: Where to, and what goes along; only that is linked to.

    Returns:
        Markdown with YAML front matter that ``datasets.load_dataset`` reads.

    Raises:
        PublishError: The run has no data set.
    """
    if not facts.subsets:
        raise PublishError(
            "이 실행에는 데이터셋이 없습니다. 먼저 'exagirl train 이름'을 실행하세요."
        )
    return render(
        "dataset.md.jinja",
        _front_matter(facts, teachers, choice),
        facts=facts,
        character=facts.character,
        repo=choice.repo_of("dataset"),
        repos={part: choice.repo_of(part) for part in PARTS},
        links=links(choice, facts, PARTS),
        teachers=teachers,
        plans=PLANS,
        is_bundled=facts.asked.teacher.kind == "bundled",
        shipped=[f"`{one.name}`" for one in facts.subsets if one.is_validation_shipped],
        drawn=[f"`{one.name}`" for one in facts.subsets if not one.is_validation_shipped],
        judge=_judge(facts),
        limits=facts.asked.generation,
        refused=sum(one.times for one in facts.refused),
    )


def _front_matter(
    facts: RunFacts, teachers: Sequence[TeacherTerms], choice: PublishChoice
) -> dict[str, Any]:
    strictest = _strictest(teachers)
    return {
        "pretty_name": f"{facts.character.name} 한국어 롤플레잉 대화 ({choice.name})",
        "language": ["ko"],
        "license": strictest.id,
        "license_name": strictest.hub_name if strictest.id == "other" else "",
        "license_link": strictest.link if strictest.id == "other" else "",
        "task_categories": ["text-generation"],
        "size_categories": [_size(facts.subsets)],
        "tags": ["korean", "role-play", "persona", "dialogue", "synthetic", "exagirl"],
        "configs": [
            {
                "config_name": subset.name,
                "data_files": [
                    {"split": split, "path": f"{subset.name}/{split}.parquet"} for split in SPLITS
                ],
            }
            for subset in facts.subsets
        ],
    }


def _strictest(teachers: Sequence[TeacherTerms]) -> TeacherTerms:
    """The terms that bind the whole: those that are no open licence, where there are any."""
    return next((terms for terms in teachers if terms.kind != "open"), teachers[0])


def _size(subsets: Sequence[SubsetFacts]) -> str:
    rows = sum(subset.train + subset.validation for subset in subsets)
    return next((name for limit, name in SIZES if rows < limit), MORE)


def _judge(facts: RunFacts) -> str:
    """The name of the model that judged dialogues, without its folder; empty where none did."""
    judge = facts.asked.generation.judge
    return judge.teacher.model.rstrip("/").rpartition("/")[2] or judge.teacher.kind if judge else ""
