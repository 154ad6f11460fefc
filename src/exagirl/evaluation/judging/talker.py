"""Who talks with a character: the lines of a script, or a model that plays the user."""

from __future__ import annotations

import re
from collections.abc import Sequence

from exagirl.chatmodel.protocol import Message
from exagirl.dialogue.records import Turn
from exagirl.evaluation.judging.judge import Prompts
from exagirl.evaluation.judging.line import Line, Seat
from exagirl.evaluation.judging.scenes import Scene
from exagirl.evaluation.probes import USER, fill_names
from exagirl.persona.character import Character

SUMMARY_CHARS = 80
QUESTION_CHARS = 400
"""A user who writes more than this is cut."""
BEGIN = "(네가 먼저 말을 건다.)"
SILENT = "(아무 말도 하지 않았다)"
_LABEL = re.compile(r"\A\s*(?:상대|나|사용자|user|human)\s*\d{0,2}\s*[:：]\s*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")


class Talker:
    """Draws the lines of both sides; every model has its own history.

    The interrogator knows the character's name, one line about them and the situation, never the
    card. Without one, the lines of the probes are said as they stand.

    Args:
        line: What the questions go through.
        character: Who is played.
        system: The system prompt that the models were made for.
        interrogator: Who plays the user, or nobody.
    """

    def __init__(
        self, line: Line, character: Character, system: str, interrogator: Seat | None = None
    ) -> None:
        self.character = character
        self._line, self._interrogator = line, interrogator
        self._system = Message(role="system", content=system)
        self._prompts = Prompts()

    async def answer(self, seat: Seat, turns: Sequence[Turn]) -> Turn:
        """The character's next turn; may be empty.

        Raises:
            NotAsked: There is none, because the line failed or the budget is spent.
            TeacherError: The model cannot answer at all.
        """
        said = [Message(role=one.role, content=one.content) for one in turns]
        reply = await self._line.ask(seat, "interview-reply", [self._system, *said])
        return Turn(role="assistant", content=reply.content.strip())

    async def say(self, scene: Scene, turns: Sequence[Turn]) -> str:
        """The user's next line; empty where there is nothing more to say.

        Raises:
            NotAsked: There is none, because the line failed or the budget is spent.
            TeacherError: The interrogator cannot answer at all.
        """
        number = len(turns) // 2
        if number == 0 or self._interrogator is None:
            return scene.lines[number] if number < len(scene.lines) else ""
        about = {
            "user": USER,
            "name": self.character.name,
            "summary": summary_of(self.character),
            "scene": scene,
        }
        heard = [
            # The interrogator is the assistant of its own conversation.
            Message(
                role="assistant" if one.role == "user" else "user",
                content=fill_names(one.content, self.character) or SILENT,
            )
            for one in turns
        ]
        system = self._prompts.render("interrogator_prompt.jinja", about)
        messages = [
            Message(role="system", content=system),
            Message(role="user", content=BEGIN),
            *heard,
        ]
        reply = await self._line.ask(self._interrogator, "interrogator", messages)
        if reply.finish_reason == "content_filter":
            return ""
        return _LABEL.sub("", reply.content).strip()[:QUESTION_CHARS]


def summary_of(character: Character) -> str:
    """One line about a character: the first sentence of who they are."""
    first = _SENTENCE_END.split(character.description.strip())[0]
    return first if len(first) <= SUMMARY_CHARS else first[: SUMMARY_CHARS - 1] + "…"
