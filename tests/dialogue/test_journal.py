"""The journal keeps every reply that was paid for, whatever happens to the process."""

import signal
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.duplicates import Limits, fingers_of
from exagirl.dialogue.journal import VERSION, Address, Verdict, open_journal
from exagirl.dialogue.records import Dialogue, Turn
from exagirl.errors import ArtifactError

SLOT = "exa-data/daily/0000"
HERE = Address(SLOT, "request")
OTHER = Address("exa-data/daily/0001", "request")
LIMITS = Limits(whole=0.5, opening=0.7)
NO_LIMITS = Limits(None, None)
FIRST_VERSION = """
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    slot TEXT NOT NULL,
    request TEXT NOT NULL,
    raw TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    latency_s REAL NOT NULL,
    verdict TEXT,
    message TEXT,
    asked_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX attempts_of_slot ON attempts (slot, request, verdict);
CREATE TABLE accepted (
    slot TEXT NOT NULL,
    request TEXT NOT NULL,
    attempt INTEGER NOT NULL REFERENCES attempts (id),
    dialogue TEXT NOT NULL,
    PRIMARY KEY (slot, request)
);
"""
WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.journal import Address, open_journal
with open_journal(Path(sys.argv[1])) as journal:
    journal.write_reply(Address("slot", "request"), ChatReply(content="그대로"), 0.5)
    os.kill(os.getpid(), signal.SIGKILL)
"""
CLAIM_ALL = """
import sys
from pathlib import Path
from exagirl.dialogue.journal import open_journal
path, owner = sys.argv[1:]
with open_journal(Path(path)) as journal:
    print("ready", flush=True)
    sys.stdin.readline()
    got = [str(n) for n in range(300) if journal.claim(str(n), "request", owner) == owner]
print(" ".join(got))
"""


def reply(content="human1: 안녕\ngpt1: 응", **more):
    """A reply of a teacher."""
    return ChatReply(content=content, prompt_tokens=3, completion_tokens=4, **more)


def dialogue(said="응", opening="안녕", slot=SLOT):
    """A dialogue that may be accepted."""
    turns = (Turn(role="user", content=opening), Turn(role="assistant", content=said))
    return Dialogue(id=slot, subset="exa-data", topic="daily", character="엑사", turns=turns)


def accept(journal, address=HERE, limits=NO_LIMITS, **words):
    """Let a dialogue into a journal; what stands in its way, else None."""
    found = dialogue(slot=address.slot, **words)
    attempt = journal.write_reply(address, reply(), 0.5)
    return journal.accept(address, attempt, found, fingers_of(found.turns), limits)


@pytest.fixture
def path(tmp_path):
    """Where a journal is made; the folder above it is not there yet."""
    return tmp_path / "dialogues" / "journal.sqlite"


@pytest.fixture
def journal(path):
    """An empty journal."""
    with open_journal(path) as opened:
        yield opened


def test_a_reply_is_unread_until_it_has_a_verdict(journal):
    """What was written down comes back, untouched, to be judged."""
    attempt = journal.write_reply(HERE, reply(" 그대로\n"), 0.5)
    assert [(u.number, u.reply.content) for u in journal.unread(*HERE[:2])] == [
        (attempt, " 그대로\n")
    ]
    journal.settle(Verdict(attempt, "wrong-order", "차례가 다르다"))
    assert journal.unread(*HERE[:2]) == []


def test_the_finish_reason_survives(journal):
    """A reply that was cut off is known as such after a kill."""
    journal.write_reply(HERE, reply(finish_reason="length"), 0.5)
    assert journal.unread(*HERE[:2])[0].reply.finish_reason == "length"


def test_replies_come_in_the_order_in_which_they_came_in(journal):
    """The oldest is judged first."""
    for content in ("하나", "둘", "셋"):
        journal.write_reply(HERE, reply(content), 0.5)
    assert [a.reply.content for a in journal.attempts(*HERE[:2])] == ["하나", "둘", "셋"]


def test_a_judges_words_are_no_reply_for_the_slot(journal):
    """They are found by the attempt that they are about."""
    attempt = journal.write_reply(HERE, reply(), 0.5)
    journal.write_reply(Address(*HERE[:2], "judge", attempt), reply("5점"), 0.5)
    assert [a.number for a in journal.attempts(*HERE[:2])] == [attempt]
    assert [a.reply.content for a in journal.judgements(attempt)] == ["5점"]


def test_kept_lines_go_together(journal):
    """A whole conversation that is refused keeps none of its lines; another slot keeps its own."""
    for address, line in ((HERE, "하나"), (HERE, "둘"), (OTHER, "셋")):
        journal.settle(Verdict(journal.write_reply(address, reply(), 0.5), "kept", line))
    assert [kept.message for kept in journal.kept(*HERE[:2])] == ["하나", "둘"]
    journal.drop_kept(*HERE[:2], "copied", "옮겼다")
    assert journal.kept(*HERE[:2]) == []
    assert [kept.message for kept in journal.kept(*OTHER[:2])] == ["셋"]


def test_what_was_spent_is_counted_over_all_runs(path):
    """Money and tokens of every attempt, a judge's and the refused ones too."""
    for about in (None, 1):
        with open_journal(path) as journal:
            journal.write_reply(Address(SLOT, "request", "reply", about), reply(), 0.5, 0.25)
    with open_journal(path) as journal:
        assert journal.spent() == (2, 0.5, 6, 8)


