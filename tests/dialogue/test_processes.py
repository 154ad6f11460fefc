"""Generating outlives signals, kills, full disks and company; a person sees one message."""

import os
import re
import signal
import subprocess
import sys
from threading import Condition, Event

import pytest

from exagirl.dialogue.journal import open_journal
from exagirl.dialogue.outputs import read_dialogues
from exagirl.dialogue.plan import plan_slots
from support.chat_server import ChatServer, in_turn, refuses, says
from support.teachers import GOOD, KEY_ENV, WRONG_ORDER, order, write_recipe_of

FULL_AT_BYTES = 400_000
KEY = "sk-exagirl-0123456789abcdef"
# No file may grow beyond the limit: what a full disk looks like from inside.
FULL_DISK = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({FULL_AT_BYTES}, {FULL_AT_BYTES}))
from exagirl.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def start(server, folder, *, program=("-m", "exagirl"), **recipe):
    """Start ``exagirl generate`` in a process of its own."""
    path = write_recipe_of(server.url, folder, **recipe)
    arguments = ["generate", str(path), "--runs", str(folder / "runs")]
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error", KEY_ENV: KEY, "COLUMNS": "200"},
    )


def end(process):
    """Wait for a process; its exit code and what it said."""
    out, err = process.communicate(timeout=100)
    assert "Traceback" not in out + err
    return process.returncode, out, err


def read_until(process, words):
    """Read what a process says until it says this."""
    while line := process.stdout.readline():
        if words in line:
            return line
    raise AssertionError(f"ended without saying {words}")


def made(folder):
    """The folder of the dialogues."""
    return folder / "runs" / "tiny" / "dialogues"


def ids(folder):
    """Ids of the dialogues in the file, in its order."""
    return [dialogue.id for dialogue in read_dialogues(made(folder), "exa-data")]


def keys(count):
    """Keys of the plan's slots."""
    options = order(subsets={"exa-data": {"plan": "exa", "dialogues": count}})
    return [slot.key for slot in plan_slots(options, seed=7)]


