"""What the teacher is asked for one slot."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, StrictUndefined

from exagirl.artifact import fingerprint
from exagirl.chatmodel.protocol import Message
from exagirl.dialogue.few_shots import choose_examples, couples_like, examples_of
from exagirl.dialogue.personas import PLANS, couple_personas
from exagirl.dialogue.records import Slot, Turn
from exagirl.dialogue.transcript import format_transcript
from exagirl.korean.particles import attach
from exagirl.persona.character import Character
from exagirl.persona.system_prompt import render_system_prompt

ASK = "대화를 써 줘."
BEGIN = "(네가 먼저 말을 건다.)"
FAULT = "지난번 대화는 이래서 쓸 수 없었어:"
TURN_FAULT = "(방금 네가 쓴 말은 이래서 쓸 수 없다. 고쳐서 다시 말한다:"
TEMPLATES = ("teacher_prompt.jinja", "simulation_user.jinja", "simulation_character.jinja")


class TeacherPrompt:
    """Renders the messages for a slot; templates are read once.

    Args:
        character: The recipe's own character.
        few_shots: How many example dialogues a prompt shows.
        is_json: Whether the teacher writes JSON instead of a transcript.
    """

    def __init__(self, character: Character, few_shots: int = 0, *, is_json: bool = False) -> None:
        self._own = character
        self._few_shots = few_shots
        self._own_examples = examples_of(character)
        self._is_json = is_json
        self._speakers: dict[str, Character] = {}
        environment = Environment(undefined=StrictUndefined, autoescape=False)
        environment.filters["josa"] = lambda word, pair: attach(word, pair).removeprefix(word)
        folder = resources.files("exagirl.dialogue")
        sources = [(folder / name).read_text("utf-8") for name in TEMPLATES]
        self._script, self._user, self._character = map(environment.from_string, sources)
        # The dialogues of other couples, of which an order may see a few as examples, are left
        # out: one more of them in a new version is no reason to pay for everything again.
        #: Changes with everything else that shapes a prompt, apart from the slot.
        self.identity = fingerprint(
            [
                sources,
                (resources.files("exagirl.persona") / "system_prompt.jinja").read_text("utf-8"),
                (PLANS / "gf-personas.yaml").read_text("utf-8"),
                character,
                few_shots,
                is_json,
            ]
        )

    def speaker(self, slot: Slot) -> Character:
        """Who speaks in a slot: a couple persona, or the recipe's own character."""
        if not slot.persona:
            return self._own
        if slot.persona not in self._speakers:
            self._speakers[slot.persona] = couple_personas()[slot.persona].as_character()
        return self._speakers[slot.persona]

    def examples(self, slot: Slot) -> list[tuple[Turn, ...]]:
        """The dialogues that the prompt of a slot shows."""
        pool = couples_like(slot.persona) if slot.persona else self._own_examples
        return choose_examples(slot, pool, self._few_shots)

    def messages(self, slot: Slot, rejected: str = "") -> tuple[Message, ...]:
        """The messages for one whole script.

        Args:
            slot: What is owed.
            rejected: What was wrong with the last reply; sent back to the teacher when given.
        """
        system = self._script.render(is_json=self._is_json, **self._facts(slot))
        ask = ASK if not rejected else f"{ASK} {FAULT} {rejected}"
        return (Message(role="system", content=system), Message(role="user", content=ask))

    def user_messages(
        self, slot: Slot, said: Sequence[str], rejected: str = ""
    ) -> tuple[Message, ...]:
        """The messages for the user's next line: the character's lines are the other side's."""
        system = self._user.render(
            number=len(said) // 2 + 1, character=self.speaker(slot), slot=slot
        )
        return (
            Message(role="system", content=system),
            *_as_messages([BEGIN, *said], rejected),
        )

    def character_messages(
        self, slot: Slot, said: Sequence[str], rejected: str = ""
    ) -> tuple[Message, ...]:
        """The messages for the character's next line."""
        system = self._character.render(**self._facts(slot))
        return (
            Message(role="system", content=system),
            *_as_messages(said, rejected),
        )

    def _facts(self, slot: Slot) -> dict[str, object]:
        character = self.speaker(slot)
        return {
            "character": character,
            "persona": render_system_prompt(character),
            "level": _level(character),
            "examples": [format_transcript(example) for example in self.examples(slot)],
            "slot": slot,
        }


def _as_messages(said: Sequence[str], rejected: str) -> tuple[Message, ...]:
    """Lines as messages; a fault is told at the end of the last one, which came from outside."""
    told = [*said[:-1], f"{said[-1]}\n{TURN_FAULT} {rejected})"] if rejected else said
    return tuple(
        Message(role="assistant" if position % 2 else "user", content=content)
        for position, content in enumerate(told)
    )


def _level(character: Character) -> str:
    if character.speech.is_old:
        return "하오체"
    return "반말" if character.speech.level == "banmal" else "존댓말"
