"""What differs between a folder and a repository."""

import hashlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.publish.hub.compare import COMMIT_TITLE, RemoteFile, compare, is_same
from support.hub_client import folder_of, planned
from support.hub_store import large, ordinary


def remote(blob, title=f"{COMMIT_TITLE} run-1"):
    """A file of a repository as the Hub lists it."""
    return RemoteFile(size=len(blob.content), blob_id=blob.oid, sha256=blob.sha256, title=title)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A file to write to."""
    return tmp_path_factory.mktemp("scratch") / "file"


@given(here=st.binary(max_size=60), there=st.binary(max_size=60), kind=st.sampled_from([0, 1]))
def test_two_files_are_the_same_where_their_bytes_are(scratch, here, there, kind):
    """is_same agrees with comparing the contents, for ordinary and for large files."""
    scratch.write_bytes(here)
    assert is_same(scratch, remote((ordinary, large)[kind](there))) == (here == there)


@pytest.mark.parametrize("content", [b"", b"hello\n", bytes(range(256)) * 999])
def test_the_hash_of_an_ordinary_file_is_the_one_of_git(content, tmp_path):
    """Git itself is asked."""
    path = tmp_path / "file"
    path.write_bytes(content)
    told = subprocess.run(
        ["git", "hash-object", "--no-filters", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert is_same(path, RemoteFile(size=len(content), blob_id=told.stdout.strip()))


def test_the_doubles_large_file_is_the_pointer_that_git_lfs_describes():
    """Version, hash and size, a line each; git's hash is the pointer's."""
    blob = large(b"weights")
    pointer = (
        b"version https://git-lfs.github.com/spec/v1\n"
        b"oid sha256:%s\nsize 7\n" % hashlib.sha256(b"weights").hexdigest().encode()
    )
    assert (blob.oid, blob.pointer_size) == (ordinary(pointer).oid, len(pointer))


def test_new_and_changed_files_are_found_and_equal_ones_left(tmp_path):
    """Each file of the folder is either the same or listed."""
    folder = folder_of(tmp_path, {"a": b"1", "b": b"2", "c/d": b"3"})
    found = compare(planned(folder), {"a": remote(ordinary(b"1")), "b": remote(ordinary(b"x"))})
    assert [file.path for file in found.changed] == ["b", "c/d"]
    assert found.size == 2
    assert not found.is_none


def test_the_same_on_both_sides_is_no_difference(tmp_path):
    """Nothing to commit."""
    folder = folder_of(tmp_path, {"a": b"1"})
    there = {"a": remote(ordinary(b"1")), ".gitattributes": remote(ordinary(b""), "initial commit")}
    assert compare(planned(folder), there).is_none


@pytest.mark.parametrize(
    ("title", "gone"),
    [(f"{COMMIT_TITLE} run-0", ("old",)), ("Upload old", ()), ("initial commit", ()), ("", ())],
)
def test_only_our_own_files_are_deleted(title, gone, tmp_path):
    """A file whose last commit is somebody else's, or unknown, stays."""
    folder = folder_of(tmp_path, {"a": b"1"})
    there = {"a": remote(ordinary(b"1")), "old": remote(ordinary(b"2"), title)}
    assert compare(planned(folder), there).gone == gone


@pytest.mark.parametrize(
    ("title", "foreign"),
    [(f"{COMMIT_TITLE} run-0", ()), ("Update a", ("a",)), ("initial commit", ()), ("", ("a",))],
)
def test_a_file_that_somebody_else_changed_is_named(title, foreign, tmp_path):
    """Overwriting it would lose their words; the Hub's own first commit is nobody's."""
    folder = folder_of(tmp_path, {"a": b"1"})
    assert compare(planned(folder), {"a": remote(ordinary(b"x"), title)}).foreign == foreign


def test_the_same_words_as_somebody_elses_are_no_conflict(tmp_path):
    """Where the bytes are equal, it does not matter who wrote them."""
    folder = folder_of(tmp_path, {"a": b"1"})
    assert compare(planned(folder), {"a": remote(ordinary(b"1"), "Update a")}).is_none
