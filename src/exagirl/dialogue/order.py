"""An order: everything that a set of dialogues is made from."""

from __future__ import annotations

from typing import Any, NamedTuple

from exagirl.artifact import fingerprint
from exagirl.chatmodel.options import TeacherOptions
from exagirl.dialogue.corpus import bundled_lines
from exagirl.dialogue.mode import Mode, Script, Simulation
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.plan import plan_slots
from exagirl.dialogue.records import Slot
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.voices import order_of, teacher_identity
from exagirl.errors import RecipeError
from exagirl.persona.character import Character


class Order(NamedTuple):
    """Everything that a set of dialogues is made from."""

    character: Character
    teacher: TeacherOptions
    options: GenerationOptions
    seed: int

    def slots(self) -> list[Slot]:
        """What is owed."""
        return plan_slots(self.options, self.seed)

    def prompt(self) -> TeacherPrompt:
        """What the teacher is asked; bundled lines need no examples."""
        is_bundled = self.teacher.kind == "bundled"
        return TeacherPrompt(
            self.character,
            0 if is_bundled else self.options.few_shots,
            is_json=self.teacher.output == "json",
        )

    def mode(self, prompt: TeacherPrompt) -> Mode:
        """How dialogues come about.

        Raises:
            RecipeError: The teacher cannot do that.
        """
        if self.options.mode == "script":
            return Script(
                prompt,
                is_json=self.teacher.output == "json",
                is_free=self.teacher.kind == "bundled",
            )
        if self.teacher.kind == "bundled":
            raise RecipeError(
                "generation.mode: simulation에는 말하는 교사가 필요합니다. teacher.kind를 openai나 "
                "local로 바꾸거나, mode를 script로 두세요."
            )
        return Simulation(prompt)

    def name(self, prompt: TeacherPrompt) -> str:
        """The hash that the journal knows this order by; the size of the plan is no part of it."""
        user = self.options.user_teacher
        return order_of(
            teacher=teacher_identity(self.teacher),
            user=teacher_identity(user) if user else None,
            prompt=prompt.identity,
            mode=self.options.mode,
            lines=fingerprint(bundled_lines_of(self)) if self.teacher.kind == "bundled" else "",
        )

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Order:
        """An order that another process has written down."""
        return cls(
            Character.model_validate(facts["character"]),
            TeacherOptions.model_validate(facts["teacher"]),
            GenerationOptions.model_validate(facts["options"]),
            facts["seed"],
        )


def bundled_lines_of(order: Order) -> dict[str, str]:
    """Slot key to what the bundled teacher says, for every subset of an order."""
    lines: dict[str, str] = {}
    for subset in order.options.subsets:
        lines.update(bundled_lines(subset))
    return lines
