"""Where a manifest stands, the artifact is whole; a fault of the disk is told with a way out."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.artifact import (
    MANIFEST,
    RunFolder,
    fingerprint,
    foreign_files,
    hash_file,
    is_complete,
    make_folder,
    new_artifact,
    read_manifest,
    seal,
    unseal,
    write_text,
)
from exagirl.errors import ArtifactError
from exagirl.record import Record

INPUTS = {"recipe": "abc", "data": "def"}
HOLD_THE_LOCK = """
import sys
from pathlib import Path
from exagirl.artifact import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


class Point(Record):
    """Something to fingerprint."""

    x: int
    y: int = 0


class CallerError(Exception):
    """Something that goes wrong in a stage."""


def make(folder, text="하나", inputs=INPUTS):
    """An artifact with two files."""
    with new_artifact(folder) as aside:
        (aside / "data").mkdir()
        write_text(aside / "data" / "rows.jsonl", text)
        write_text(aside / "card.md", "# 카드\n")
        return seal(aside, "dataset", inputs, notes={"rows": 1})


@pytest.fixture
def folder(tmp_path):
    """Where the artifact is made."""
    return tmp_path / "runs" / "exa" / "dataset"


def names(folder):
    """Every file below a folder."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_finished_artifact_stands_in_its_place(folder):
    """Nothing is left beside it."""
    make(folder)
    assert names(folder) == ["card.md", "data/rows.jsonl", MANIFEST]
    assert [path.name for path in folder.parent.iterdir()] == ["dataset"]


def test_a_manifest_names_inputs_files_and_notes(folder):
    """What it was made from and what it consists of stand in the manifest."""
    manifest = make(folder)
    assert read_manifest(folder) == manifest
    assert manifest.inputs == INPUTS
    assert manifest.notes == {"rows": 1}
    assert set(manifest.files) == {"card.md", "data/rows.jsonl"}
    assert manifest.files["card.md"].sha256 == hash_file(folder / "card.md")


def test_a_body_that_raises_leaves_the_old_artifact(folder):
    """Half a new artifact never takes the place of a whole old one."""
    old = make(folder)
    with contextlib.suppress(CallerError), new_artifact(folder) as aside:
        write_text(aside / "card.md", "새 카드")
        raise CallerError
    assert read_manifest(folder) == old
    assert is_complete(folder, INPUTS)


def test_a_body_that_raises_leaves_nothing_where_nothing_was(folder):
    """A first try that fails makes no artifact."""
    with contextlib.suppress(CallerError), new_artifact(folder):
        raise CallerError
    assert not folder.exists()


def test_a_new_try_begins_in_an_empty_folder(folder):
    """What a failed try left aside is no part of the next one."""
    with contextlib.suppress(CallerError), new_artifact(folder) as aside:
        write_text(aside / "old.txt", "옛것")
        raise CallerError
    make(folder)
    assert "old.txt" not in names(folder)


def test_a_new_artifact_replaces_the_old_one_whole(folder):
    """Files of the old artifact do not stay on."""
    make(folder)
    with new_artifact(folder) as aside:
        write_text(aside / "only.txt", "하나")
        seal(aside, "dataset", INPUTS)
    assert names(folder) == [MANIFEST, "only.txt"]


def test_the_same_inputs_are_complete(folder):
    """A stage whose inputs have not changed is not run again."""
    make(folder)
    assert is_complete(folder, INPUTS)


@pytest.mark.parametrize(
    "inputs",
    [{**INPUTS, "data": "other"}, {"recipe": "abc"}, {**INPUTS, "more": "x"}, {}],
    ids=["changed", "missing", "added", "none"],
)
def test_other_inputs_are_not_complete(folder, inputs):
    """A changed, missing or added input makes an artifact stale."""
    make(folder)
    assert not is_complete(folder, inputs)


def test_an_artifact_without_one_of_its_files_is_not_complete(folder):
    """Every file of the manifest must stand."""
    make(folder)
    (folder / "data" / "rows.jsonl").unlink()
    assert not is_complete(folder, INPUTS)


def test_an_artifact_with_a_file_of_another_size_is_not_complete(folder):
    """A file that was cut is noticed."""
    make(folder)
    (folder / "data" / "rows.jsonl").write_text("하")
    assert not is_complete(folder, INPUTS)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": 1}', "\udcff"])
def test_a_manifest_that_cannot_be_read_is_no_manifest(folder, text):
    """A broken manifest counts as none; the stage is run again."""
    make(folder)
    (folder / MANIFEST).write_text(text, errors="surrogateescape")
    assert read_manifest(folder) is None
    assert not is_complete(folder, INPUTS)


def test_a_folder_without_manifest_is_not_complete(folder):
    """The manifest is written last, so without one something is missing."""
    make(folder)
    unseal(folder)
    assert not is_complete(folder, INPUTS)


def test_unsealing_what_was_never_sealed_is_no_fault(folder):
    """A first run has no manifest to take away."""
    unseal(folder)
    assert not folder.exists()


def test_a_digest_depends_on_the_content_alone(folder, tmp_path):
    """The same files at another place and time have the same digest."""
    assert make(folder).digest == make(tmp_path / "elsewhere", inputs={}).digest


def test_a_digest_changes_with_the_content(folder):
    """Another byte is another digest."""
    assert make(folder, "하나").digest != make(folder, "하낙").digest


def test_hidden_and_left_out_files_are_no_part_of_an_artifact(tmp_path):
    """Locks and journals may go on changing."""
    for name in ("rows.txt", ".lock", "journal.sqlite", "journal.sqlite-wal"):
        write_text(tmp_path / name, "x")
    manifest = seal(tmp_path, "dialogues", {}, leave_out=("journal.sqlite",))
    assert set(manifest.files) == {"rows.txt"}


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_a_fingerprint_does_not_depend_on_the_order_of_keys(value):
    """The same facts have the same fingerprint."""
    assert fingerprint(value) == fingerprint(dict(reversed(value.items())))


def test_a_fingerprint_of_a_record_is_that_of_its_facts():
    """Defaults count as if they had been written."""
    assert fingerprint([Point(x=1)]) == fingerprint([{"x": 1, "y": 0}])


def test_different_facts_have_different_fingerprints():
    """Text and number are told apart."""
    assert len({fingerprint(value) for value in (1, "1", [1], {"1": 1}, None)}) == 5


def test_text_is_written_with_unix_line_ends(tmp_path):
    """The same text has the same bytes on every system."""
    write_text(tmp_path / "a.txt", "하나\n둘\n")
    assert (tmp_path / "a.txt").read_bytes() == "하나\n둘\n".encode()


def test_a_full_disk_is_told_and_the_old_file_stays(tmp_path):
    """The message says how to go on; /dev/full is always full."""
    target = write_text(tmp_path / "scores.json", "옛것")
    (tmp_path / ".scores.json.partial").symlink_to("/dev/full")
    with pytest.raises(ArtifactError, match=r"자리가 없습니다.*--runs"):
        write_text(target, "새것")
    assert target.read_text() == "옛것"


def test_a_disk_that_fills_up_inside_a_stage_is_told(folder):
    """Whatever writes, the message is the same, and the old artifact stays."""
    old = make(folder)
    with pytest.raises(ArtifactError, match="자리가 없습니다"), new_artifact(folder):
        Path("/dev/full").write_bytes(b"x" * 100_000)
    assert read_manifest(folder) == old


@pytest.mark.parametrize("below", ["dialogues", "dialogues/exa"])
def test_a_file_in_place_of_a_folder_is_told(tmp_path, below):
    """The message names the folder that cannot be made."""
    (tmp_path / "dialogues").write_text("")
    with pytest.raises(ArtifactError, match=below):
        make_folder(tmp_path / below)


def test_a_file_in_place_of_a_parent_stops_a_stage_before_it_works(tmp_path):
    """No time is lost on work that cannot be kept."""
    (tmp_path / "runs").write_text("")
    worked = False
    with pytest.raises(ArtifactError), new_artifact(tmp_path / "runs" / "exa"):
        worked = True
    assert not worked


def test_a_folder_where_a_file_is_written_is_told(tmp_path):
    """The message names the file."""
    (tmp_path / "scores.json").mkdir()
    with pytest.raises(ArtifactError, match=r"scores\.json"):
        write_text(tmp_path / "scores.json", "{}")


@pytest.fixture
def other_process(tmp_path):
    """Another process at work in the run."""
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process


@pytest.mark.usefixtures("other_process")
def test_a_second_process_is_kept_out(tmp_path):
    """Two runs in one folder would write over each other; the message names ways out."""
    with pytest.raises(ArtifactError, match=r"다른 exagirl.*--runs"), RunFolder(tmp_path).locked():
        pass


def test_a_lock_ends_with_its_process(tmp_path, other_process):
    """A run that was killed locks nobody out."""
    other_process.kill()
    other_process.wait()
    with RunFolder(tmp_path).locked():
        pass


def test_a_lock_ends_with_its_block(tmp_path):
    """Also where the work in it failed."""
    run = RunFolder(tmp_path / "exa")
    with contextlib.suppress(CallerError), run.locked():
        raise CallerError
    with run.locked():
        pass


def test_a_run_folder_is_made_when_it_is_locked(tmp_path):
    """The first command of a recipe needs no folder."""
    with RunFolder(tmp_path / "runs" / "exa").locked():
        assert (tmp_path / "runs" / "exa").is_dir()


def test_a_lock_that_cannot_be_written_is_told(tmp_path):
    """The message names the run."""
    (tmp_path / ".lock").mkdir()
    with pytest.raises(ArtifactError, match=str(tmp_path)), RunFolder(tmp_path).locked():
        pass


def test_only_what_a_manifest_names_may_be_replaced(tmp_path):
    """A file that somebody put beside it is foreign, and all are where the kind is another."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "ours.txt").write_text("우리 것", encoding="utf-8")
    seal(folder, "export", {})
    assert foreign_files(folder) == foreign_files(folder, "export") == []
    (folder / "theirs.txt").write_text("남의 것", encoding="utf-8")
    assert foreign_files(folder) == ["theirs.txt"]
    assert "ours.txt" in foreign_files(folder, "publish")
    assert foreign_files(folder / "theirs.txt") == ["theirs.txt"]
    assert foreign_files(tmp_path / "nothing") == []