def test_an_accepted_dialogue_closes_its_slot(path):
    """It comes back as it was accepted, in the next run too."""
    with open_journal(path) as journal:
        assert not journal.is_closed(*HERE[:2])
        assert accept(journal) is None
        assert journal.is_closed(*HERE[:2])
    with open_journal(path) as journal:
        assert journal.accepted(*HERE[:2]) == dialogue()
        assert journal.unread(*HERE[:2]) == []


def test_a_closed_slot_keeps_its_first_dialogue(journal):
    """A second dialogue for the same slot changes nothing."""
    accept(journal, said="응")
    accept(journal, said="아니")
    assert journal.accepted(*HERE[:2]) == dialogue("응")


def test_another_request_is_another_slot(journal):
    """Under a changed request neither dialogues nor replies are found."""
    accept(journal)
    journal.write_reply(HERE, reply(), 0.5)
    assert journal.accepted(SLOT, "other") is None
    assert journal.attempts(SLOT, "other") == []


LONG = "오늘은 하늘이 맑아서 공원까지 천천히 걸어갔다 왔어. 너도 같이 갔으면 좋았을 텐데."
OPENING = "주말에 바다 보러 갈까 산에 갈까 고민이야"
NEAR = {
    "dialogue": ({"said": LONG}, {"said": LONG.replace("공원", "시장")}),
    "opening": (
        {"opening": OPENING, "said": "바다. 파도 소리 듣고 싶어."},
        {"opening": OPENING + "!", "said": "지난번에 산에 갔으니까 이번에는 다른 데가 낫겠다."},
    ),
}
near_pairs = pytest.mark.parametrize(("part", "pair"), NEAR.items())


@near_pairs
def test_what_is_nearly_the_same_is_refused(path, part, pair):
    """The slot stays open, and the message can name the dialogue that stands in the way."""
    with open_journal(path, "order") as journal:
        assert accept(journal, HERE, LIMITS, **pair[0]) is None
        near = accept(journal, OTHER, LIMITS, **pair[1])
        assert (near.slot, near.part) == (SLOT, part)
        assert not journal.is_closed(*OTHER[:2])


@near_pairs
def test_what_another_process_accepted_counts(path, part, pair):
    """Both look before they let in, in one transaction."""
    with open_journal(path, "order") as one, open_journal(path, "order") as other:
        assert accept(other, Address("x/y/0009", "r"), LIMITS, opening="뭐 해", said="공부") is None
        assert accept(one, HERE, LIMITS, **pair[0]) is None
        assert accept(other, OTHER, LIMITS, **pair[1]).part == part


@near_pairs
def test_what_an_earlier_run_accepted_counts(path, part, pair):
    """Signatures come back from the file."""
    with open_journal(path, "order") as journal:
        accept(journal, HERE, LIMITS, **pair[0])
    with open_journal(path, "order") as journal:
        assert accept(journal, OTHER, LIMITS, **pair[1]).part == part


@near_pairs
def test_another_orders_dialogues_stand_in_nobodys_way(path, part, pair):
    """A changed teacher may say again what the old one said."""
    with open_journal(path, "one") as one, open_journal(path, "other") as other:
        accept(one, HERE, LIMITS, **pair[0])
        assert accept(other, OTHER, LIMITS, **pair[1]) is None
        assert (one.other_orders(), other.other_orders()) == (1, 1)


@near_pairs
def test_without_limits_anything_goes(path, part, pair):
    """A recipe may turn the look for likeness off."""
    with open_journal(path, "order") as journal:
        accept(journal, HERE, NO_LIMITS, **pair[0])
        assert accept(journal, OTHER, NO_LIMITS, **pair[1]) is None


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.integers(0, 2), st.sampled_from(["claim", "release"]))
        | st.tuples(st.sampled_from("ABC"), st.none(), st.just("die")),
        max_size=20,
    )
)
def test_two_owners_never_hold_one_slot(tmp_path_factory, steps):
    """Whatever three processes do in whatever order, one has a slot until it gives it back."""
    held = {}
    path = tmp_path_factory.mktemp("claims") / "journal.sqlite"
    with open_journal(path) as one, open_journal(path) as other:
        for at, (owner, slot, step) in enumerate(steps):
            journal = (one, other)[at % 2]
            if step == "claim":
                held.setdefault(slot, owner)
                assert journal.claim(str(slot), "request", owner) == held[slot]
            elif step == "release":
                journal.release(str(slot), "request", owner)
                held = {s: o for s, o in held.items() if (s, o) != (slot, owner)}
            else:
                journal.release_all(owner)
                held = {s: o for s, o in held.items() if o != owner}


