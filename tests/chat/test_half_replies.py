"""What was streamed is kept though the process is killed, and nobody takes it from one at work."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import pytest

from exagirl.chat.history import HOLD_S
from exagirl.chat.session import Session
from exagirl.chat.store import ChatStore
from exagirl.errors import ArtifactError
from support.talkers import Talker, plain_character, raws, says

ENDLESS = "".join(f"{number}번째 말. " for number in range(2000))
TALKING = """
import sys, time
from pathlib import Path
sys.path.insert(0, "{tests}")
from support.talkers import Talker, plain_character, says
from exagirl.chat.session import Session
from exagirl.chat.store import ChatStore

class Endless(Talker):
    def speak(self, messages, stop):
        if len(self.heard) < 1:
            yield from super().speak(messages, stop)
            return
        for number in range(2000):
            yield f"{{number}}번째 말. "
            time.sleep(0.02)

session = Session(plain_character(), Endless("첫 답."), user="지은")
print(session.store_in(ChatStore(Path(sys.argv[1]))), flush=True)
says(session, "안녕")
act = dict(
    say=lambda: session.say("뭐 해?"),
    speak=lambda: session.let_speak(),
    regenerate=lambda: session.regenerate(),
    go_on=lambda: session.continue_reply(),
)[sys.argv[2]]
for piece in act():
    print(piece, end="", flush=True)
"""
ONE = ["안녕", "첫 답."]


@pytest.fixture
def path(tmp_path):
    """Where the chats stand."""
    return tmp_path / "chats.sqlite"


def halves(path):
    """How many half replies are held."""
    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT count(*) FROM halves").fetchone()[0]
    finally:
        db.close()


@contextmanager
def talking(path, act):
    """A process in the midst of a reply of which a part is in the file; killed at the end."""
    script = TALKING.format(tests=Path(__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path), act], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            chat = process.stdout.readline().strip()
            while not halves(path):
                sleep(0.02)
                assert process.poll() is None
            yield chat
        finally:
            process.send_signal(signal.SIGKILL)


def window(store, chat, *replies):
    """A session on a chat."""
    session = Session(plain_character(), Talker(*replies), user="지은")
    session.resume(store, chat)
    return session


@pytest.mark.parametrize(
    ("act", "turns", "front"),
    [("say", 4, ""), ("speak", 3, ""), ("regenerate", 2, ""), ("go_on", 2, "첫 답. ")],
)
def test_what_was_streamed_before_a_kill_is_a_version_that_was_cut(path, act, turns, front):
    """Behind the person's words, once however often it is opened, and it can be taken back."""
    with talking(path, act) as chat:
        pass
    with ChatStore(path) as store:
        window(store, chat)
        session = window(store, chat)
        last = session.turns[-1]
        assert (len(session.turns), last.is_cut, session.unsent) == (turns, True, "")
        assert raws(session)[: turns - 1] == [*ONE, "뭐 해?"][: turns - 1]
        assert last.raw.startswith(front + "0번째 말.")
        assert ENDLESS.startswith(last.raw.removeprefix(front))
        assert last.versions == (2 if act == "regenerate" else 1)
        session.undo()
        assert raws(session) == ONE
        assert raws(window(store, chat)) == ONE
    assert halves(path) == 0


def test_a_half_reply_can_be_gone_on_with_and_drawn_anew(path):
    """As any other that broke off."""
    with talking(path, "say") as chat:
        pass
    with ChatStore(path) as store:
        session = window(store, chat, "그래서 그랬어.", "다른 답.")
        half = session.turns[-1].raw
        assert "".join(session.continue_reply()) == " 그래서 그랬어."
        assert session.turns[-1].raw == f"{half} 그래서 그랬어."
        list(session.regenerate())
        assert session.versions() == [f"{half} 그래서 그랬어.", "다른 답."]


def test_nobody_takes_the_half_reply_of_a_process_at_work(path):
    """Only after its end is it a part of the chat."""
    with talking(path, "say") as chat, ChatStore(path) as store:
        session = window(store, chat)
        assert raws(session) == ONE
        session.reload()
        assert raws(session) == ONE
        assert halves(path) == 1
    with ChatStore(path) as store:
        assert len(raws(window(store, chat))) == 4


class Steady(Talker):
    """Says many pieces in every half second."""

    def speak(self, messages, stop):
        """Piece by piece."""
        for piece in super().speak(messages, stop):
            sleep(HOLD_S / 20)
            yield piece


class Slow(Talker):
    """Waits long enough between pieces for each to be held."""

    def speak(self, messages, stop):
        """Piece by piece."""
        for piece in super().speak(messages, stop):
            sleep(HOLD_S * 1.2)
            yield piece


def test_another_window_of_the_same_process_takes_nothing_either(path):
    """The reply ends in good order where it began, and nothing is left of its holding."""
    with ChatStore(path) as store:
        first = Session(plain_character(), Slow(("하나", " 둘", " 셋.")), user="지은")
        chat = first.store_in(store)
        running = first.say("안녕")
        next(running)
        assert halves(path) == 1
        assert raws(window(store, chat)) == []
        list(running)
        assert raws(first) == raws(window(store, chat)) == ["안녕", "하나 둘 셋."]
    assert halves(path) == 0
    assert list((path.parent / ".workers").iterdir()) == []


