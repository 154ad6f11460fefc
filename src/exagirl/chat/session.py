"""One conversation with a character: what was said, and what is said next."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import dropwhile, takewhile
from threading import Event
from typing import NamedTuple

from exagirl.chat.backend import Backend, GoesOn
from exagirl.chat.check import check_reply, falls_out
from exagirl.chat.conversation import Conversation, Note, Role, Said, Turn, Version
from exagirl.chat.faults import ChatError, StaleChatError
from exagirl.chat.filling import fill_stream, from_first_letter
from exagirl.chat.history import Hold
from exagirl.chat.keeping import Keeping
from exagirl.chat.memory import Summariser, forgotten
from exagirl.chat.options import ChatOptions
from exagirl.chat.prompt import Prompt
from exagirl.chat.reply import Drawing
from exagirl.chat.room import Member, check_cast, own_lines, who_speaks
from exagirl.chat.voice import Voice
from exagirl.chatmodel.sampling import Sampling
from exagirl.korean.check import Finding
from exagirl.korean.normalise import normalise
from exagirl.korean.particles import particle_after
from exagirl.persona.character import Character

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
]


class Session(Keeping):
    """A conversation between one person and one character, or a few in one room.

    In a room `cast` names the characters in the order in which they take turns, the ``speaker`` of
    every turn says whose it is, and `let_speak` gives one of them the word. A stored room is
    resumed by a session that was opened with the same characters in the same order, as
    ``ChatStore.load(chat).cast`` names them.

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
            name: Who speaks, one of `cast`; empty: whose turn it is.
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

        Where a person spoke last, it is a reply to that. Where ``options.resamples`` is set, the
        first try is shown only when it is whole, as with every reply but one that is gone on with:
        what stands of that was shown already.

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

        What was shown and what is yielded, joined, are what the turn shows afterwards, but for
        blanks at its end. A backend that cannot write on within a reply says one more, which a
        blank joins; the blank is yielded too.

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

        plan = _Plan(lambda talk: talk, keep, at, "이어 쓰기", before=last.raw, front=joint or None)
        return self._reply(plan, stop or Event())

    # How replies are drawn.

    @property
    def backend(self) -> Backend:
        """What speaks for the character; the first of several."""
        return self._voices[0].backend

    @property
    def sampling(self) -> Sampling | None:
        """How replies are drawn; None where the backend knows no other way."""
        return self._voices[0].sampling

    def tune(self, sampling: Sampling) -> None:
        """Draw the next replies of this conversation in another way, whoever speaks.

        The model stays as it is for others who share it. The room for a reply follows: prompts
        leave ``sampling.max_new_tokens`` free, which is cut to a quarter of the context.

        Args:
            sampling: How, such as ``session.sampling.model_copy(update={"temperature": 1.1})``.

        Raises:
            ChatError: The backend knows no other way (`sampling` is None), or a reply is running.
        """
        if all(voice.sampling is None for voice in self._voices):
            raise ChatError("이 모델은 대화하는 동안 뽑는 방법을 바꿀 수 없습니다.")
        with self._busy():
            self.options = self.options.with_reply_tokens(sampling.max_new_tokens)
            bounded = sampling.model_copy(update={"max_new_tokens": self.options.reply_tokens})
            for voice in self._voices:
                voice.tune(bounded, self.options)

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
            drawing = self._drawing(plan, prompt, stop)
            with self._history.holding(plan.asked, plan.what) as hold:
                pieces = self._held(drawing, hold, partial(plan.keep, before))
                try:
                    fill = partial(self._fill, at=plan.at)
                    whole = fill_stream(pieces, fill, before=plan.before + (plan.front or ""))
                    yield from (
                        whole if plan.front is None else from_first_letter(whole, front=plan.front)
                    )
                finally:
                    # Whoever let the reply go in its midst has ended it.
                    pieces.close()
                    if drawing.versions:
                        after = plan.keep(before, drawing.versions)
                        self._history.keep_reply(after, plan.what, self.cast)
                        voice.begin_alike(prompt)
                    else:
                        self._history.unsent = plan.asked
            if self.options.remembers and drawing.versions and not stop.is_set():
                self._summarise(voice, prompt, stop)

    def _drawing(self, plan: _Plan, prompt: Prompt, stop: Event) -> Drawing:
        voice = self._voices[plan.at]
        is_checked = self.options.resamples and not plan.before
        return Drawing(
            lambda inner: self._pieces(plan, prompt, inner),
            stop,
            limit_chars=self.options.max_reply_chars,
            is_bad=self._judge(voice) if is_checked else None,
            goes_on=bool(plan.before) and isinstance(voice.backend, GoesOn),
        )

    @staticmethod
    def _held(drawing: Drawing, hold: Hold, keep: _Keep) -> Generator[str]:
        """The pieces of a reply; what came is held before it is shown."""

        def now() -> Conversation | None:
            versions = drawing.so_far()
            return keep(versions) if versions else None

        with closing(drawing.pieces()) as pieces:
            for piece in pieces:
                hold(now)
                yield piece

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


_Keep = Callable[[Sequence[Version]], Conversation]


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
    front: str | None = ""
    """What is put before the first letter, in place of blanks; None leaves them."""
    asked: str = ""
    """What the person says, which no turn holds yet."""
