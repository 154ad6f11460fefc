"""Why replies were refused, with an example of each."""

import pytest

from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.journal import Address, Verdict, open_journal
from exagirl.dialogue.reasons import common_reasons

HERE = Address("exa-data/daily/0000", "request")


@pytest.fixture
def journal(tmp_path):
    """An empty journal."""
    with open_journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def refuse(journal, code, content="답", message="까닭", address=HERE):
    """One reply with its verdict; returns the attempt's number."""
    attempt = journal.write_reply(address, ChatReply(content=content), 0.1)
    journal.settle(Verdict(attempt, code, message))
    return attempt


def test_the_commonest_come_first(journal):
    """Three at most; of two that are as common, the first by its name."""
    for code, times in {"b": 2, "d": 1, "a": 2, "c": 3}.items():
        for _ in range(times):
            refuse(journal, code)
    found = [(one.code, one.times) for one in common_reasons(journal.connection)]
    assert found == [("c", 3), ("a", 2), ("b", 2)]


def test_each_has_its_first_reply_and_what_was_said_of_it(journal):
    """An example tells more than a code; it is one short line."""
    refuse(journal, "cut-off", content="  human1:\n안녕 " + "아" * 500, message="끊겼다")
    refuse(journal, "cut-off", content="다른 답", message="또 끊겼다")
    (reason,) = common_reasons(journal.connection)
    assert reason.message == "끊겼다"
    assert reason.example.startswith("human1: 안녕 아아")
    assert len(reason.example) <= 80


@pytest.mark.parametrize("content", ["", " \n "])
def test_a_reply_without_words_is_told_as_such(journal, content):
    """An example is never blank."""
    refuse(journal, "no-dialogue", content=content)
    assert common_reasons(journal.connection)[0].example == "(빈 답)"


@pytest.mark.parametrize("verdict", ["accepted", "kept", "spare", None])
def test_what_was_not_refused_is_no_reason(journal, verdict):
    """Nor is what nobody has read."""
    refuse(journal, verdict)
    assert common_reasons(journal.connection) == []


def test_a_judges_words_are_no_reason(journal):
    """They are about a reply, which has a verdict of its own."""
    refuse(journal, "judge.low", address=Address(*HERE[:2], "judge", 1))
    assert common_reasons(journal.connection) == []


def test_an_earlier_run_gives_no_reasons(journal):
    """What is told is what happened since."""
    last = refuse(journal, "old")
    refuse(journal, "new")
    assert [one.code for one in common_reasons(journal.connection, last)] == ["new"]