def test_a_quick_reply_is_written_once(path):
    """Nothing is held of what is whole within half a second."""
    with ChatStore(path) as store:
        session = Session(plain_character(), Talker(tuple("가나다라마바사")), user="지은")
        session.store_in(store)
        says(session, "안녕")
    assert not (path.parent / ".workers").exists()


def test_a_half_reply_to_an_older_state_stays_out(path):
    """Who changed the chat since meant it as it was."""
    with talking(path, "say") as chat, ChatStore(path) as store:
        window(store, chat).pin("비밀")
    with ChatStore(path) as store:
        assert raws(window(store, chat)) == ONE


def test_a_stopped_reply_is_held_no_longer(path):
    """Whoever lets it go keeps it as far as it came, as one change."""
    with ChatStore(path) as store:
        session, stop = Session(plain_character(), Slow(("하나", " 둘")), user="지은"), Event()
        session.store_in(store)
        for _ in session.say("안녕", stop):
            stop.set()
        assert raws(window(store, session.chat_id)) == ["안녕", "하나"]
        assert session.undo() == "말하기"
    assert halves(path) == 0


def test_a_reply_that_cannot_be_written_in_the_end_is_there_as_far_as_it_was_held(path):
    """Another window finds it; the one that drew it has the whole."""
    with ChatStore(path) as store, ChatStore(path) as other:
        session = Session(plain_character(), Slow(("하나", " 둘")), user="지은")
        chat = session.store_in(store)
        running = session.say("안녕")
        next(running)
        store.close()
        with pytest.raises(ArtifactError, match="closed"):
            list(running)
        assert raws(session) == ["안녕", "하나 둘"]
        assert raws(window(other, chat)) == ["안녕", "하나"]


def test_a_half_reply_that_cannot_be_read_does_not_close_the_chat(path):
    """What was whole before is there."""
    with talking(path, "say") as chat:
        pass
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE halves SET change = '{', writer = '../../etc'")
    db.close()
    with ChatStore(path) as store:
        session = window(store, chat)
        assert (raws(session), session.unsent) == (ONE, "뭐 해?")
        says(session, "뭐 해?")
    assert halves(path) == 0


def test_two_windows_at_once_rescue_one_reply(path):
    """All show it, and it stands in the file once."""
    with talking(path, "say") as chat:
        pass
    found = []

    def work():
        with ChatStore(path) as store:
            found.append(raws(window(store, chat)))

    threads = [Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(one) for one in found] == [4] * 6
    assert all(one == found[0] for one in found)


def test_a_reply_is_not_written_at_every_piece(path):
    """Every half second at most, and once at its end."""
    with ChatStore(path) as store:
        pieces = tuple(f"{number}번째 말. " for number in range(60))
        session = Session(plain_character(), Steady(pieces), user="지은")
        session.store_in(store)
        looking, begin, versions = sqlite3.connect(path), monotonic(), set()
        for _ in session.say("안녕"):
            versions.add(looking.execute("PRAGMA data_version").fetchone())
        looking.close()
    # Beside them: what the person said, and the state before.
    assert 3 <= len(versions) <= 2 + (monotonic() - begin) / HOLD_S


VERSION_1 = """
CREATE TABLE chats (
    id TEXT PRIMARY KEY, cast_names TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,
    revision INTEGER NOT NULL, draft TEXT NOT NULL DEFAULT '', setting TEXT NOT NULL,
    memories TEXT NOT NULL
);
CREATE TABLE turns (
    chat TEXT NOT NULL REFERENCES chats (id), id INTEGER NOT NULL, turn TEXT NOT NULL,
    PRIMARY KEY (chat, id)
) WITHOUT ROWID;
CREATE TABLE steps (
    id INTEGER PRIMARY KEY AUTOINCREMENT, chat TEXT NOT NULL REFERENCES chats (id),
    change TEXT NOT NULL
);
CREATE INDEX steps_of_chat ON steps (chat, id);
INSERT INTO chats VALUES ('c1', '["하루"]', '2026-01-01', '2026-01-01', 3, '뭐 해?',
    '{"user": "지은"}', '[]');
INSERT INTO turns VALUES ('c1', 1, '{"id": 1, "role": "user", "versions": [{"raw": "안녕"}]}');
INSERT INTO turns VALUES
    ('c1', 2, '{"id": 2, "role": "assistant", "versions": [{"raw": "첫 답."}]}');
PRAGMA user_version = 1;
"""


def test_a_file_of_the_first_version_is_opened_and_holds_half_replies_from_then_on(path):
    """What stands in it stays; an exagirl that knows only version 1 is told."""
    db = sqlite3.connect(path)
    db.executescript(VERSION_1)
    db.close()
    with ChatStore(path) as store:
        session = window(store, "c1", "응.")
        assert (raws(session), session.unsent) == (ONE, "뭐 해?")
        says(session, "뭐 해?")
        assert raws(window(store, "c1")) == [*ONE, "뭐 해?", "응."]
    assert halves(path) == 0
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (2,)
    db.close()
