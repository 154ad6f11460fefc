"""How a dialogue comes about: asked for whole, or line by line. Both leave the same record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from exagirl.chatmodel.protocol import ChatReply, Message
from exagirl.dialogue.check import (
    Rejection,
    check_copies,
    check_count,
    check_dialogue,
    check_line,
)
from exagirl.dialogue.json_reply import parse_json_reply
from exagirl.dialogue.records import Dialogue, Role, Slot, Turn
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.transcript import parse_transcript
from exagirl.errors import TranscriptError

CUT_OFF = Rejection(code="cut-off", message="말이 중간에 끊겼다. 더 짧게 쓴다.")
REFUSED = Rejection(code="refused", message="교사가 답하기를 거절했다.")
_OWN_LABEL = re.compile(
    r"\A\s*(?:\*\*)?(?:human|gpt)\s*\d{0,3}\s*(?:\*\*)?\s*[:：]\s*(?:\*\*)?\s*", re.I
)

VoiceName = Literal["teacher", "user"]


class Question(NamedTuple):
    """What to ask next, and whom."""

    voice: VoiceName
    messages: tuple[Message, ...]
    as_json: bool = False


class Kept(NamedTuple):
    """One line of a conversation that goes on."""

    content: str


Outcome = Dialogue | Rejection | Kept


class Mode(Protocol):
    """The way from a slot to a dialogue."""

    def ask(self, slot: Slot, said: Sequence[str], told: str) -> Question:
        """What to ask next.

        Args:
            slot: What is owed.
            said: The lines so far; empty for a script.
            told: What was wrong with the last reply, or nothing.
        """

    def read(self, slot: Slot, said: Sequence[str], reply: ChatReply) -> Outcome:
        """Read a reply; nothing is asked and nothing is written."""

    def replies(self, slot: Slot) -> int:
        """How many replies a dialogue takes when none is refused."""


class Script:
    """The teacher writes the whole dialogue in one reply.

    Args:
        prompt: What it is asked.
        is_json: Whether it writes JSON instead of a transcript.
        is_free: True where the teacher cannot be held to a number of turns: bundled lines.
    """

    def __init__(
        self, prompt: TeacherPrompt, *, is_json: bool = False, is_free: bool = False
    ) -> None:
        self._prompt = prompt
        self._is_json = is_json
        self._is_free = is_free

    def ask(self, slot: Slot, said: Sequence[str], told: str) -> Question:
        """Ask for the dialogue."""
        del said
        return Question("teacher", self._prompt.messages(slot, told), self._is_json)

    def read(self, slot: Slot, said: Sequence[str], reply: ChatReply) -> Outcome:
        """Parse and check the dialogue."""
        del said
        if ended := _ended_badly(reply):
            return ended
        try:
            parse = parse_json_reply if self._is_json else parse_transcript
            turns = parse(reply.content)
        except TranscriptError as error:
            return Rejection(code=error.code, message=str(error))
        fault = None if self._is_free else check_count(turns, slot)
        return fault or _as_dialogue(self._prompt, slot, turns)

    def replies(self, slot: Slot) -> int:
        """One."""
        del slot
        return 1


class Simulation:
    """A model that plays the user and one that plays the character take turns."""

    def __init__(self, prompt: TeacherPrompt) -> None:
        self._prompt = prompt

    def ask(self, slot: Slot, said: Sequence[str], told: str) -> Question:
        """Ask for the next line."""
        if len(said) % 2:
            return Question("teacher", self._prompt.character_messages(slot, said, told))
        return Question("user", self._prompt.user_messages(slot, said, told))

    def read(self, slot: Slot, said: Sequence[str], reply: ChatReply) -> Outcome:
        """Check the line; after the last one the dialogue is whole."""
        if ended := _ended_badly(reply):
            return ended.model_copy(update={"is_whole": False})
        lines = reply.content.replace("\r\n", "\n").replace("\r", "\n")
        content = _OWN_LABEL.sub("", lines).strip()
        role: Role = "assistant" if len(said) % 2 else "user"
        rules = self._prompt.speaker(slot).check_rules()
        if fault := check_line(content, role, rules, said):
            return fault.model_copy(update={"is_whole": False})
        spoken = [*said, content]
        if len(spoken) < 2 * slot.turns:
            return Kept(content)
        turns = [
            Turn(role="assistant" if at % 2 else "user", content=line)
            for at, line in enumerate(spoken)
        ]
        return _as_dialogue(self._prompt, slot, turns)

    def replies(self, slot: Slot) -> int:
        """One a line."""
        return 2 * slot.turns


def _ended_badly(reply: ChatReply) -> Rejection | None:
    if reply.finish_reason == "length":
        return CUT_OFF
    return REFUSED if reply.finish_reason == "content_filter" else None


def _as_dialogue(prompt: TeacherPrompt, slot: Slot, turns: Sequence[Turn]) -> Dialogue | Rejection:
    speaker = prompt.speaker(slot)
    fault = check_dialogue(turns, speaker.check_rules()) or check_copies(
        turns, prompt.examples(slot)
    )
    if fault is not None:
        return fault
    return Dialogue(
        id=slot.key,
        subset=slot.subset,
        topic=slot.topic,
        character=slot.persona or speaker.name,
        turns=tuple(turns),
        meta={"phrase": slot.phrase},
    )
