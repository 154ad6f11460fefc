"""Chats in SQLite: durable, shared by two windows without loss, and told when damaged."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from exagirl.chat.conversation import Conversation
from exagirl.chat.session import ChatError, Session, StaleChatError
from exagirl.chat.store import ChatStore
from exagirl.errors import ArtifactError, ModelError
from support.talkers import Talker, plain_character, raws, says, talk_of

TALKING = """
import sys
from pathlib import Path
from threading import Thread
sys.path.insert(0, "{tests}")
from support.talkers import Talker, plain_character, says
from exagirl.chat.session import Session
from exagirl.chat.store import ChatStore
session = Session(plain_character(), Talker("응."))
print(session.store_in(ChatStore(Path(sys.argv[1]))), flush=True)
for at in range(100_000):
    says(session, f"{{at}}")
    print(at, flush=True)
"""


@pytest.fixture
def path(tmp_path):
    """Where the chats stand."""
    return tmp_path / "chats" / "chats.sqlite"


@pytest.fixture
def store(path):
    """An open file."""
    with ChatStore(path) as opened:
        yield opened


def window(store, chat=None, *replies):
    """A session on a chat, or on a new one."""
    session = Session(plain_character(), Talker(*replies), user="지은")
    if chat is None:
        session.store_in(store)
    else:
        session.resume(store, chat)
    return session


def test_a_chat_is_there_when_it_is_opened_again(path):
    """Turns, versions, settings, and what can be taken back."""
    with ChatStore(path) as store:
        session = window(store, None, "하나", "둘")
        says(session, "안녕")
        list(session.regenerate())
        session.pin("비밀")
        session.set_note("비가 온다", 2)
    with ChatStore(path) as store:
        again = window(store, session.chat_id)
        assert (again.turns, again.setting) == (session.turns, session.setting)
        assert [again.undo() for _ in range(4)] == ["작가 노트", "기억 고정", "다시 뽑기", "말하기"]
        assert again.turns == []


def test_what_was_done_before_it_was_stored_can_be_taken_back(store):
    """In this window, and in one that opens it later."""
    session = Session(plain_character(), Talker(), user="지은")
    says(session, "안녕")
    session.pin("비밀")
    chat = session.store_in(store)
    session.set_note("비가 온다")
    again = window(store, chat)
    for one in (session, again):
        one.reload()
        assert one.undo() == {session: "작가 노트", again: "기억 고정"}[one]
    again.undo()
    assert (again.turns, again.setting.pins) == ([], ())
    assert raws(window(store, chat)) == []


def test_nothing_that_was_answered_is_lost_by_a_kill(path):
    """Every reply that was told to be done is in the file, whole."""
    script = TALKING.format(tests=Path(__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    ) as talking:
        chat = talking.stdout.readline().strip()
        for _ in range(30):
            done = int(talking.stdout.readline())
        os.kill(talking.pid, signal.SIGKILL)
        more = [line for line in talking.stdout.read().split("\n")[:-1] if line]
    done = int(more[-1]) if more else done
    with ChatStore(path) as store:
        said = raws(window(store, chat))
    assert said[: 2 * done + 2] == [w for at in range(done + 1) for w in (f"{at}", "응.")]
    assert len(said) - 2 * (done + 1) in (0, 2)


def test_the_second_window_is_told_before_it_talks(store):
    """Nothing is asked of the model; after a reload it goes on."""
    first = window(store)
    second = window(store, first.chat_id)
    says(first, "안녕")
    with pytest.raises(StaleChatError, match="다시 불러온"):
        says(second, "저기")
    assert second.backend.heard == []
    second.reload()
    says(second, "저기")
    assert raws(second) == ["안녕", "응, 그래.", "저기", "응, 그래."]


@pytest.mark.parametrize("change", [lambda s: s.pin("나"), lambda s: s.edit(0, "나"), Session.undo])
def test_a_change_on_top_of_an_old_state_is_refused(store, change):
    """What the other window did stays."""
    first = window(store)
    says(first, "안녕")
    second = window(store, first.chat_id)
    first.pin("가")
    with pytest.raises(StaleChatError):
        change(second)
    assert store.load(first.chat_id).conversation == first._talk
    assert second.setting.pins == ()


def test_a_reply_that_comes_too_late_is_a_chat_of_its_own(store):
    """Both windows' words are in the file, and the second goes on with its own."""
    first = window(store)
    second = window(store, first.chat_id, ("늦은", " 답"))
    running = second.say("저기")
    next(running)
    says(first, "안녕")
    with pytest.raises(StaleChatError, match="따로 저장") as told:
        list(running)
    assert raws(window(store, first.chat_id)) == ["안녕", "응, 그래."]
    assert raws(window(store, told.value.kept_as)) == ["저기", "늦은 답"]
    assert told.value.kept_as == second.chat_id
    says(second, "또")
    assert raws(window(store, second.chat_id))[:3] == ["저기", "늦은 답", "또"]


