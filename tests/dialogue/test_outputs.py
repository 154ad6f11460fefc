"""The files that dialogues are kept in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.artifact import fingerprint, write_lines
from exagirl.dialogue.duplicates import Limits, fingers_of
from exagirl.dialogue.journal import Address, open_journal
from exagirl.dialogue.outputs import (
    FORMS,
    as_line,
    count_dialogues,
    read_dialogues,
    write_dialogues,
    write_form,
)
from exagirl.dialogue.records import Dialogue
from exagirl.errors import ArtifactError
from support.dialogues import as_turns, dialogues
from support.teachers import order, slots

ORDER = "teacher"


def as_dialogue(slot, turns):
    """A dialogue of a slot."""
    facts = {"subset": slot.subset, "topic": slot.topic, "character": "엑사"}
    return Dialogue(id=slot.key, turns=tuple(turns), **facts)


def keep(folder, wanted, written, order_name=ORDER):
    """Accept dialogues and write the files; what the journal calls an order may be another."""
    with open_journal(folder / "journal.sqlite", order_name) as journal:
        for slot, turns in written:
            request = fingerprint([order_name, slot])
            journal.accept(
                Address(slot.key, request),
                0,
                as_dialogue(slot, turns),
                fingers_of(turns),
                Limits(None, None),
            )
        write_dialogues(folder, order(), wanted, journal, ORDER)


@given(st.data())
def test_dialogues_stand_in_slot_order_and_read_back_unchanged(tmp_path_factory, data):
    """Whichever came first, whatever they say, and whichever slots are open."""
    folder = tmp_path_factory.mktemp("dialogues")
    wanted = slots(data.draw(st.integers(0, 5)))
    filled = data.draw(st.permutations(wanted))[: data.draw(st.integers(0, 5))]
    written = {slot.key: (slot, data.draw(dialogues())) for slot in filled}
    keep(folder, wanted, written.values())
    expected = [as_dialogue(*written[slot.key]) for slot in wanted if slot.key in written]
    assert read_dialogues(folder, "exa-data") == expected
    assert count_dialogues(folder, "exa-data") == len(expected)


def test_another_orders_dialogues_are_not_written(tmp_path):
    """The files hold what this order asked for."""
    (slot,) = slots(1)
    turns = as_turns(["안녕", "응"])
    keep(tmp_path, [slot], [(slot, turns)], order_name="another")
    assert read_dialogues(tmp_path, "exa-data") == []


@pytest.fixture
def folder(tmp_path):
    """A folder with one dialogue of four turns, with a line break that only Unicode knows."""
    (slot,) = slots(1)
    found = as_dialogue(slot, as_turns(["안녕", "응\u2028그래", "뭐 해?", "*하품한다* 쉬어."]))
    write_lines(tmp_path / "exa-data.jsonl", [as_line(found.model_dump())])
    return tmp_path


EXPECTED = {
    "sharegpt": {
        "id": "exa-data/daily/0000",
        "conversations": [
            {"from": "human", "value": "안녕"},
            {"from": "gpt", "value": "응\u2028그래"},
            {"from": "human", "value": "뭐 해?"},
            {"from": "gpt", "value": "*하품한다* 쉬어."},
        ],
    },
    "seed": {
        "human1": "안녕",
        "gpt1": "응\u2028그래",
        "human2": "뭐 해?",
        "gpt2": "*하품한다* 쉬어.",
    },
    "messages": {
        "messages": [
            {"role": "user", "content": "안녕"},
            {"role": "assistant", "content": "응\u2028그래"},
            {"role": "user", "content": "뭐 해?"},
            {"role": "assistant", "content": "*하품한다* 쉬어."},
        ]
    },
}


def test_every_form_is_known_here():
    """A new form needs a page of its own."""
    assert set(FORMS) == set(EXPECTED)


@pytest.mark.parametrize(("form", "row"), EXPECTED.items())
def test_a_form_says_the_same_in_its_own_words(folder, form, row):
    """One line a dialogue, under ``FORM/SUBSET.jsonl``; Hangul stays readable."""
    (path,) = write_form(folder, ["exa-data"], form)
    assert path == folder / form / "exa-data.jsonl"
    text = path.read_text("utf-8")
    assert json.loads(text) == row
    assert "안녕" in text


@pytest.mark.parametrize("form", EXPECTED)
def test_a_form_is_written_again_over_the_old_one(folder, form):
    """Nothing of an earlier run stays between the lines."""
    first = write_form(folder, ["exa-data"], form)[0].read_bytes()
    assert write_form(folder, ["exa-data"], form)[0].read_bytes() == first


def test_a_file_in_the_place_of_a_form_is_told(folder):
    """The message names the place."""
    (folder / "sharegpt").write_text("")
    with pytest.raises(ArtifactError, match="sharegpt"):
        write_form(folder, ["exa-data"], "sharegpt")
