"""The journal keeps every reply that was paid for, whatever happens to the process."""

import sqlite3

import pytest

from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.journal import open_journal
from exagirl.dialogue.records import Dialogue, Turn
from exagirl.errors import ArtifactError

SLOT = "exa-data/daily/0000"


def reply(content="human1: 안녕\ngpt1: 응"):
    """A reply of a teacher."""
    return ChatReply(content=content, prompt_tokens=3, completion_tokens=4)


def dialogue(said="응"):
    """A dialogue that was accepted."""
    turns = (Turn(role="user", content="안녕"), Turn(role="assistant", content=said))
    return Dialogue(id=SLOT, subset="exa-data", topic="daily", character="엑사", turns=turns)


@pytest.fixture
def path(tmp_path):
    """Where a journal is made; the folder above it is not there yet."""
    return tmp_path / "dialogues" / "journal.sqlite"


def test_a_reply_is_unread_until_it_has_a_verdict(path):
    """What was written down comes back, untouched, to be judged."""
    with open_journal(path) as journal:
        attempt = journal.write_reply(SLOT, "request", reply(), 0.5)
        assert journal.unread(SLOT, "request") == (attempt, ChatReply(content=reply().content))
        journal.reject(attempt, "wrong-order", "차례가 다르다")
        assert journal.unread(SLOT, "request") is None


def test_the_finish_reason_survives(path):
    """A reply that was cut off is known as such after a kill."""
    with open_journal(path) as journal:
        cut = reply().model_copy(update={"finish_reason": "length"})
        journal.write_reply(SLOT, "request", cut, 0.5)
        assert journal.unread(SLOT, "request")[1].finish_reason == "length"


def test_unread_replies_come_in_the_order_in_which_they_came_in(path):
    """The oldest reply is judged first."""
    with open_journal(path) as journal:
        for content in ("하나", "둘"):
            journal.write_reply(SLOT, "request", reply(content), 0.5)
        attempt, first = journal.unread(SLOT, "request")
        journal.reject(attempt, "no-dialogue", "")
        assert (first.content, journal.unread(SLOT, "request")[1].content) == ("하나", "둘")


def test_an_accepted_dialogue_closes_its_slot(path):
    """The dialogue comes back as it was accepted."""
    with open_journal(path) as journal:
        attempt = journal.write_reply(SLOT, "request", reply(), 0.5)
        journal.accept(attempt, SLOT, "request", dialogue())
        assert journal.accepted(SLOT, "request") == dialogue()
        assert journal.unread(SLOT, "request") is None


def test_a_closed_slot_keeps_its_first_dialogue(path):
    """A second dialogue for the same slot changes nothing."""
    with open_journal(path) as journal:
        for said in ("응", "아니"):
            attempt = journal.write_reply(SLOT, "request", reply(), 0.5)
            journal.accept(attempt, SLOT, "request", dialogue(said))
        assert journal.accepted(SLOT, "request") == dialogue("응")


def test_another_request_is_another_slot(path):
    """Under a changed request neither dialogues nor replies are found."""
    with open_journal(path) as journal:
        attempt = journal.write_reply(SLOT, "request", reply(), 0.5)
        journal.accept(attempt, SLOT, "request", dialogue())
        journal.write_reply(SLOT, "request", reply(), 0.5)
        assert journal.accepted(SLOT, "other") is None
        assert journal.unread(SLOT, "other") is None


def test_a_closed_journal_opens_again_with_everything_in_it(path):
    """Nothing is lost between two runs."""
    with open_journal(path) as journal:
        attempt = journal.write_reply(SLOT, "request", reply(), 0.5)
        journal.accept(attempt, SLOT, "request", dialogue())
    with open_journal(path) as journal:
        assert journal.accepted(SLOT, "request") == dialogue()


def test_reasons_count_refusals_only(path):
    """Accepted and unread replies are no reasons."""
    with open_journal(path) as journal:
        codes = ["wrong-order", "cut-off", "wrong-order"]
        for code in codes:
            journal.reject(journal.write_reply(SLOT, "request", reply(), 0.5), code, "")
        accepted = journal.write_reply(SLOT, "request", reply(), 0.5)
        journal.accept(accepted, SLOT, "request", dialogue())
        journal.write_reply(SLOT, "request", reply(), 0.5)
        assert journal.reasons() == {"wrong-order": 2, "cut-off": 1}


def test_a_reply_is_on_disk_before_anybody_reads_it(path):
    """Another process sees a reply as soon as it was written down."""
    with open_journal(path) as journal:
        journal.write_reply(SLOT, "request", reply("그대로"), 0.5)
        other = sqlite3.connect(path)
        found = other.execute("SELECT raw FROM attempts").fetchall()
        other.close()
    assert found == [("그대로",)]


def test_a_file_that_is_no_database_is_refused(path):
    """The message names the file and says to move it away; the file stays as it was."""
    path.parent.mkdir()
    path.write_text("이것은 저널이 아니다. " * 100, encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(ArtifactError, match=r"journal\.sqlite.*옮긴"), open_journal(path):
        pass
    assert path.read_bytes() == before


def test_a_folder_in_place_of_the_journal_is_refused(path):
    """The message names the place."""
    path.mkdir(parents=True)
    with pytest.raises(ArtifactError, match=r"journal\.sqlite"), open_journal(path):
        pass


def test_a_file_in_place_of_the_folder_is_refused(path):
    """The message names the place."""
    path.parent.write_text("")
    with pytest.raises(ArtifactError, match=r"journal\.sqlite"), open_journal(path):
        pass


def test_a_database_of_another_program_is_refused(path):
    """A table of the same name with other columns is no journal."""
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE attempts (name TEXT)")
    other.close()
    with pytest.raises(ArtifactError, match=r"journal\.sqlite"), open_journal(path):
        pass