class Slow:
    """A teacher that answers a few requests and holds the others until it is told."""

    def __init__(self, at_once):
        self.at_once = at_once
        self.may_answer = Event()
        self._arrived = Condition()
        self._held = 0

    def __call__(self, asked):
        """Answer one request."""
        if asked.number > self.at_once:
            with self._arrived:
                self._held += 1
                self._arrived.notify_all()
            self.may_answer.wait(100)
        return says(GOOD)

    def wait_for(self, count):
        """Return when so many requests are held."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self._held >= count, timeout=60)


def test_two_processes_share_the_work(tmp_path):
    """Both ask at once, every slot is asked for once in all, and the file is one."""
    teacher = Slow(at_once=0)
    with ChatServer(teacher) as server:
        try:
            first = start(server, tmp_path, dialogues=80, workers=4)
            teacher.wait_for(4)
            second = start(server, tmp_path, dialogues=80, workers=4)
            teacher.wait_for(8)
        finally:
            teacher.may_answer.set()
        ended = [end(process) for process in (first, second)]
        asked = [one.system for one in server.asked]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert len(asked) == len(set(asked)) == 80
    assert ids(tmp_path) == keys(80)


def test_a_process_takes_over_from_one_that_was_killed(tmp_path):
    """It waits for what the living one has claimed, and asks for it when that one is dead."""
    teacher = Slow(at_once=0)
    with ChatServer(teacher) as server:
        try:
            killed = start(server, tmp_path, dialogues=6)
            teacher.wait_for(2)
            other = start(server, tmp_path, dialogues=6)
            read_until(other, "대화 만들기")
            killed.kill()
            killed.communicate()
        finally:
            teacher.may_answer.set()
        code, _, err = end(other)
        assert code == 0, err
        assert len(server.asked) == 2 + 6
    assert ids(tmp_path) == keys(6)


@pytest.mark.parametrize("answered", [0, 11])
def test_a_killed_run_pays_again_only_for_what_was_in_flight(tmp_path, answered):
    """After SIGKILL and a second run no more was asked than is needed, and one a worker."""
    teacher = Slow(at_once=answered)
    with ChatServer(teacher) as server:
        try:
            process = start(server, tmp_path, dialogues=20, workers=3)
            teacher.wait_for(3)
            process.kill()
            process.communicate()
            teacher.may_answer.set()
            code, _, err = end(start(server, tmp_path, dialogues=20, workers=3))
            assert code == 0, err
            assert len(server.asked) <= 20 + 3
        finally:
            teacher.may_answer.set()
    assert ids(tmp_path) == keys(20)


def test_the_first_interrupt_waits_for_what_is_in_flight(tmp_path):
    """It says for how many, asks nothing more, writes what came, and exits with 130."""
    teacher = Slow(at_once=0)
    with ChatServer(teacher) as server:
        try:
            process = start(server, tmp_path)
            teacher.wait_for(2)
            process.send_signal(signal.SIGINT)
            line = read_until(process, "Ctrl-C")
            teacher.may_answer.set()
            code, _, err = end(process)
            assert (code, len(server.asked)) == (130, 2)
        finally:
            teacher.may_answer.set()
    assert "2개의 답만 받고 멈춥니다" in line
    assert "같은 명령을 다시 실행하면" in err
    assert len(ids(tmp_path)) == 2


def test_the_second_interrupt_stops_at_once(tmp_path):
    """Nobody waits for a teacher that takes its time; the next run asks for the rest."""
    teacher = Slow(at_once=0)
    with ChatServer(teacher) as server:
        try:
            process = start(server, tmp_path)
            teacher.wait_for(2)
            process.send_signal(signal.SIGINT)
            read_until(process, "Ctrl-C")
            process.send_signal(signal.SIGINT)
            code, _, err = end(process)
            assert not teacher.may_answer.is_set()
            assert code == 130
            assert "같은 명령을 다시 실행하면" in err
            teacher.may_answer.set()
            assert end(start(server, tmp_path))[0] == 0
            assert len(server.asked) == 2 + 10
        finally:
            teacher.may_answer.set()
    assert ids(tmp_path) == keys(10)


def test_a_full_disk_is_one_message(tmp_path):
    """Exit code 2, in Korean; what was written stays, and the run goes on when there is room."""
    with ChatServer(in_turn(says(GOOD))) as server:
        process = start(server, tmp_path, program=("-c", FULL_DISK), dialogues=100, workers=4)
        code, _, err = end(process)
        asked = len(server.asked)
        assert code == 2, err
        assert err.count("오류") == 1
        assert re.search(r"journal\.sqlite.*디스크", err)
        assert 0 < asked < 100
        code, _, err = end(start(server, tmp_path, dialogues=100, workers=4))
        assert code == 0, err
        assert len(server.asked) <= 100 + 4
    assert ids(tmp_path) == keys(100)


@pytest.mark.parametrize(("status", "word"), [(401, KEY_ENV), (404, "teacher.model")])
def test_a_refusal_for_good_is_one_message(tmp_path, status, word):
    """However many workers meet it, a person reads it once."""
    with ChatServer(in_turn(refuses(status, f"no {KEY}"))) as server:
        code, out, err = end(start(server, tmp_path, dialogues=20, workers=4))
        assert len(server.asked) <= 4
    assert code == 2
    assert err.count("오류") == 1
    assert word in err
    assert KEY not in out + err


def test_a_low_yield_ends_with_1_and_says_what_went_wrong(tmp_path):
    """The three commonest reasons, with an example each, and what to do."""
    polite = "human1: 뭐 해?\ngpt1: 네, 저는 지금 책을 읽고 있어요. 재미있습니다."
    answers = [WRONG_ORDER] * 4 + [polite] * 3 + ["미안하지만 쓸 수 없어."] * 2 + [""]

    def script(asked):
        return says(answers[asked.number % len(answers)])

    with ChatServer(script) as server:
        code, _, err = end(start(server, tmp_path, dialogues=190, workers=4))
        assert len(server.asked) < 190 * 4
    assert code == 1
    reasons = re.findall(r"^  - (\S+) (\d+)번: \S.*\n    예: (\S.*)$", err, re.MULTILINE)
    assert len(reasons) == 3
    counts = [int(times) for _, times, _ in reasons]
    assert counts == sorted(counts, reverse=True)
    assert " ".join(WRONG_ORDER.split()) in {example for *_, example in reasons}
    assert "generation.min_yield" in err


def test_no_file_of_a_run_holds_the_key(tmp_path):
    """Neither the journal nor the recipe that is kept beside it."""
    with ChatServer(in_turn(says(f"{GOOD} {KEY}"), says(GOOD))) as server:
        code, out, err = end(start(server, tmp_path, dialogues=3))
        assert all(one.headers["Authorization"] == f"Bearer {KEY}" for one in server.asked)
    assert code == 0, err
    with open_journal(made(tmp_path) / "journal.sqlite") as journal:
        assert journal.spent().attempts >= 3
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in out + err
