"""A run by batch that ended early goes on with the batches that it had sent."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from threading import Event

import pytest

from exagirl.chatmodel.protocol import ChatRequest, Message
from exagirl.dialogue.batch import generate_by_batch
from exagirl.dialogue.batch_model import BatchModel, Pace
from exagirl.dialogue.journal import open_journal
from exagirl.dialogue.order import Order
from exagirl.dialogue.outputs import read_dialogues
from exagirl.errors import ArtifactError, TeacherError
from exagirl.persona.character import load_character
from exagirl.progress import Nobody
from support.batch_server import PAGE, BatchServer, End, Fault
from support.chat_server import drops, in_turn, page, refuses, says, sends
from support.teachers import GOOD, KEY_ENV, POLITE, order, teacher_at

GENERATE = """
import sys
from pathlib import Path
from exagirl.chatmodel.options import TeacherOptions
from exagirl.dialogue.batch import generate_by_batch
from exagirl.dialogue.order import Order
from exagirl.dialogue.options import GenerationOptions
from exagirl.persona.character import load_character
from exagirl.progress import Nobody
teacher, options, folder = sys.argv[1:]
order = Order(
    load_character("exa"),
    TeacherOptions.model_validate_json(teacher),
    GenerationOptions.model_validate_json(options),
    7,
)
generate_by_batch(order, folder=Path(folder), watcher=Nobody(), poll_s=0.01, gather_s=0.05)
"""
RECIPE = """
name: tiny
character: exa
seed: 7
teacher: {{kind: openai, model: tiny, base_url: "{url}", api_key_env: {key}}}
generation:
  subsets: {{exa-data: {{plan: exa, dialogues: 3}}}}
  few_shots: 0
  turns: [1, 2]
  near_dialogue: null
  near_opening: null
training:
  base: nowhere
  stages: [{{name: character, data: exa-data}}]
"""
PACE = Pace(poll_s=0.01, gather_s=0.05)


def by_batch(folder, url, teacher=None):
    """Generate 엑사's dialogues by batch, looking often."""
    ordered = Order(load_character("exa"), teacher or teacher_at(url), order(), 7)
    return generate_by_batch(ordered, folder=folder, watcher=Nobody(), poll_s=0.01, gather_s=0.05)


def start(folder, server):
    """Generate in a process of its own."""
    arguments = (teacher_at(server.url).model_dump_json(), order().model_dump_json(), str(folder))
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    return subprocess.Popen([sys.executable, "-c", GENERATE, *arguments], env=environment)


def kill_when(event, folder, server):
    """SIGKILL a run in the middle."""
    process = start(folder, server)
    has_come = event.wait(60)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert has_come


def query(folder, text):
    """Ask the journal of a folder, or change it."""
    connection = sqlite3.connect(folder / "journal.sqlite")
    try:
        found = connection.execute(text).fetchall()
        connection.commit()
    finally:
        connection.close()
    return found


def ids(folder):
    """Ids of the dialogues in the file of 엑사's subset."""
    return [dialogue.id for dialogue in read_dialogues(folder, "exa-data")]


def sizes(server):
    """How many requests each batch had."""
    return [len(job.asked) for job in server.batches]


def holding(*answers, **more):
    """An endpoint that takes batches and does not end them until it may."""
    return BatchServer(in_turn(*(answers or [says(GOOD)])), **{"holds": 1, **more})


class Gatekeeper:
    """Stops at a route until it is told to go on."""

    def __init__(self, route):
        self._route = route
        self.is_there, self.may_go_on = Event(), Event()

    def __call__(self, route):
        """Let a call pass, or wait."""
        if route == self._route:
            self.is_there.set()
            self.may_go_on.wait()


def test_a_killed_run_goes_on_with_its_batch(tmp_path):
    """After SIGKILL the batch is collected by its id; no second one is sent, none looked for."""
    with holding() as server:
        kill_when(server.is_held, tmp_path, server)
        server.may_end.set()
        by_batch(tmp_path, server.url)
    assert len(ids(tmp_path)) == 3
    assert sizes(server) == [3]
    assert "GET /batches" not in server.calls


def test_a_killed_run_goes_on_with_a_batch_of_retries(tmp_path):
    """Replies that were told what was wrong with the last one are not asked for again."""
    with holding(says(POLITE), says(GOOD), holds=2) as server:
        kill_when(server.is_held, tmp_path, server)
        server.may_end.set()
        by_batch(tmp_path, server.url)
    assert len(ids(tmp_path)) == 3
    assert sizes(server) == [3, 3]


def test_a_batch_whose_id_was_not_written_down_is_found_by_its_name(tmp_path):
    """Killed while the endpoint took the batch, the run finds it again."""
    keeper = Gatekeeper("POST /batches")
    with BatchServer(in_turn(says(GOOD)), watch=keeper) as server:
        kill_when(keeper.is_there, tmp_path, server)
        keeper.may_go_on.set()
        while not server.batches:
            time.sleep(0.01)
        by_batch(tmp_path, server.url)
    assert len(ids(tmp_path)) == 3
    assert sizes(server) == [3]


def test_a_batch_is_found_behind_many_others(tmp_path):
    """The endpoint lists newer batches first, a page at a time."""
    with holding() as server:
        kill_when(server.is_held, tmp_path, server)
        query(tmp_path, "UPDATE batches SET remote = NULL")
        server.may_end.set()
        for number in range(2 * PAGE):
            by_batch(tmp_path / str(number), server.url)
        by_batch(tmp_path, server.url)
    assert sizes(server) == [3] * (1 + 2 * PAGE)
    assert server.calls.count("GET /batches") == 3