def test_processes_that_claim_at_once_share_the_slots(path):
    """Every slot has one owner, whoever was faster."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM_ALL, str(path), owner],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for owner in "ABC"
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    got = [process.communicate()[0].split() for process in processes]
    assert sorted(int(slot) for slots in got for slot in slots) == list(range(300))


def test_a_reply_is_on_disk_before_anybody_reads_it(path, journal):
    """Another process sees a reply as soon as it was written down."""
    journal.write_reply(HERE, reply("그대로"), 0.5)
    other = sqlite3.connect(path)
    found = other.execute("SELECT raw FROM attempts").fetchall()
    other.close()
    assert found == [("그대로",)]


def test_a_reply_outlives_its_process(path):
    """SIGKILL right after it was written down takes nothing away."""
    done = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with open_journal(path) as journal:
        assert [a.reply.content for a in journal.unread("slot", "request")] == ["그대로"]


@pytest.fixture
def old(path):
    """A journal of the first version with a dialogue, a refusal and a reply that nobody read."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_VERSION)
    for verdict in ("accepted", "wrong-order", None):
        connection.execute(
            "INSERT INTO attempts (slot, request, raw, finish_reason, prompt_tokens,"
            " completion_tokens, latency_s, verdict) VALUES (?, ?, 'raw', 'stop', 3, 4, 0.5, ?)",
            (*HERE[:2], verdict),
        )
    row = (*HERE[:2], 1, dialogue().model_dump_json())
    connection.execute("INSERT INTO accepted VALUES (?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path


def test_a_journal_of_the_first_version_keeps_its_rows(old):
    """It is brought up to date in its place, once."""
    for _ in range(2):
        with open_journal(old, "order") as journal:
            assert journal.accepted(*HERE[:2]) == dialogue()
            assert [a.verdict for a in journal.attempts(*HERE[:2])] == [
                *("accepted", "wrong-order", None)
            ]
            assert journal.spent() == (3, 0.0, 9, 12)
            assert journal.other_orders() == 1
            version = journal.connection.execute("PRAGMA user_version").fetchone()
            assert version == (VERSION,)


def test_a_journal_of_the_first_version_takes_what_a_new_one_takes(old):
    """Judgements, prices, signatures, claims and batches."""
    with open_journal(old, "order") as journal:
        journal.write_reply(Address(*OTHER[:2], "judge", 3), reply("5점"), 0.5, 0.25)
        assert journal.claim(*OTHER[:2], "A") == "A"
        assert journal.batches.open_batches("tiny") == []
        assert accept(journal, OTHER, LIMITS, said=LONG) is None
        assert accept(journal, Address("x/y/2", "r"), LIMITS, said=LONG).slot == OTHER.slot


def test_a_newer_journal_is_left_alone(path):
    """The message names both versions and says to upgrade."""
    with open_journal(path) as journal:
        journal.connection.execute(f"PRAGMA user_version = {VERSION + 7}")
    before = path.read_bytes()
    told = rf"journal\.sqlite.*{VERSION + 7}.*{VERSION}.*새 판"
    with pytest.raises(ArtifactError, match=told), open_journal(path):
        pass
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path):
    """The message names the file and says to move it away; the file stays as it was."""
    path.parent.mkdir()
    path.write_text("이것은 저널이 아니다. " * 100, encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(ArtifactError, match=r"journal\.sqlite.*옮긴"), open_journal(path):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("which", ["journal", "folder"])
def test_what_stands_in_the_journals_place_is_told(path, which):
    """A folder where the file should be, or a file where the folder should be."""
    if which == "journal":
        path.mkdir(parents=True)
    else:
        path.parent.write_text("")
    with pytest.raises(ArtifactError, match=r"journal\.sqlite"), open_journal(path):
        pass


def test_a_database_of_another_program_is_refused(path):
    """A table of the same name with other columns is no journal, and gets none of ours."""
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE attempts (name TEXT)")
    with pytest.raises(ArtifactError, match=r"journal\.sqlite"), open_journal(path):
        pass
    columns = [row[1] for row in other.execute("PRAGMA table_info(attempts)")]
    other.close()
    assert columns == ["name"]
