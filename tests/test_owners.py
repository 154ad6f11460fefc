"""Who is at work is told by locks that die with their process."""

import signal
import subprocess
import sys

import pytest

from exagirl.errors import ArtifactError
from exagirl.owners import FOLDER, at_work

WORK = """
import sys
from pathlib import Path
from exagirl.owners import at_work
with at_work(Path(sys.argv[1])) as owners:
    print(owners.name, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def worker(tmp_path):
    """Another process that is at work on the folder; its name comes over its output."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def locks(folder):
    """What lies where the locks are."""
    return list((folder / FOLDER).iterdir())


def test_who_is_at_work_is_alive(tmp_path):
    """A process knows itself, and two on one folder know each other."""
    with at_work(tmp_path) as one, at_work(tmp_path) as other:
        assert one.name != other.name
        assert one.is_alive(one.name)
        assert one.is_alive(other.name)
        assert other.is_alive(one.name)


def test_who_has_gone_home_is_not(tmp_path):
    """After the block a name stands for nobody."""
    with at_work(tmp_path) as one:
        with at_work(tmp_path) as other:
            pass
        assert not one.is_alive(other.name)


def test_a_name_that_nobody_took_is_not_alive(tmp_path):
    """A journal that was copied from elsewhere names processes that never were here."""
    with at_work(tmp_path) as owners:
        assert not owners.is_alive("0" * 32)


def test_another_process_is_alive_until_it_is_killed(tmp_path, worker):
    """SIGKILL leaves no time to say goodbye; the lock goes all the same."""
    name = worker.stdout.readline().strip()
    with at_work(tmp_path) as owners:
        before = [owners.is_alive(name), owners.is_alive(name)]
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        assert (before, owners.is_alive(name)) == ([True, True], False)


def test_another_process_is_alive_until_it_ends(tmp_path, worker):
    """An orderly end is an end."""
    name = worker.stdout.readline().strip()
    with at_work(tmp_path) as owners:
        assert owners.is_alive(name)
        worker.communicate()
        assert not owners.is_alive(name)


def test_nothing_is_left_behind(tmp_path, worker):
    """Neither by who ends nor, once somebody asked for them, by who was killed."""
    name = worker.stdout.readline().strip()
    worker.kill()
    worker.wait()
    assert [path.stem for path in locks(tmp_path)] == [name]
    with at_work(tmp_path) as owners:
        assert not owners.is_alive(name)
    assert locks(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    """The message names the place."""
    (tmp_path / "dialogues").write_text("")
    with pytest.raises(ArtifactError, match="dialogues"), at_work(tmp_path / "dialogues"):
        pass