def test_a_batch_that_was_never_sent_is_sent_anew(tmp_path):
    """Killed while the file went out, the run forgets that batch."""
    keeper = Gatekeeper("POST /files")
    with BatchServer(in_turn(says(GOOD)), watch=keeper) as server:
        kill_when(keeper.is_there, tmp_path, server)
        [(planned,)] = query(tmp_path, "SELECT name FROM batches")
        keeper.may_go_on.set()
        by_batch(tmp_path, server.url)
    assert sizes(server) == [3]
    names = [name for (name,) in query(tmp_path, "SELECT name FROM batches")]
    assert names == [server.batches[0].name] != [planned]


@pytest.mark.parametrize("answer", [refuses(500), drops(), page(), sends({})])
def test_a_batch_that_cannot_be_looked_for_is_not_given_up(tmp_path, answer):
    """The run ends with a message, sends nothing, and the next one looks again."""
    with holding() as server:
        kill_when(server.is_held, tmp_path, server)
        query(tmp_path, "UPDATE batches SET remote = NULL")
        server.may_end.set()
        server.faults["GET /batches"] = [Fault(answer)] * 30
        with pytest.raises(TeacherError, match="찾지 못했습니다"):
            by_batch(tmp_path, server.url)
        server.faults.clear()
        by_batch(tmp_path, server.url)
    assert sizes(server) == [3]


def test_a_batch_that_ended_meanwhile_is_collected(tmp_path):
    """What an expired batch answered counts; only the rest is sent."""
    with holding(ends=[End("expired", answered=1), End()]) as server:
        kill_when(server.is_held, tmp_path, server)
        server.may_end.set()
        by_batch(tmp_path, server.url)
    assert sizes(server)[0] == 3
    assert len(server.asked) == 3 + 2


def test_an_answer_counts_after_the_limit_of_tokens_changed(tmp_path):
    """What shapes no reply of a batch that is under way does not ask again."""
    with holding() as server:
        kill_when(server.is_held, tmp_path, server)
        server.may_end.set()
        by_batch(tmp_path, server.url, teacher_at(server.url, max_tokens=900))
    assert sizes(server) == [3]


def test_a_batch_at_another_endpoint_waits_for_its_own(tmp_path):
    """Another address is another order; going back to the first collects its batch."""
    with holding() as first, BatchServer(in_turn(says(GOOD))) as second:
        kill_when(first.is_held, tmp_path, first)
        by_batch(tmp_path, second.url)
        first.may_end.set()
        by_batch(tmp_path, first.url)
    assert (sizes(first), sizes(second)) == ([3], [3])


def test_a_batch_that_vanished_is_told_before_it_is_sent_anew(tmp_path):
    """The wrong key may be the cause; with the right one, the same command goes on."""
    with holding() as server:
        kill_when(server.is_held, tmp_path, server)
        server.may_end.set()
        server.lose_everything()
        with pytest.raises(TeacherError, match="보낸 배치가 없습니다"):
            by_batch(tmp_path, server.url)
        assert server.batches == []
        by_batch(tmp_path, server.url)
    assert len(ids(tmp_path)) == 3
    assert sizes(server) == [3]


def test_one_process_at_a_time_waits_for_batches(tmp_path):
    """A second one is told so, and sends nothing."""
    with holding() as server:
        process = start(tmp_path, server)
        is_held = server.is_held.wait(60)
        with pytest.raises(ArtifactError, match="다른 exagirl"):
            by_batch(tmp_path, server.url)
        server.may_end.set()
        assert process.wait() == 0
        assert is_held
    assert sizes(server) == [3]


def test_a_finished_batch_is_done_with(tmp_path):
    """Nothing is expected of it any more."""
    with holding(says(POLITE), says(GOOD)) as server:
        server.may_end.set()
        by_batch(tmp_path, server.url)
    assert query(tmp_path, "SELECT remote, collected FROM batches ORDER BY rowid") == [
        ("batch_1", 2),
        ("batch_2", 2),
    ]


def test_an_answer_that_comes_before_it_is_asked_for_is_kept(tmp_path):
    """A batch that was over before the run began may be collected before anybody asks."""
    request = ChatRequest(messages=(Message(role="system", content="말해."),), topic_key="a/b/0")

    async def work(server):
        with open_journal(tmp_path / "journal.sqlite") as journal:

            def model():
                return BatchModel(teacher_at(server.url), "teacher", "", journal, print, PACE)

            async with model() as first:
                asking = asyncio.create_task(first.reply(request))
                await asyncio.to_thread(server.is_held.wait, 60)
                asking.cancel()
            server.may_end.set()
            async with model() as second:
                while "GET /files/ID/content" not in server.calls:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
                return await second.reply(request)

    with holding() as server:
        reply = asyncio.run(work(server))
    assert reply.content == GOOD
    assert sizes(server) == [1]


def test_ctrl_c_stops_at_once_and_the_same_command_goes_on(tmp_path):
    """Code 130 while the batch is at work; then its answers are collected."""
    recipe = tmp_path / "recipe.yaml"
    command = [sys.executable, "-m", "exagirl", "generate", recipe, "--runs", tmp_path, "--batch"]
    with holding() as server:
        recipe.write_text(RECIPE.format(url=server.url, key=KEY_ENV), encoding="utf-8")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not server.is_held.wait(0.1):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        told = process.communicate()[1].decode()
        assert process.returncode == 130
        assert "이어 갑니다" in told
        server.may_end.set()
        assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert len(ids(tmp_path / "tiny" / "dialogues")) == 3
    assert sizes(server) == [3]
