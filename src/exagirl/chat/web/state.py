"""The windows that are open, each with its conversation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event, Lock

from pydantic import Field

from exagirl.chat.backend import Tunable
from exagirl.chat.faults import ChatError
from exagirl.chat.session import ChatOptions, Member, Session
from exagirl.chat.store import ChatStore, ChatSummary
from exagirl.chat.web.cast import Cast, Guest
from exagirl.chat.web.render import PAGE_TURNS
from exagirl.chat.web.words import Language, Words
from exagirl.errors import ExagirlError
from exagirl.korean.particles import attach
from exagirl.persona.character import Character
from exagirl.record import Record

MAX_TABS = 500
MAX_TEMPERATURE = 2.0
LEAST_TOKENS = 16


class Draws(Record):
    """How a person wants replies to be drawn; their browser remembers it."""

    temperature: float | None = Field(default=None, ge=0, le=MAX_TEMPERATURE, description="온도.")
    reply_tokens: int | None = Field(default=None, ge=LEAST_TOKENS, description="답의 길이(토큰).")


class Tab:
    """One window: its conversation, and the event that stops a running reply."""

    def __init__(self, session: Session, words: Words, cast: Cast, draws: Draws) -> None:
        self.words = words
        self.cast = cast
        self.draws = draws
        self.stop = Event()
        self.halted = 0
        """The number of the reply that was stopped last; it may not have begun yet."""
        self.notice = ""
        self.can_retry = False
        self.refused = ""
        """What was typed and not taken; it goes back into the box."""
        self.silent = ""
        """Who was to speak of their own accord, and could not."""
        self.begin(session)
        self.stop.clear()

    def begin(self, session: Session) -> None:
        """Show another conversation; a reply that runs here ends."""
        self.stop.set()
        self.session, self.shown = session, PAGE_TURNS
        self.notice, self.refused, self.silent, self.can_retry = "", "", "", False
        self.draw(self.draws)

    def draw(self, draws: Draws) -> None:
        """Have replies drawn so from now on, in this conversation and in new ones.

        Raises:
            ChatError: A reply is running.
        """
        sampling = self.session.sampling
        if sampling is not None and draws != Draws():
            wanted = {"temperature": draws.temperature, "max_new_tokens": draws.reply_tokens}
            update = {name: value for name, value in wanted.items() if value is not None}
            self.session.tune(sampling.model_copy(update=update))
        self.draws = draws

    @property
    def room(self) -> list[Character]:
        """Who is here, in the order in which they take turns."""
        return self.cast.find_all(self.session.cast) or [self.session.character]


class House:
    """What all windows share: the model, the characters, the chats.

    Args:
        first: A session with the model's own character; never spoken in.
        store: Where chats are kept; None keeps them while a window is open.
        cards: Where opened cards are kept; None keeps them while a window is open, for it alone.
        guests: More characters, and pictures of those that are known.
    """

    def __init__(
        self,
        first: Session,
        store: ChatStore | None,
        cards: Path | None,
        guests: Sequence[Guest] = (),
    ) -> None:
        self.first = first
        self.store = store
        self.cast = Cast(first.character, cards, guests)
        self._shares_cards = cards is not None
        self._tabs: dict[str, Tab] = {}
        self._lock = Lock()

    @property
    def can_tune(self) -> bool:
        """True where the model has other ways to draw replies."""
        return isinstance(self.first.backend, Tunable)

    def open_tab(self, key: str, chat: str, language: Language, draws: Draws | None = None) -> Tab:
        """A window is opened, perhaps on a chat that stands in its address."""
        cast = self.cast if self._shares_cards else self.cast.alone()
        here = cast.find_all(self.first.cast)
        tab = Tab(self.session(here), Words(language), cast, draws or Draws())
        try:
            if chat and self.store:
                tab.begin(self.resumed(chat, cast))
        except ExagirlError as error:
            tab.notice = str(error)
        with self._lock:
            self._tabs[key] = tab
            while len(self._tabs) > MAX_TABS:
                self._tabs.pop(next(iter(self._tabs))).stop.set()
        return tab

    def tab(self, key: str, chat: str = "", language: Language = "ko") -> Tab:
        """The window of a key; opened again where the server was started anew meanwhile."""
        with self._lock:
            known = self._tabs.get(key)
        return known or self.open_tab(key, chat, language)

    def close_tab(self, key: str) -> None:
        """A window is closed; a reply that runs there ends, and what came of it is kept."""
        with self._lock:
            tab = self._tabs.pop(key, None)
        if tab is not None:
            tab.stop.set()

    def session(self, cast: Sequence[Character]) -> Session:
        """A new conversation; the model plays all but its own character from a description.

        Args:
            cast: Who is there, one to four.

        Raises:
            ChatError: They are too many.
        """
        options = self.first.options
        if cast[0].name != self.first.character.name:
            options = _as_stranger(options)
        backend = self.first.backend
        others = [Member(one, backend) for one in cast[1:]]
        return Session(cast[0], backend, user=self.first.user, options=options, others=others)

    def resumed(self, chat: str, known: Cast) -> Session:
        """Go on with a chat.

        Raises:
            ChatError: There is no such chat, or nobody here knows its characters.
        """
        if self.store is None:
            raise ChatError("저장하지 않는 대화입니다.")
        cast = self.store.load(chat).cast
        here = known.find_all(cast)
        if len(here) < len(cast):
            raise ChatError(
                f"{attach(', '.join(cast), '와')} 나눈 대화입니다. 그 캐릭터의 카드를 먼저 "
                "열어 주세요."
            )
        session = self.session(here)
        session.resume(self.store, chat)
        return session

    def keep(self, session: Session) -> None:
        """Have a conversation stored from now on."""
        if self.store is not None and not session.chat_id:
            session.store_in(self.store)

    def chats(self, known: Cast) -> list[ChatSummary]:
        """Chats that can be opened here; one in which nothing was said is no chat to go on with."""
        if self.store is None:
            return []
        return [
            chat
            for chat in self.store.chats()
            if chat.cast
            and not chat.is_damaged
            and (chat.turns or chat.title)
            and len(known.find_all(chat.cast)) == len(chat.cast)
        ]


def _as_stranger(options: ChatOptions) -> ChatOptions:
    """The model did not learn this character: it is told who it is."""
    return options.model_copy(update={"writes_system": True, "system": None})
