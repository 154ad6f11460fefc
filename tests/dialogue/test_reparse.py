"""Every raw reply is read again after a check changed; nobody is asked, and nothing is lost."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exagirl.dialogue.duplicates import Limits
from exagirl.dialogue.generate import reread_dialogues
from exagirl.dialogue.journal import open_journal
from exagirl.dialogue.mode import Script
from exagirl.dialogue.outputs import read_dialogues
from exagirl.dialogue.plan import plan_slots
from exagirl.dialogue.reparse import Reread
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.errors import ShortfallError
from exagirl.persona.character import load_character
from exagirl.progress import Nobody
from support.chat_server import ChatServer, in_turn, says
from support.modes import (
    Harsh,
    as_argument,
    edit,
    exa_order,
    generate,
    journal_replies,
    line_at,
    reread,
    rows,
    said_in,
    verdicts,
)
from support.teachers import GOOD, POLITE, WRONG_ORDER, accepted, fill, order, slots, teacher_at

TESTS = Path(__file__).parents[1]
LINES = [line_at(place) for place in range(4)]
OTHER = GOOD.replace("우산", "모자")
REFUSE_ALL = "UPDATE attempts SET verdict = 'old-check', message = '낡은 검사'"
REREAD = """
import sys
from pathlib import Path
from exagirl.dialogue.generate import reread_dialogues
from exagirl.progress import Nobody
from support.modes import order_from

class Slow(Nobody):
    def advance(self, count=1, note=""):
        print("slot", flush=True)
        sys.stdin.readline()

reread_dialogues(order_from(sys.argv[1]), folder=Path(sys.argv[2]), watcher=Slow())
"""


def mode(word=""):
    """The mode for scripts; given a word, one whose checks have become stricter."""
    script = Script(TeacherPrompt(load_character("exa")))
    return Harsh(script, word) if word else script


def refuse(folder, *numbers):
    """Make replies stand refused, and their slots open, as under an older check."""
    told = ", ".join(map(str, numbers))
    edit(folder, f"{REFUSE_ALL} WHERE id IN ({told})")
    edit(folder, f"DELETE FROM accepted WHERE attempt IN ({told})")


def test_a_milder_check_wins_a_slot_back(tmp_path):
    """A reply that was refused before is accepted, as it was said."""
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, slots(2))
    refuse(tmp_path, 1)
    assert reread(tmp_path, slots(2)) == Reread(accepted=2, won=1, lost=0)
    assert [one.id for one in accepted(tmp_path, slots(2))] == [slot.key for slot in slots(2)]
    assert verdicts(tmp_path) == ["accepted", "accepted"]


def test_a_stricter_check_loses_a_slot(tmp_path):
    """The reply is refused with its new code, and the slot is open."""
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, slots(1))
    assert reread(tmp_path, slots(1), mode=mode("우산")) == Reread(accepted=0, won=0, lost=1)
    assert accepted(tmp_path, slots(1)) == []
    assert rows(tmp_path, "SELECT verdict, message FROM attempts") == [("word", "'우산'")]


def test_a_check_that_was_changed_back_changes_the_slots_back(tmp_path):
    """The replies stay; stricter and milder again is as it was."""
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, slots(2))
    before = accepted(tmp_path, slots(2))
    assert reread(tmp_path, slots(2), mode=mode("우산")).lost == 2
    assert reread(tmp_path, slots(2)).won == 2
    assert accepted(tmp_path, slots(2)) == before


def test_another_reply_fills_a_slot_that_was_lost(tmp_path):
    """Of the replies that were had for it, the first that passes."""
    journal_replies(tmp_path, slots(1)[0], WRONG_ORDER, GOOD, OTHER)
    assert reread(tmp_path, slots(1)).won == 1
    assert reread(tmp_path, slots(1), mode=mode("우산")) == Reread(accepted=1, won=0, lost=0)
    assert verdicts(tmp_path) == [
        "word" if "우산" in WRONG_ORDER else "wrong-order",
        "word",
        "accepted",
    ]
    assert "모자" in said_in(accepted(tmp_path, slots(1))[0])[1]


def test_the_accepted_dialogue_stays_where_it_still_passes(tmp_path):
    """Though an earlier reply would pass by now; that one is spare."""
    journal_replies(tmp_path, slots(1)[0], OTHER)
    with ChatServer(in_turn(says(GOOD))) as server:
        edit(tmp_path, REFUSE_ALL)
        fill(server.url, tmp_path, slots(1))
    before = accepted(tmp_path, slots(1))
    assert reread(tmp_path, slots(1)) == Reread(accepted=1, won=0, lost=0)
    assert accepted(tmp_path, slots(1)) == before
    assert verdicts(tmp_path) == ["spare", "accepted"]


def test_reading_again_with_the_same_checks_changes_nothing(tmp_path):
    """Whatever the replies: faults, near-duplicates, open slots."""
    alike = {"near_dialogue": 0.5, "rejected_retries": 1}
    script = in_turn(says(POLITE), says(GOOD))
    with ChatServer(script) as server:
        fill(server.url, tmp_path, slots(4), options=order(**alike))
    query = "SELECT id, verdict FROM attempts ORDER BY id"
    before, dialogues = rows(tmp_path, query), accepted(tmp_path, slots(4))
    assert len(dialogues) == 1
    assert reread(tmp_path, slots(4), limits=Limits(0.5, None)) == Reread(1, 0, 0)
    assert rows(tmp_path, query) == before
    assert accepted(tmp_path, slots(4)) == dialogues


def test_an_open_slot_does_not_take_what_is_accepted_elsewhere(tmp_path):
    """An earlier slot whose reply is too near to an accepted one stays open, not the other."""
    first, second = slots(2)
    with ChatServer(in_turn(says(GOOD))) as server:
        options = order(near_dialogue=0.5, rejected_retries=0)
        fill(server.url, tmp_path, [second], options=options)
        fill(server.url, tmp_path, [first], options=options)
    before = accepted(tmp_path, [first, second])
    assert [one.id for one in before] == [second.key]
    assert reread(tmp_path, [first, second], limits=Limits(0.5, None)) == Reread(1, 0, 0)
    assert accepted(tmp_path, [first, second]) == before


def test_a_stricter_likeness_loses_the_later_of_two(tmp_path):
    """Of two that are too near by now, the first in the plan stays; a milder one wins it back."""
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, slots(2))
    assert reread(tmp_path, slots(2), limits=Limits(0.5, None)) == Reread(1, 0, 1)
    assert [one.id for one in accepted(tmp_path, slots(2))] == [slots(2)[0].key]
    assert verdicts(tmp_path) == ["accepted", "near-dialogue"]
    assert reread(tmp_path, slots(2)) == Reread(2, 1, 0)


def test_a_reply_that_nobody_has_read_is_read(tmp_path):
    """A process that died had paid for it."""
    journal_replies(tmp_path, slots(1)[0], POLITE, GOOD)
    assert reread(tmp_path, slots(1)) == Reread(1, 1, 0)
    assert verdicts(tmp_path) == ["speech.polite", "accepted"]


def test_slots_without_a_reply_stay_open(tmp_path):
    """What was never asked for cannot be read."""
    journal_replies(tmp_path, slots(1)[0], GOOD)
    assert reread(tmp_path, slots(3)) == Reread(1, 1, 0)


def test_the_raw_replies_and_their_prices_stay(tmp_path):
    """Only verdicts change."""
    with ChatServer(in_turn(says(POLITE), says(GOOD))) as server:
        fill(server.url, tmp_path, slots(2))
    query = "SELECT id, raw, dollars, prompt_tokens, latency_s FROM attempts ORDER BY id"
    before = rows(tmp_path, query)
    reread(tmp_path, slots(2), mode=mode("우산"))
    assert rows(tmp_path, query) == before


def test_replies_to_other_orders_are_left_alone(tmp_path):
    """Another teacher's dialogues in the same journal stay as they are."""
    journal_replies(tmp_path, slots(1)[0], GOOD, order="other")
    assert reread(tmp_path, slots(1)) == Reread(0, 0, 0)
    assert verdicts(tmp_path) == [None]