def test_what_was_streamed_before_the_backend_died_is_stored(store):
    """And a retry is a version of it."""
    session = window(store, None, ("반만", ModelError("끊김")), "온전히")
    with pytest.raises(ModelError):
        says(session, "안녕")
    again = window(store, session.chat_id, "온전히")
    assert again.turns[-1].is_cut
    list(again.regenerate())
    assert [v.raw for v in store.load(again.chat_id).conversation.turns[-1].versions] == [
        "반만",
        "온전히",
    ]


def test_a_change_writes_what_it_changes(store):
    """Not the whole chat: the file grows by rows, not by chats."""
    session = window(store)
    talk_of(session, ["가" * 100] * 400)
    log = store.path.with_name(store.path.name + "-wal")
    before = log.stat().st_size
    session.edit(7, "나")
    assert log.stat().st_size - before < 60_000


def test_chats_are_listed_newest_first_and_deleted(store):
    """With how many turns they have."""
    old, new = window(store), window(store)
    time.sleep(0.01)
    new.set_title("둘째")
    says(new, "안녕")
    assert [(c.id, c.title, c.opening, c.turns, c.cast) for c in store.chats()] == [
        (new.chat_id, "둘째", "안녕", 2, ("하루",)),
        (old.chat_id, "", "", 0, ("하루",)),
    ]
    store.delete(new.chat_id)
    assert [chat.id for chat in store.chats()] == [old.chat_id]
    with pytest.raises(StaleChatError):
        new.pin("비밀")
    with pytest.raises(ChatError, match="라는 대화가 없습니다|이라는 대화가 없습니다"):
        new.reload()


def test_a_chat_is_not_given_to_another_character(store):
    """Who it was held with is told."""
    session = window(store)
    other = Session(plain_character("바다"), Talker())
    with pytest.raises(ChatError, match="하루"):
        other.resume(store, session.chat_id)


def test_a_file_that_is_no_database_is_told_and_left_alone(path):
    """What to do stands in the message."""
    path.parent.mkdir()
    path.write_bytes(b"not a database at all, but long enough to look at" * 40)
    before = path.read_bytes()
    with pytest.raises(ArtifactError, match="옮긴 뒤 다시"):
        ChatStore(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(path):
    """It is no file of chats."""
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmarks (x)")
    db.close()
    with pytest.raises(ArtifactError, match="대화 파일이 아닌"):
        ChatStore(path)


def test_a_newer_file_is_not_touched(path):
    """A version that we do not know."""
    ChatStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ArtifactError, match="더 새로운"):
        ChatStore(path)


def test_a_damaged_row_is_named_and_other_chats_open(store):
    """One broken turn costs one chat."""
    broken, whole = window(store), window(store)
    says(broken, "안녕")
    says(whole, "안녕")
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE turns SET turn = '{' WHERE chat = ? AND id = 2", (broken.chat_id,))
    db.close()
    with pytest.raises(ArtifactError, match="2번째 말"):
        store.load(broken.chat_id)
    assert len(raws(window(store, whole.chat_id))) == 2
    assert len(store.chats()) == 2


