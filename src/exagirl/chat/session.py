"""One conversation with a character: what was said, and what is said next."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import dropwhile, takewhile
from pathlib import Path
from threading import Event
from typing import NamedTuple

from exagirl.artifact import make_folder, write_lines
from exagirl.chat.backend import Backend, GoesOn, speak_locally
from exagirl.chat.check import check_reply, falls_out
from exagirl.chat.conversation import Conversation, Note, Role, Said, Turn, Version
from exagirl.chat.editing import Editing
from exagirl.chat.exchange import Names, messages_row, read_log, sillytavern_rows
from exagirl.chat.faults import ChatError, StaleChatError
from exagirl.chat.filling import fill_stream
from exagirl.chat.memory import Summariser, forgotten
from exagirl.chat.options import ChatOptions
from exagirl.chat.prompt import Prompt
from exagirl.chat.reply import Drawing
from exagirl.chat.room import Member, check_cast, own_lines, who_speaks
from exagirl.chat.voice import Voice
from exagirl.korean.check import Finding
from exagirl.korean.normalise import normalise
from exagirl.korean.particles import particle_after
from exagirl.persona.character import Character
from exagirl.persona.system_prompt import render_system_prompt

__all__ = [
    "Backend",
    "ChatError",
    "ChatOptions",
    "Member",
    "Note",
    "Prompt",
    "Said",
    "Session",
    "StaleChatError",
    "fill_stream",
    "speak_locally",
]


class Session(Editing):
    """A conversation between one person and one character, or a few in one room.

    Args:
        character: Who speaks.
        backend: What speaks for the character.
        user: The person's name.
        options: How the conversation is held.
        others: More characters in the room, three at most.

    Raises:
        ChatError: The characters cannot be told apart, or are too many.
    """

    def __init__(
        self,
        character: Character,
        backend: Backend,
        *,
        user: str = "친구",
        options: ChatOptions | None = None,
        others: Sequence[Member] = (),
    ) -> None:
        cast = [Member(character, backend), *others]
        check_cast(cast)
        names = [member.character.name for member in cast]
        options = options or ChatOptions()
        voices = [
            Voice(member, [name for name in names if name != member.character.name], options)
            for member in cast
        ]
        super().__init__(voices, " ".join(normalise(user).split()) or "친구", options)
        self.backend = backend
        self.last_prompt: Prompt | None = None
        """What the model was given for the last reply: which lore fired, what was recalled."""
        self.memory_fault = ""
        """Why the last stretch that fell out has no memory; empty where it has one."""
        self._gave_up_at: int | None = None

    # Talking.

    def say(self, text: str, stop: Event | None = None) -> Iterator[str]:
        """Say something and yield the reply as it comes, with the names filled in.

        What was yielded is kept even when the reply is stopped or fails midway; a reply of which
        nothing came leaves the conversation as it was. What is said is checked before this
        returns; the model is asked when the first piece is fetched.

        Raises:
            ChatError: There is nothing to say, or too much.
            StaleChatError: Somebody else changed the chat meanwhile.
        """
        asked = self._turn("user", self._clean(text))
        plan = self._answer(lambda talk: talk.adding(asked), self._next(text), "말하기")
        return self._reply(plan._replace(asked=asked.raw), stop or Event())

    def let_speak(self, name: str = "", stop: Event | None = None) -> Iterator[str]:
        """Have a character say the next thing without a word from the person.

        Args:
            name: Who speaks; empty: whose turn it is.
            stop: Ends the reply.

        Raises:
            ChatError: Nobody of this name is here, or nothing was said yet.
        """
        if name and name not in self.cast:
            raise self._nobody(name)
        self._talk.place(-1)
        at = self.cast.index(name) if name else self._next("")
        return self._reply(self._answer(lambda talk: talk, at, "이어 말하기"), stop or Event())

    def regenerate(self, stop: Event | None = None) -> Iterator[str]:
        """Draw the last reply anew, as one version more; the others stay.

        Where a person spoke last, it is a reply to that.

        Raises:
            ChatError: Nothing was said yet.
        """
        last = self._talk.turns[self._talk.place(-1)]
        if last.role == "user":
            plan = self._answer(lambda talk: talk, self._next(last.raw), "답하기")
            return self._reply(plan, stop or Event())

        def keep(talk: Conversation, versions: Sequence[Version]) -> Conversation:
            turn = talk.turns[-1]
            for version in versions:
                turn = turn.with_version(version)
            return talk.replacing(len(talk.turns) - 1, turn)

        plan = _Plan(
            lambda talk: talk.dropping(len(talk.turns) - 1), keep, self._voice_of(last), "다시 뽑기"
        )
        return self._reply(plan, stop or Event())

    def continue_reply(self, stop: Event | None = None) -> Iterator[str]:
        """Have the character go on with its last reply; yields only what is new.

        A backend that cannot write on within a reply says one more, which is joined.

        Raises:
            ChatError: The last turn is not a character's.
        """
        last = self._talk.turns[self._talk.place(-1)]
        if last.role != "assistant":
            raise ChatError("마지막 말이 캐릭터의 말이 아닙니다. 먼저 답을 받아 주세요.")
        at = self._voice_of(last)
        joint = "" if isinstance(self._voices[at].backend, GoesOn) else " "

        def keep(talk: Conversation, versions: Sequence[Version]) -> Conversation:
            added = versions[-1]
            turn = talk.turns[-1]
            whole = Version(raw=turn.raw + joint + added.raw, is_cut=added.is_cut)
            return talk.replacing(len(talk.turns) - 1, turn.with_text(whole))

        plan = _Plan(lambda talk: talk, keep, at, "이어 쓰기", before=last.raw + joint)
        return self._reply(plan, stop or Event())

    # A look inside.

    def prompt(self, text: str = "", *, speaker: str = "") -> Prompt:
        """The exact prompt that a character would be given now, or if the person said this.

        Args:
            text: What the person would say; empty: as the talk stands.
            speaker: Whose prompt; empty: who speaks next.

        Raises:
            ChatError: Nobody of this name is here, or nothing fits.
        """
        talk = self._talk.adding(self._turn("user", self._clean(text))) if text else self._talk
        if speaker and speaker not in self.cast:
            raise self._nobody(speaker)
        return self._voices[self.cast.index(speaker) if speaker else self._next(text)].prompt(talk)

    def check(self, turn: int = -1) -> list[Finding]:
        """What `korean.check_turn` finds of a character's turn."""
        at = self._talk.place(turn)
        history = [one.raw for one in self._talk.turns[:at]]
        one = self._talk.turns[at]
        return check_reply(one.raw, self._voices[self._voice_of(one)].character, history)

    def remember(self, stop: Event | None = None) -> str:
        """Have the model summarise what fell out and has no memory yet; `say` does so by itself.

        One stretch at a time: after a long log was read in, call it until `prompt().unsummarised`
        is 0. Where ``options.remembers`` is False it is never done by itself.

        Returns:
            Why that failed; empty where it did not, or nothing was to do.
        """
        with self._busy():
            self._gave_up_at = None
            voice = self._voices[0]
            self._summarise(voice, voice.prompt(self._talk), stop or Event())
        return self.memory_fault

    # In and out.

    def save(self, path: Path) -> Path:
        """Write the conversation as JSONL, a turn a line."""
        make_folder(path.parent)
        rows = [json.dumps(turn.model_dump(), ensure_ascii=False) for turn in self.turns]
        return write_lines(path, rows)

    def write_sillytavern(self, path: Path) -> Path:
        """Write the conversation as other programs read it: a line of metadata, a line a turn."""
        make_folder(path.parent)
        return write_lines(path, sillytavern_rows(self._talk, self._names()))

    def write_messages(self, path: Path) -> Path:
        """Write the conversation as one line of ``messages``, ready to train on."""
        make_folder(path.parent)
        system = self.options.system or render_system_prompt(self.character)
        return write_lines(path, [messages_row(self._talk, system)])

    def read_log(self, path: Path) -> int:
        """Put a log of either kind in place of the conversation; `undo` brings it back.

        Returns:
            How many turns were read.

        Raises:
            ChatError: The file is no such log; the line is named.
            ArtifactError: It cannot be read.
        """
        talk = read_log(path, self._names(), self._talk.setting)
        first = self.cast[0] if len(self.cast) > 1 else ""
        turns = tuple(
            turn.model_copy(update={"speaker": turn.speaker or first})
            if turn.role == "assistant"
            else turn
            for turn in talk.turns
        )
        # Memories of what stood before do not hold now, and hold again after undo.
        kept = {"turns": turns, "memories": self._talk.memories}
        self._change(talk.model_copy(update=kept), "불러오기")
        return len(talk.turns)

    def _names(self) -> Names:
        return Names(
            user=self.user,
            character=self.character.name,
            greetings=self.character.greetings,
            fill=lambda text, speaker: self._fill(text, self._at(speaker)),
        )

    # Help for the above.

    def _turn(self, role: Role, raw: str, speaker: str = "") -> Turn:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Turn(
            id=0,
            role=role,
            speaker=speaker,
            versions=(Version(raw=raw),),
            extra={"send_date": now},
        )

    def _nobody(self, name: str) -> ChatError:
        who = f"'{name}'{particle_after(name, '은')}"
        return ChatError(f"{who} 여기 없습니다. 있는 캐릭터: {', '.join(self.cast)}.")

    def _next(self, text: str) -> int:
        """Who answers a text."""
        spoken = (turn.speaker for turn in reversed(self._talk.turns) if turn.role == "assistant")
        return who_speaks(text, [voice.character for voice in self._voices], next(spoken, ""))

    def _answer(self, ask: Callable[[Conversation], Conversation], at: int, what: str) -> _Plan:
        """A turn of a character's own after what ``ask`` makes of the talk."""

        def keep(talk: Conversation, versions: Sequence[Version]) -> Conversation:
            speaker = self.cast[at] if len(self.cast) > 1 else ""
            turn = self._turn("assistant", versions[0].raw, speaker)
            update = {"versions": tuple(versions), "chosen": len(versions) - 1}
            return ask(talk).adding(turn.model_copy(update=update))

        return _Plan(ask, keep, at, what)

    def _reply(self, plan: _Plan, stop: Event) -> Iterator[str]:
        """Draw a reply and keep what comes of it."""
        with self._busy():
            self._history.check_fresh()
            voice, before = self._voices[plan.at], self._talk
            prompt = self.last_prompt = voice.prompt(plan.ask(before))
            if plan.asked:
                self._history.hold(plan.asked)
            is_checked = self.options.resamples and not plan.before
            drawing = Drawing(
                lambda inner: self._pieces(plan, prompt, inner),
                stop,
                limit_chars=self.options.max_reply_chars,
                is_bad=self._judge(voice) if is_checked else None,
                goes_on=bool(plan.before) and isinstance(voice.backend, GoesOn),
            )
            try:
                fill = partial(self._fill, at=plan.at)
                yield from fill_stream(drawing.pieces(), fill, before=plan.before)
            finally:
                if drawing.versions:
                    after = plan.keep(before, drawing.versions)
                    self._history.keep_reply(after, plan.what, self.cast)
                    voice.begin_alike(prompt)
                else:
                    self._history.unsent = plan.asked
            if self.options.remembers and drawing.versions and not stop.is_set():
                self._summarise(voice, prompt, stop)

    def _pieces(self, plan: _Plan, prompt: Prompt, stop: Event) -> Iterator[str]:
        voice, messages = self._voices[plan.at], list(prompt.messages)
        if plan.before and isinstance(voice.backend, GoesOn):
            pieces = voice.backend.go_on(messages, stop)
        else:
            pieces = voice.backend.speak(messages, stop)
        if not voice.others:
            return pieces
        own = (voice.name, *voice.character.aliases)
        return own_lines(pieces, own, (*voice.others, self.user), stop)

    def _judge(self, voice: Voice) -> Callable[[str], bool]:
        history = [turn.raw for turn in self._talk.turns]
        return lambda raw: falls_out(check_reply(raw, voice.character, history))

    def _summarise(self, voice: Voice, prompt: Prompt, stop: Event) -> None:
        """Have the first stretch that fell out summarised; where that fails, talking goes on."""
        begin = prompt.kept[0] if prompt.kept else 0
        missing = set(forgotten(prompt.left_out, self.memories))
        if not missing or self._gave_up_at == begin:
            return
        turns = [turn for turn in self._talk.turns if not turn.is_hidden]
        after = dropwhile(lambda turn: turn.id not in missing, turns)
        stretch = list(takewhile(lambda turn: turn.id in missing, after))
        if not stretch:
            return
        summariser = Summariser(
            voice.backend,
            voice.counter,
            budget=self.options.prompt_tokens,
            limit_s=self.options.memory_s,
        )
        try:
            memory = summariser.remember(stretch, self._name_of, stop)
            memories = sorted((*self.memories, memory), key=lambda one: one.first)
            self._history.set_memories(tuple(memories))
            self.memory_fault = ""
        except Exception as error:  # noqa: BLE001 (whatever fails here, the talk goes on)
            self._gave_up_at = begin
            self.memory_fault = str(error) or type(error).__name__

    def _name_of(self, turn: Turn) -> str:
        return turn.speaker or (self.user if turn.role == "user" else self.character.name)


class _Plan(NamedTuple):
    """What a reply is drawn for."""

    ask: Callable[[Conversation], Conversation]
    """Makes the talk that is answered."""
    keep: Callable[[Conversation, Sequence[Version]], Conversation]
    """Makes the talk with what came."""
    at: int
    what: str
    before: str = ""
    """What stands of the reply already."""
    asked: str = ""
    """What the person says, which no turn holds yet."""