def test_generate_goes_on_after_reading_again(tmp_path):
    """It asks for what was lost, and for nothing else."""
    with ChatServer(in_turn(says(GOOD))) as server:
        fill(server.url, tmp_path, slots(2))
    reread(tmp_path, slots(1), mode=mode("우산"))
    with ChatServer(in_turn(says(OTHER))) as server:
        filled = fill(server.url, tmp_path, slots(2))
    assert filled.accepted == 2
    assert len(server.asked) == 1


def test_nobody_is_asked_and_the_files_are_written(tmp_path):
    """The whole way: what was won stands in the JSONL file; the teacher hears nothing."""
    with ChatServer(in_turn(says(GOOD))) as server:
        ordered = exa_order(teacher_at(server.url), order())
        generate(tmp_path, ordered)
        whole = read_dialogues(tmp_path, "exa-data")
        refuse(tmp_path, 1, 2, 3)
        manifest = reread_dialogues(ordered, folder=tmp_path, watcher=Nobody())
        assert len(server.asked) == 3
    assert read_dialogues(tmp_path, "exa-data") == whole
    assert manifest.notes == {"dialogues": {"exa-data": 3}}


def test_what_stays_open_is_told(tmp_path):
    """The message counts the open slots and names the command that fills them."""
    with ChatServer(in_turn(says(GOOD))) as server:
        ordered = exa_order(teacher_at(server.url), order())
        generate(tmp_path, ordered)
    edit(tmp_path, f"UPDATE attempts SET raw = '{POLITE}' WHERE id = 2")
    with pytest.raises(ShortfallError, match=r"3편 가운데 1편.*exagirl generate"):
        reread_dialogues(ordered, folder=tmp_path, watcher=Nobody())
    assert len(read_dialogues(tmp_path, "exa-data")) == 2


def test_a_reading_that_was_killed_loses_nothing(tmp_path, monkeypatch):
    """Each slot changes at once; the next reading ends as one that was never killed."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    with ChatServer(in_turn(says(GOOD))) as server:
        ordered = exa_order(teacher_at(server.url), order())
        generate(tmp_path, ordered)
    refuse(tmp_path, 1, 2)
    process = subprocess.Popen(
        [sys.executable, "-c", REREAD, as_argument(ordered), str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "slot\n"
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "slot\n"  # two slots are read, the third is not
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with open_journal(tmp_path / "journal.sqlite") as journal:
        halfway = journal.connection.execute("SELECT count(*) FROM accepted").fetchone()[0]
    assert halfway == 2
    reread_dialogues(ordered, folder=tmp_path, watcher=Nobody())
    found = [one.id for one in read_dialogues(tmp_path, "exa-data")]
    assert found == [slot.key for slot in plan_slots(ordered.options, seed=7)]
