"""Base against tuned, side by side, on dialogues that no training read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from exagirl.artifact import is_complete, new_artifact, seal
from exagirl.evaluation.options import EvaluationOptions
from exagirl.evaluation.rules import RuleScores, score_replies
from exagirl.korean.check import Rules
from exagirl.progress import Watcher
from exagirl.record import Record

Conversation = Sequence[dict[str, str]]


class Loss(Protocol):
    """How surprised a model was by given replies."""

    @property
    def per_token(self) -> float:
        """Nats a token."""


class Candidate(Protocol):
    """A model that is measured."""

    def measure_loss(self, conversations: Sequence[Conversation]) -> Loss:
        """The loss on the replies of these conversations."""

    def draw_replies(
        self, conversations: Sequence[Conversation], max_new_tokens: int, seed: int
    ) -> list[str]:
        """One reply to each conversation."""


class Scores(Record):
    """What one model scored."""

    reply_loss: float
    """Nats a token on the held-out replies."""
    rules: RuleScores


class Heldout(Record):
    """What the models are measured on."""

    conversations: Sequence[Conversation]
    """System message first; no training read them."""
    rules: Rules
    """The character's own."""
    options: EvaluationOptions
    seed: int
    """Seeds the sampling."""


def evaluate_models(
    candidates: Mapping[str, Callable[[], Candidate]],
    heldout: Heldout,
    *,
    folder: Path,
    inputs: Mapping[str, str],
    watcher: Watcher,
) -> dict[str, Scores]:
    """Measure every model and write ``scores.json`` and ``replies.jsonl``.

    Args:
        candidates: Name to a function that loads the model; one is in memory at a time.
        heldout: What they are measured on.
        folder: The artifact.
        inputs: What the scores depend on.
        watcher: Told about every batch.
    """
    if is_complete(folder, inputs):
        return read_scores(folder)
    options, rules = heldout.options, heldout.rules
    prompts = reply_prompts(heldout.conversations)[: options.replies]
    batches = [
        prompts[start : start + options.batch_size]
        for start in range(0, len(prompts), options.batch_size)
    ]
    scores: dict[str, Scores] = {}
    rows: list[dict[str, Any]] = []
    watcher.start("전과 후 재기", len(candidates) * (len(batches) + 1))
    for name, load in candidates.items():
        model = load()
        loss = model.measure_loss(heldout.conversations).per_token
        watcher.advance(note=f"{name} 손실 {loss:.2f}")
        replies: list[str] = []
        for batch in batches:
            replies += model.draw_replies(batch, options.max_new_tokens, heldout.seed)
            watcher.advance(note=f"{name} 답 {len(replies)}개")
        scores[name] = Scores(reply_loss=loss, rules=score_replies(replies, rules))
        rows += [
            {"model": name, "asked": prompt[-1]["content"], "reply": reply}
            for prompt, reply in zip(prompts, replies, strict=True)
        ]
        del model
    with new_artifact(folder) as aside:
        _write(aside, scores, rows, {"replies": len(prompts), "seed": heldout.seed})
        seal(aside, "evaluation", inputs)
    watcher.finish(f"답 {len(prompts)}개씩")
    return scores


def reply_prompts(conversations: Sequence[Conversation]) -> list[list[dict[str, str]]]:
    """Every place where the character speaks: the messages before it, first turns first."""
    places = [
        (position, number, list(messages[:position]))
        for number, messages in enumerate(conversations)
        for position, message in enumerate(messages)
        if message["role"] == "assistant"
    ]
    return [messages for _, _, messages in sorted(places, key=lambda place: place[:2])]


def _write(
    folder: Path, scores: Mapping[str, Scores], rows: Sequence[Any], facts: Mapping[str, Any]
) -> None:
    report = {**facts, "models": {name: score.model_dump() for name, score in scores.items()}}
    (folder / "scores.json").write_text(
        json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    (folder / "replies.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )


def read_scores(folder: Path) -> dict[str, Scores]:
    """Read ``scores.json`` back."""
    report = json.loads((folder / "scores.json").read_text("utf-8"))
    return {name: Scores.model_validate(score) for name, score in report["models"].items()}
