"""Where a conversation is kept, and how it goes in and out of files."""

from __future__ import annotations

import json
from pathlib import Path

from exagirl.artifact import make_folder, write_lines
from exagirl.chat.editing import Editing
from exagirl.chat.exchange import Names, messages_row, read_log, sillytavern_rows
from exagirl.chat.faults import ChatError
from exagirl.chat.store import ChatStore
from exagirl.korean.particles import attach
from exagirl.persona.system_prompt import render_system_prompt


class Keeping(Editing):
    """A conversation that can be stored, read and written; `Session` also talks."""

    # Where it is kept.

    def store_in(self, store: ChatStore) -> str:
        """Write the talk as a new chat and, from now on, every change before it is done.

        Returns:
            The chat's number.
        """
        with self._busy():
            return self._history.keep_in(store, self.cast)

    def resume(self, store: ChatStore, chat: str) -> None:
        """Go on with a chat of a store.

        Raises:
            ChatError: There is no such chat, or it was held with other characters.
        """
        with self._busy():
            stored = store.load(chat)
            if stored.cast != self.cast:
                raise ChatError(
                    f"이 대화는 {attach(', '.join(stored.cast), '와')} 나눈 것입니다. 지금은 "
                    f"{', '.join(self.cast)}입니다. 맞는 캐릭터를 골라 여세요."
                )
            self._history.resume(store, stored)

    def reload(self) -> None:
        """Take the chat as it stands in its store now, after a `StaleChatError`.

        Raises:
            ChatError: It is in no store, or was deleted.
        """
        with self._busy():
            self._history.reload()

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
