"""One character of a conversation: what it is given before it speaks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from exagirl.chat.backend import Tunable
from exagirl.chat.conversation import Conversation, Turn
from exagirl.chat.counting import TokenCounter
from exagirl.chat.faults import ChatError
from exagirl.chat.lore import Fired, fire, label_of
from exagirl.chat.memory import Holding, forgotten, recall_facts
from exagirl.chat.options import ChatOptions
from exagirl.chat.prompt import Ask, Block, Heard, Prompt, build_prompt
from exagirl.chat.room import Member, room_text
from exagirl.chatmodel.sampling import Sampling
from exagirl.errors import CharacterError
from exagirl.korean.particles import fill_placeholders
from exagirl.persona.system_prompt import render_system_prompt

RECALL_TURNS = 4
"""Turns whose words call facts of earlier talk to mind."""
_SHRINK_STEP = 32


class Voice:
    """One member of the cast with what it takes to speak.

    Args:
        member: The character and its backend.
        others: Names of the other characters in the room.
        options: How the conversation is held.
    """

    def __init__(self, member: Member, others: Sequence[str], options: ChatOptions) -> None:
        self.character = member.character
        self.backend = member.backend
        self.others = tuple(others)
        self.counter = TokenCounter(member.backend)
        self._options = options
        # Rendered on first use: most talks need only what the chat template holds.
        self._written = lru_cache(maxsize=8)(self._write)
        self._start = 0
        self._recalled: tuple[str, ...] = ()
        self._called: dict[str, int] = {}
        """Texts of lore to the turn whose words called them up last."""
        self._memories = Holding()
        self._known: dict[int, tuple[Turn, Heard]] = {}
        self._known_to = ""

    @property
    def name(self) -> str:
        """The character's name."""
        return self.character.name

    @property
    def sampling(self) -> Sampling | None:
        """How its replies are drawn; None where that cannot be changed."""
        return self.backend.sampling if isinstance(self.backend, Tunable) else None

    def tune(self, sampling: Sampling, options: ChatOptions) -> None:
        """Draw replies in another way, where the backend knows another."""
        self._options = options
        if isinstance(self.backend, Tunable):
            self.backend = self.backend.with_sampling(sampling)

    def fill(self, text: str, user: str) -> str:
        """A text with the names filled in and their particles right."""
        return fill_placeholders(
            text, user=user, character=self.name, intimate=self.character.speech.intimate
        )

    def prompt(self, talk: Conversation) -> Prompt:
        """What this character would be given if it were to speak now.

        Lore stays for as long as the words that called it up are among the turns that are given.

        Raises:
            ChatError: Not even the character and the newest words fit.
        """
        there = {turn.id for turn in talk.turns if turn.id >= self._start}
        staying = {text for text, turn in self._called.items() if turn in there}
        prompt = self._prompt(talk, staying)
        # Where turns fell out, what they called up goes with them, in the same prompt: it is read
        # again anyway.
        last = {text for text in staying if self._called[text] in prompt.kept}
        return prompt if last == staying else self._prompt(talk, last)

    def _prompt(self, talk: Conversation, staying: Collection[str]) -> Prompt:
        options, user = self._options, talk.setting.user
        turns = [turn for turn in talk.turns if not turn.is_hidden]
        heard = [*self._greeting(talk), *self._all_heard(turns, user)]
        # A system prompt that a model learned is one character's; in a room each has its own.
        learned = None if self.others else options.system
        system = learned or self._written(None)
        fired = self._fire(talk, turns, system, staying)
        memories = self._memories.of(talk)
        lines = [self.fill(turn.raw, user) for turn in turns[-RECALL_TURNS:]]
        facts = recall_facts(
            memories, lines, options.memory_tokens, self.counter.text, self._recalled
        )
        in_room = bool(self.others)
        ask = Ask(
            system=system,
            is_baked=not (learned or options.writes_system or in_room),
            room=room_text(self.name, self.others) if in_room else "",
            blocks=self._blocks(talk, fired, facts),
            turns=heard,
            budget=options.prompt_tokens,
            shrink=self._shrunk,
            start=self._start,
            merges=in_room,
            fill=str if options.knows_placeholders else lambda text: self.fill(text, user),
        )
        prompt = build_prompt(ask, self.counter)
        given = set(prompt.blocks)
        update = {
            "lore": tuple(label_of(e) for e in fired.entries if e.text in given),
            "called": tuple(e.text for e in fired.called if e.text in given and e.depth is None),
            "lore_left_out": tuple(
                label_of(e) for e in (*fired.entries, *fired.left_out) if e.text not in given
            ),
            "recalled": tuple(fact for fact in facts if fact in given),
            "kept": tuple(number for number in prompt.kept if number),
            "left_out": (left_out := tuple(number for number in prompt.left_out if number)),
            "unsummarised": len(forgotten(left_out, memories)),
        }
        return prompt.model_copy(update=update)

    def begin_alike(self, prompt: Prompt) -> None:
        """Let the next prompt begin where this one began, as long as it fits."""
        self._start = prompt.kept[0] if prompt.kept else 0
        self._recalled = prompt.recalled
        self._called |= dict.fromkeys(prompt.called, prompt.kept[-1] if prompt.kept else 0)

    def _greeting(self, talk: Conversation) -> list[Heard]:
        at = talk.setting.greeting
        greetings = self.character.greetings
        if not self._options.gives_greeting or not 0 <= at < len(greetings):
            return []
        return [Heard(0, "assistant", greetings[at])]

    def _all_heard(self, turns: Sequence[Turn], user: str) -> list[Heard]:
        """Turns as this character hears them; one that is as it was is not written again."""
        if self._known_to != user:
            self._known, self._known_to = {}, user
        fresh = {
            turn.id: (turn, self._heard(turn, user))
            for turn in turns
            if (known := self._known.get(turn.id)) is None or known[0] is not turn
        }
        self._known |= fresh
        return [self._known[turn.id][1] for turn in turns]

    def _heard(self, turn: Turn, user: str) -> Heard:
        """A turn as this character hears it: its own words, or somebody's under their name."""
        if not self.others:
            return Heard(turn.id, turn.role, turn.raw)
        if turn.role == "assistant" and turn.speaker == self.name:
            return Heard(turn.id, "assistant", turn.raw)
        name = turn.speaker or (user if turn.role == "user" else self.name)
        return Heard(turn.id, "user", f"{name}: {turn.raw}")

    def _fire(
        self, talk: Conversation, turns: Sequence[Turn], system: str, staying: Collection[str]
    ) -> Fired:
        book = self.character.lorebook
        last = turns[-book.scan_depth :] if book.scan_depth else ()
        lines = [self.fill(turn.raw, talk.setting.user) for turn in last]
        return fire(book, lines, count=self.counter.text, known=system, staying=staying)

    @staticmethod
    def _blocks(talk: Conversation, fired: Fired, facts: Sequence[str]) -> list[Block]:
        setting = talk.setting
        blocks = [Block("persona", setting.persona)] if setting.persona else []
        blocks += [Block("pin", pin) for pin in setting.pins]
        if setting.note.text:
            blocks.append(Block("note", setting.note.text, setting.note.depth))
        blocks += [Block("memory", fact) for fact in facts]
        return [*blocks, *(Block("lore", entry.text, entry.depth) for entry in fired.entries)]

    def _shrunk(self, budget: int) -> str:
        return self._written(budget - budget % _SHRINK_STEP or budget)

    def _write(self, budget: int | None) -> str:
        count: Callable[[str], int] = lambda text: self.counter.message(  # noqa: E731 (a one-line key)
            {"role": "system", "content": text}
        )
        try:
            return render_system_prompt(self.character, budget_tokens=budget, count=count)
        except CharacterError as error:
            raise ChatError(
                "마지막 말과 캐릭터 설명이 문맥 길이에 들어가지 않습니다. 말을 짧게 나누거나 "
                "context_tokens를 늘려 주세요."
            ) from error
