"""What the teacher is asked for one slot."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, StrictUndefined

from exagirl.chatmodel.protocol import Message
from exagirl.dialogue.personas import couple_personas
from exagirl.dialogue.records import Slot
from exagirl.persona.character import Character
from exagirl.persona.system_prompt import render_system_prompt

ASK = "대화를 써 줘."


class TeacherPrompt:
    """Renders the messages for a slot; the template is read once."""

    def __init__(self, character: Character) -> None:
        self._own = character
        environment = Environment(undefined=StrictUndefined, autoescape=False)
        source = resources.files("exagirl.dialogue") / "teacher_prompt.jinja"
        self._template = environment.from_string(source.read_text("utf-8"))

    def speaker(self, slot: Slot) -> Character:
        """Who speaks in a slot: a couple persona, or the recipe's own character."""
        if slot.persona:
            return couple_personas()[slot.persona].as_character()
        return self._own

    def messages(self, slot: Slot, rejected: str = "") -> tuple[Message, ...]:
        """The messages for one attempt.

        Args:
            slot: What is owed.
            rejected: What was wrong with the last reply; sent back to the teacher when given.
        """
        character = self.speaker(slot)
        system = self._template.render(
            character=character, persona=render_system_prompt(character), slot=slot
        )
        ask = ASK if not rejected else f"{ASK} 지난번 대화는 이래서 쓸 수 없었어: {rejected}"
        return (Message(role="system", content=system), Message(role="user", content=ask))
