"""The windows that are open, each with its conversation."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Lock

from exagirl.chat.faults import ChatError
from exagirl.chat.session import ChatOptions, Session
from exagirl.chat.store import ChatStore, ChatSummary
from exagirl.chat.web.cast import Cast
from exagirl.chat.web.render import PAGE_TURNS
from exagirl.chat.web.tuning import Tuned, tuned
from exagirl.chat.web.words import Language, Words
from exagirl.errors import ExagirlError
from exagirl.korean.particles import attach
from exagirl.persona.character import Character

MAX_TABS = 500


class Tab:
    """One window: its conversation, and the event that stops a running reply."""

    def __init__(self, session: Session, words: Words) -> None:
        self.session = session
        self.words = words
        self.stop = Event()
        self.shown = PAGE_TURNS
        self.notice = ""
        self.can_retry = False
        self.refused = ""
        """What was typed and not taken; it goes back into the box."""

    @property
    def backend(self) -> Tuned:
        """What speaks in this window."""
        backend = self.session.backend
        return backend if isinstance(backend, Tuned) else tuned(backend)


class House:
    """What all windows share: the model, the characters, the chats.

    Args:
        first: A session with the model's own character; never spoken in.
        store: Where chats are kept; None keeps them while a window is open.
        cards: Where opened cards are kept.
    """

    def __init__(self, first: Session, store: ChatStore | None, cards: Path | None) -> None:
        self.first = first
        self.store = store
        self.cast = Cast(first.character, cards)
        self._tabs: dict[str, Tab] = {}
        self._lock = Lock()

    def open_tab(self, key: str, chat: str, language: Language) -> Tab:
        """A window is opened, perhaps on a chat that stands in its address."""
        words = Words(language)
        tab = Tab(self.session(self.first.character), words)
        try:
            if chat and self.store:
                tab.session = self.resumed(chat)
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

    def session(self, character: Character) -> Session:
        """A new conversation; the model plays all but its own character from a description."""
        options = self.first.options
        if character.name != self.first.character.name:
            options = _as_stranger(options)
        backend = tuned(self.first.backend)
        return Session(character, backend, user=self.first.user, options=options)

    def resumed(self, chat: str) -> Session:
        """Go on with a chat.

        Raises:
            ChatError: There is no such chat, or nobody here knows its character.
        """
        if self.store is None:
            raise ChatError("저장하지 않는 대화입니다.")
        cast = self.store.load(chat).cast
        character = self.cast.find(cast[0]) if len(cast) == 1 else None
        if character is None:
            raise ChatError(
                f"{attach(', '.join(cast), '와')} 나눈 대화입니다. 그 캐릭터의 카드를 먼저 "
                "열어 주세요."
            )
        session = self.session(character)
        session.resume(self.store, chat)
        return session

    def keep(self, session: Session) -> None:
        """Have a conversation stored from now on."""
        if self.store is not None and not session.chat_id:
            session.store_in(self.store)

    def chats(self) -> list[ChatSummary]:
        """Chats that can be opened here."""
        if self.store is None:
            return []
        return [
            chat
            for chat in self.store.chats()
            if len(chat.cast) == 1 and not chat.is_damaged and self.cast.find(chat.cast[0])
        ]


def _as_stranger(options: ChatOptions) -> ChatOptions:
    """The model did not learn this character: it is told who it is, and the names as they are."""
    update = {"writes_system": True, "system": None, "knows_placeholders": True}
    return options.model_copy(update=update)