def test_a_damaged_head_does_not_hide_the_other_chats(store):
    """The list marks it, and opening it says what is wrong."""
    broken, whole = window(store), window(store)
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE chats SET setting = '{' WHERE id = ?", (broken.chat_id,))
    db.close()
    assert {c.id: c.is_damaged for c in store.chats()} == {
        broken.chat_id: True,
        whole.chat_id: False,
    }
    with pytest.raises(ArtifactError, match="머리글"):
        store.load(broken.chat_id)


def test_damaged_pages_are_told(path):
    """Garbage in the middle of the file."""
    with ChatStore(path) as store:
        session = window(store)
        talk_of(session, ["가" * 200] * 300)
        chat = session.chat_id
    whole = bytearray(path.read_bytes())
    whole[4096 : len(whole) - 4096] = os.urandom(len(whole) - 8192)
    path.write_bytes(whole)
    with pytest.raises(ArtifactError, match="망가졌다면"), ChatStore(path) as store:
        store.load(chat)


def test_a_chat_that_cannot_be_written_now_is_written_later(store, path):
    """The reply stays in the session, and the next change takes it along."""
    session = window(store)
    lock = sqlite3.connect(path, isolation_level=None)
    store._db.execute("PRAGMA busy_timeout = 50")
    running = session.say("안녕")
    next(running)
    lock.execute("BEGIN IMMEDIATE")
    with pytest.raises(ArtifactError, match="locked"):
        list(running)
    lock.rollback()
    lock.close()
    assert raws(session) == ["안녕", "응, 그래."]
    session.pin("비밀")
    assert store.load(session.chat_id).conversation.turns == session._talk.turns


def test_many_changes_keep_the_last_hundred_to_take_back(store):
    """The file does not grow without end."""
    session = window(store)
    for at in range(120):
        session.set_note(f"{at}")
    assert len(store.load(session.chat_id).steps) == 100


def test_a_conversation_without_turns_is_a_chat(store):
    """It can be stored and read."""
    stored = store.create(("하루",), Conversation())
    assert store.load(stored.id) == stored


def test_what_was_said_survives_the_end_of_the_process(store):
    """While the reply is drawn the words are in the file; a reply lets them go."""
    session = window(store, None, ("하나", " 둘"))
    running = session.say("안녕")
    next(running)
    assert window(store, session.chat_id).unsent == "안녕"
    list(running)
    assert window(store, session.chat_id).unsent == ""


def test_many_open_a_new_file_at_once(path):
    """Whoever comes first sets it up; all can write."""
    faults, chats = [], []

    def work():
        try:
            with ChatStore(path) as store:
                chats.append(window(store).chat_id)
        except ArtifactError as error:
            faults.append(error)

    threads = [Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with ChatStore(path) as store:
        assert {chat.id for chat in store.chats()} == set(chats)
    assert len(set(chats)) == 12


def test_two_windows_at_once_lose_nothing(store):
    """Whatever was answered stands in the chat, or in the one that the window was told of."""
    chat = window(store).chat_id
    answered, told = [], []

    def work(name):
        session = window(store, chat, ("응", "."))
        for at in range(15):
            try:
                says(session, f"{name}{at}")
                answered.append(f"{name}{at}")
            except StaleChatError as stale:
                if stale.kept_as:
                    answered.append(f"{name}{at}")
                told.append(name)
                session.resume(store, chat)

    threads = [Thread(target=work, args=(name,)) for name in "가나"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = {w for one in store.chats() for w in raws(window(store, one.id))}
    assert set(answered) <= kept
    main = raws(window(store, chat))
    assert main[1::2] == ["응."] * (len(main) // 2)
    assert len(set(main[::2])) == len(main[::2])
