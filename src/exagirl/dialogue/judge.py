"""An optional judge: a model that reads a dialogue by a rubric before it is accepted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined

from exagirl.chatmodel.protocol import ChatReply, Message
from exagirl.dialogue.check import Rejection
from exagirl.dialogue.options import Criterion, JudgeOptions
from exagirl.dialogue.records import Dialogue
from exagirl.dialogue.transcript import format_transcript
from exagirl.persona.character import Character
from exagirl.persona.system_prompt import render_system_prompt
from exagirl.record import shipped_yaml

TRIES = 3
"""How often a judge that answers nonsense is asked about one dialogue."""
UNREADABLE = Rejection(code="judge.unreadable", message="심사 모델이 점수를 내지 못했다.")


class Appraisal(NamedTuple):
    """What a judge said."""

    score: float
    """The mean over the rubric, from 1 to 5."""
    reason: str


class Judge:
    """Asks by a rubric and reads the answer."""

    def __init__(self, options: JudgeOptions) -> None:
        self.threshold = options.threshold
        folder = resources.files("exagirl.dialogue")
        shipped = shipped_yaml((folder / "rubric.yaml").read_text("utf-8"))
        self.rubric = options.rubric or tuple(Criterion.model_validate(row) for row in shipped)
        environment = Environment(undefined=StrictUndefined, autoescape=False)
        source = (folder / "judge_prompt.jinja").read_text("utf-8")
        self._template = environment.from_string(source)

    def messages(self, character: Character, dialogue: Dialogue) -> tuple[Message, ...]:
        """What the judge is asked about a dialogue."""
        system = self._template.render(persona=render_system_prompt(character), rubric=self.rubric)
        return (
            Message(role="system", content=system),
            Message(role="user", content=format_transcript(dialogue.turns)),
        )

    def read(self, reply: ChatReply) -> Appraisal | None:
        """Read an answer; None where a score is missing or out of range. Nothing is filled in."""
        found = _object(reply.content)
        scores = found.get("scores") if found else None
        if not isinstance(scores, Mapping):
            return None
        given = [scores.get(criterion.name) for criterion in self.rubric]
        points = [float(point) for point in given if point is not None and _is_point(point)]
        if len(points) != len(given):
            return None
        reason = str((found or {}).get("reason", ""))[:300]
        # JSON can spell half a character (\ud83d), which no file takes.
        told = reason.encode("utf-8", "replace").decode("utf-8")
        return Appraisal(sum(points) / len(points), told)

    def verdict(self, appraisal: Appraisal) -> Rejection | None:
        """Refuse what scores below the threshold."""
        if appraisal.score >= self.threshold:
            return None
        return Rejection(
            code="judge.low",
            message=f"심사 {appraisal.score:.1f}점({self.threshold:g}점부터). {appraisal.reason}",
        )


def _is_point(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 5


def _object(text: str) -> Mapping[str, Any] | None:
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, Mapping) else None
