"""Whatever is asked, refused and read again: a user's line is never read as the character's."""

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from exagirl.artifact import fingerprint
from exagirl.chatmodel.protocol import ChatReply
from exagirl.dialogue.check import Rejection
from exagirl.dialogue.duplicates import Limits, fingers_of
from exagirl.dialogue.journal import KEPT, Address, Attempt, Journal, Verdict, open_journal
from exagirl.dialogue.mode import Kept
from exagirl.dialogue.records import Dialogue, Slot, Turn
from exagirl.dialogue.reparse import Rereader
from exagirl.dialogue.talks import part_talks
from exagirl.progress import Nobody

SLOT = Slot(subset="s", topic="t", index=0, phrase="이야기", turns=2)
ADDRESS = Address(SLOT.key, fingerprint(["teacher", SLOT]))
LINES = 2 * SLOT.turns
NUMBERS = st.frozensets(st.integers(0, 5))
ASK = st.just("ask")
STEPS = st.lists(ASK | ASK | ASK | st.tuples(NUMBERS, NUMBERS), min_size=5, max_size=40)


class Marked:
    """A mode that lets any line pass but those with a number that is refused."""

    def __init__(self, refused, whole):
        self.refused, self.whole = refused, whole

    def replies(self, slot):
        """One a line."""
        return 2 * slot.turns

    def read(self, slot, said, reply):
        """Read a line; the number of the last one may refuse the conversation as a whole."""
        number = int(reply.content[-1])
        if number in self.refused:
            return Rejection(code="number", message="다른 수", is_whole=False)
        lines = [*said, reply.content]
        if len(lines) < self.replies(slot):
            return Kept(reply.content)
        if number in self.whole:
            return Rejection(code="copied", message="gpt2: 옮겼다")
        turns = [Turn(role=("user", "assistant")[at % 2], content=x) for at, x in enumerate(lines)]
        return Dialogue(id=slot.key, subset="s", topic="t", character="엑사", turns=tuple(turns))


def kept(journal: Journal) -> list[str]:
    """The lines of the conversation that goes on."""
    return [attempt.message for attempt in journal.kept(*ADDRESS[:2])]


def ask(journal: Journal, mode: Marked, dice: random.Random) -> None:
    """Do as the engine does: ask for the next line, write it down, read it, settle it."""
    if journal.is_closed(*ADDRESS[:2]):
        return
    said = kept(journal)
    line = f"{'UC'[len(said) % 2]} {dice.randrange(6)}"
    number = journal.write_reply(ADDRESS, ChatReply(content=line), 0.0)
    outcome = mode.read(SLOT, said, ChatReply(content=line))
    if isinstance(outcome, Kept):
        journal.settle(Verdict(number, KEPT, outcome.content))
    elif isinstance(outcome, Dialogue):
        journal.accept(ADDRESS, number, outcome, fingers_of(outcome.turns), Limits(None, None))
    else:
        journal.settle(Verdict(number, outcome.code, outcome.message))
        if outcome.is_whole:
            journal.drop_kept(*ADDRESS[:2], outcome.code, outcome.message)


def sides(lines) -> str:
    """Who said each line, by its mark."""
    return "".join(line[0] for line in lines)


@settings(deadline=None, max_examples=200)
@given(STEPS, st.randoms(use_true_random=False))
def test_sides_never_mix_and_a_second_reading_changes_nothing(steps, dice):
    """After any asking and any change of the checks."""
    mode = Marked(frozenset({0}), frozenset({1}))
    with open_journal(Path(":memory:"), "teacher") as journal:
        for step in steps:
            if step == "ask":
                ask(journal, mode, dice)
            else:
                mode = Marked(*step)
                states = []
                for _ in range(2):
                    Rereader(journal, "teacher", mode, Limits(None, None), None).read(
                        [SLOT], Nobody()
                    )
                    states.append((journal.attempts(*ADDRESS[:2]), journal.accepted(*ADDRESS[:2])))
                assert states[0] == states[1]
            found = journal.accepted(*ADDRESS[:2])
            if found is not None:
                assert sides(turn.content for turn in found.turns) == "UC" * SLOT.turns
            assert sides(kept(journal)) == ("UC" * LINES)[: len(kept(journal))]
            assert len(kept(journal)) < LINES


def attempts(*found):
    """Attempts with these verdicts, numbered from 1; a text after a colon is the message."""
    return [
        Attempt(number, ChatReply(content="응"), verdict.partition("|")[0] or None,
                verdict.partition("|")[2])
        for number, verdict in enumerate(found, start=1)
    ]  # fmt: skip


def parted(*found):
    """The numbers of the lines and of the tries of each conversation of two exchanges."""
    return [
        ([line.number for line in talk.lines], [one.number for one in talk.tries])
        for talk in part_talks(attempts(*found), LINES)
    ]


def test_every_reply_of_a_script_is_a_dialogue():
    """One each."""
    talks = part_talks(attempts("wrong-order", "", "accepted"), 1)
    assert [talk.tries[0].number for talk in talks] == [1, 2, 3]
    assert [talk.is_accepted for talk in talks] == [False, False, True]


def test_a_finished_conversation_has_its_last_line_as_its_only_try():
    """Refused lines that were replaced are left out."""
    assert parted("kept", "speech.polite", "kept", "kept", "accepted") == [([1, 3, 4], [5])]


def test_an_open_conversation_has_what_was_tried_at_its_end():
    """Refused, or not read yet."""
    assert parted("kept", "speech.polite", "") == [([1], [2, 3])]


def test_a_conversation_that_was_refused_whole_is_parted_from_the_next():
    """By the number of its lines."""
    whole = ["near-dialogue"] * LINES
    assert parted(*whole, *whole, "kept") == [([1, 2, 3], [4]), ([5, 6, 7], [8]), ([9], [])]


def test_a_whole_refusal_that_names_a_line_is_known():
    """The code may be any; the message begins with the label."""
    assert parted(*["speech.polite|gpt1: 존댓말"] * LINES) == [([1, 2, 3], [4])]


def test_a_last_line_that_was_refused_alone_is_tried_at_its_place():
    """The process was killed before the lines before it were refused, too."""
    assert parted("kept", "kept", "kept", "near-dialogue") == [([1, 2, 3], [4])]


def test_what_is_adrift_has_no_place():
    """It is never read again."""
    assert parted("kept", "adrift", "kept", "adrift") == [([1, 3], [])]
