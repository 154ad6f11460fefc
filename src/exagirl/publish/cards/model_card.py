"""The page of a published model: who the character is, how to use it, what it was made from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from exagirl.evaluation.scores import Quote
from exagirl.korean.particles import fill_placeholders
from exagirl.publish.cards.card import HUB, goes, links, render
from exagirl.publish.cards.facts import GgufFacts, RunFacts
from exagirl.publish.cards.licences import PACKAGED, Licence
from exagirl.publish.cards.score_lines import (
    count_measured,
    model_index,
    score_rows,
    unmeasured,
    weaknesses,
)
from exagirl.publish.cards.teachers import teachers_of
from exagirl.publish.choice import PARTS, Part, PublishChoice
from exagirl.publish.faults import PublishError

USER = "민준"
"""Who stands in for ``{유저}`` on a page; the run's sample has the same name."""
SMALL = 3_000_000_000
"""Parameters below which a model is called small."""
BEST_QUANTS = ("Q8_0", "Q6_K", "Q5_K_M", "BF16", "F16", "Q4_K_M")
RELATIONS: dict[Part, str] = {"model": "finetune", "adapter": "adapter", "gguf": "quantized"}
LIBRARIES: dict[Part, str] = {"model": "transformers", "adapter": "peft", "gguf": "gguf"}


def model_card(
    facts: RunFacts,
    licence: Licence,
    choice: PublishChoice,
    part: Part,
    *,
    files: Collection[str] = (),
) -> str:
    """``README.md`` of a merged model, an adapter or GGUF files.

    Args:
        facts: What the run left behind.
        licence: What the base asks for.
        choice: Where to, and what goes along; only that is linked to.
        part: ``model``, ``adapter`` or ``gguf``.
        files: Names of the files that stand beside the card, as far as it speaks of them: those of
            `ollama_files`.

    Returns:
        Markdown with YAML front matter. No number stands in it that is not in the run's files.

    Raises:
        PublishError: The run has no GGUF file, and a page for one is asked for.
    """
    if part == "gguf" and not facts.gguf:
        raise PublishError(
            "이 실행에는 GGUF가 없습니다. 먼저 'exagirl export 이름 --to gguf'를 실행하세요."
        )
    evaluation = facts.evaluation
    teachers = teachers_of(facts.asked)
    return render(
        "model.md.jinja",
        _front_matter(facts, licence, choice, part),
        part=part,
        facts=facts,
        character=facts.character,
        greeting=_filled(next(iter(facts.character.greetings), ""), facts),
        samples=[_filled(line, facts) for line in facts.character.speech.samples[:4]],
        licence=licence,
        repo=choice.repo_of(part),
        repos={one: choice.repo_of(one) for one in PARTS},
        links=links(choice, facts, PARTS),
        base_link=f"{HUB}/{facts.hub_base}" if facts.hub_base else "",
        is_packaged=facts.asked.training.base in PACKAGED,
        is_small=facts.parameters is not None and facts.parameters < SMALL,
        user=USER,
        rows=score_rows(evaluation) if evaluation else [],
        unmeasured=unmeasured(evaluation) if evaluation else [],
        measures=count_measured(evaluation) if evaluation else 0,
        weaknesses=weaknesses(evaluation) if evaluation else [],
        distrust=_distrust(facts),
        worst=_worst(facts),
        scores=_scores_link(facts, choice, part),
        best=best_gguf(facts.gguf) if facts.gguf else None,
        teachers=teachers,
        has_ollama="template" in files,
    )


def best_gguf(files: tuple[GgufFacts, ...]) -> GgufFacts:
    """The file that a page shows first: eight bits, else the finest."""
    order = {quant: rank for rank, quant in enumerate(BEST_QUANTS)}
    return min(files, key=lambda file: order.get(file.quant, len(order)))


def _front_matter(
    facts: RunFacts, licence: Licence, choice: PublishChoice, part: Part
) -> dict[str, Any]:
    base = facts.hub_base
    if part == "gguf" and goes(choice, "model", facts):
        base = choice.repo
    has_data = goes(choice, "dataset", facts)
    tags = ["korean", "role-play", "character", "conversational", "exagirl"]
    tags += ["lora"] if part != "gguf" else []
    index: list[dict[str, Any]] = []
    if part == "model" and facts.evaluation and has_data:
        index = model_index(facts.evaluation, choice.name, choice.repo_of("dataset"))
    return {
        "language": ["ko"],
        "license": licence.id,
        "license_name": licence.hub_name if licence.id == "other" else "",
        "license_link": licence.link if licence.id == "other" else "",
        "base_model": base,
        "base_model_relation": RELATIONS[part] if base else "",
        "datasets": [choice.repo_of("dataset")] if has_data else [],
        "library_name": LIBRARIES[part],
        "pipeline_tag": "text-generation",
        "tags": tags,
        "model-index": index,
    }


def _filled(text: str, facts: RunFacts) -> str:
    return fill_placeholders(text, user=USER, character=facts.character.name)


def _distrust(facts: RunFacts) -> str:
    """Why the judge's points say little, where one judged and was found wanting."""
    certificate = facts.evaluation.certificate if facts.evaluation else None
    return certificate.reason if certificate and not certificate.is_trusted else ""


def _worst(facts: RunFacts) -> Quote | None:
    """The gravest slip of the tuned model: a page that shows good lines only would mislead."""
    quotes = facts.evaluation.quotes if facts.evaluation else ()
    return next((q for q in quotes if q.why == "worst" and q.reply.model == "tuned"), None)


def _scores_link(facts: RunFacts, choice: PublishChoice, part: Part) -> str:
    """Where the scores file is read: beside the model, or in the model's repository."""
    if facts.evaluation is None:
        return ""
    if part == "model":
        return "evaluation/scores.json"
    is_there = goes(choice, "model", facts)
    return f"{HUB}/{choice.repo}/blob/main/evaluation/scores.json" if is_there else ""
