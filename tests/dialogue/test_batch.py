"""Dialogues over the Batch API: what is sent, what comes back, what goes wrong."""

import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chatmodel.openai_compatible import MAX_REPLY_BYTES
from exagirl.chatmodel.options import TeacherOptions
from exagirl.dialogue.batch import generate_by_batch
from exagirl.dialogue.batch_model import MAX_BYTES, MAX_REQUESTS, parts_of
from exagirl.dialogue.generate import generate_dialogues
from exagirl.dialogue.order import Order
from exagirl.dialogue.outputs import read_dialogues
from exagirl.dialogue.plan import plan_slots
from exagirl.dialogue.reader import LARGE_ORDER
from exagirl.errors import ArtifactError, RecipeError, ShortfallError, TeacherError
from exagirl.persona.character import load_character
from exagirl.progress import Nobody
from support.batch_server import BatchServer, End, Fault
from support.chat_server import ChatServer, drops, in_turn, page, refuses, says, sends
from support.teachers import GOOD, KEY_ENV, POLITE, WRONG_ORDER, order, teacher_at

KEY = "sk-exagirl-0123456789abcdef"
PRICE = {"input": 2.0, "output": 10.0}
REPLY_DOLLARS = (11 * 2.0 + 22 * 10.0) / 1e6
"""What a reply of the server costs when it is asked at once."""
PASSING = {
    "500": refuses(500),
    "429": refuses(429),
    "dropped": drops(),
    "html": page(),
    "empty": sends({}),
}


def by_batch(folder, url, options=None, teacher=None):
    """Generate 엑사's dialogues by batch, looking often."""
    chosen = teacher or teacher_at(url)
    ordered = Order(load_character("exa"), chosen, options or order(), 7)
    return generate_by_batch(ordered, folder=folder, watcher=Nobody(), poll_s=0.01, gather_s=0.05)


def ids(folder):
    """Ids of the dialogues in the file of 엑사's subset."""
    return [dialogue.id for dialogue in read_dialogues(folder, "exa-data")]


def rows(folder, query):
    """What the journal of a folder holds."""
    connection = sqlite3.connect(folder / "journal.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def sizes(server):
    """How many requests each batch had."""
    return [len(job.asked) for job in server.batches]


def asked_at_once(folder, url, options, **more):
    """What the ordinary way sends when nothing is asked twice."""
    ordered = Order(load_character("exa"), teacher_at(url, **more), options, 7)
    generate_dialogues(ordered, folder=folder, watcher=Nobody())


def test_one_batch_fills_every_slot(tmp_path):
    """Requests that wait together are one batch."""
    with BatchServer(in_turn(says(GOOD))) as server:
        by_batch(tmp_path, server.url)
    assert ids(tmp_path) == [slot.key for slot in plan_slots(order(), seed=7)]
    assert sizes(server) == [3]


def test_more_slots_than_workers_are_one_batch(tmp_path):
    """The recipe's workers bound what is asked at once, and a batch is not."""
    options = order(workers=1, subsets={"exa-data": {"plan": "exa", "dialogues": 40}})
    with BatchServer(in_turn(says(GOOD))) as server:
        by_batch(tmp_path, server.url, options)
    assert sizes(server) == [40]


def test_a_large_order_is_read_in_a_process_of_its_own(tmp_path, capfd):
    """That process takes the order; nothing is told on the screen."""
    options = order(subsets={"exa-data": {"plan": "exa", "dialogues": LARGE_ORDER}})
    with BatchServer(in_turn(says(GOOD))) as server:
        by_batch(tmp_path, server.url, options)
    assert capfd.readouterr() == ("", "")
    assert len(ids(tmp_path)) == sum(sizes(server)) == LARGE_ORDER


def test_rejected_replies_go_into_a_second_batch(tmp_path):
    """What was accepted is not asked again."""

    def script(asked):
        is_first_try = asked.number <= 3
        return says(POLITE if is_first_try and "일상 대화" in asked.system else GOOD)

    with BatchServer(script) as server:
        by_batch(tmp_path, server.url)
    assert sizes(server) == [3, 1]
    assert len(ids(tmp_path)) == 3


def test_the_second_batch_says_what_was_wrong(tmp_path):
    """The checker's message goes back to the teacher once; the third request is fresh."""
    with BatchServer(in_turn(says(POLITE), says(POLITE), says(GOOD))) as server:
        by_batch(tmp_path, server.url)
    message = rows(tmp_path, "SELECT message FROM attempts WHERE verdict = 'speech.polite'")[0][0]
    has_message = [{message in asked.user for asked in job.asked} for job in server.batches]
    assert has_message == [{False}, {True}, {False}]


def test_a_reply_costs_half(tmp_path):
    """The journal holds what the Batch API takes."""
    with BatchServer(in_turn(says(GOOD))) as server:
        by_batch(tmp_path, server.url, teacher=teacher_at(server.url, price=PRICE))
    dollars = [row[0] for row in rows(tmp_path, "SELECT dollars FROM attempts")]
    assert dollars == pytest.approx([REPLY_DOLLARS / 2] * 3)


@pytest.mark.parametrize(
    "more", [{}, {"seed": 3}, {"output": "json"}, {"max_tokens_name": "max_completion_tokens"}]
)
def test_a_request_is_what_the_ordinary_way_sends(tmp_path, more):
    """Body for body, whatever the teacher is told."""
    options = order(rejected_retries=0)
    with ChatServer(in_turn(says(WRONG_ORDER))) as chat, pytest.raises(ShortfallError):
        asked_at_once(tmp_path / "chat", chat.url, options, **more)
    with BatchServer(in_turn(says(WRONG_ORDER))) as server, pytest.raises(ShortfallError):
        by_batch(tmp_path / "batch", server.url, options, teacher_at(server.url, **more))
    by_system = {asked.system: asked.body for asked in chat.asked}
    assert {asked.system: asked.body for asked in server.asked} == by_system
    assert len(by_system) == 3


def test_a_batch_is_journalled_before_it_is_sent(tmp_path):
    """Its name and its requests are there when the first byte goes out."""
    seen = {}

    def watch(route):
        seen.setdefault(route, rows(tmp_path, "SELECT name, remote, requests FROM batches"))

    with BatchServer(in_turn(says(GOOD)), watch=watch) as server:
        by_batch(tmp_path, server.url)
    job = server.batches[0]
    name, remote, requests = seen["POST /files"][0]
    assert (name, remote, json.loads(requests)) == (job.name, None, job.ids)
    assert seen["GET /batches/ID"][0][1] == job.id


def test_a_judge_is_asked_by_batch_too(tmp_path):
    """The teacher's batch is read, and what passes goes to the judge in one of its own."""
    rubric = [{"name": "말투", "question": "반말인가?"}]

    def script(asked):
        return says('{"scores": {"말투": 5}}' if asked.body["model"] == "judge" else GOOD)

    with BatchServer(script) as server:
        judge = {"teacher": teacher_at(server.url, model="judge").model_dump(), "rubric": rubric}
        by_batch(tmp_path, server.url, order(judge=judge))
    assert sizes(server) == [3, 3]
    assert rows(tmp_path, "SELECT kind, count(*) FROM attempts GROUP BY kind") == [
        ("judge", 3),
        ("reply", 3),
    ]


def test_answers_may_come_in_any_order_among_rubbish(tmp_path):
    """Each goes to who asked; unknown names, broken lines and other JSON are passed over."""

    def mix(lines):
        stranger = json.dumps({**json.loads(lines[0]), "custom_id": "nobody"})
        listed = json.dumps({"custom_id": ["a", "list"], "response": None})
        rubbish = [stranger, listed, lines[0][:50], "null", "[]", "7", "", "[" * 100_000, "\x00"]
        return [*rubbish, *reversed(lines), lines[0]]

    with BatchServer(
        lambda asked: says(GOOD.replace("비", f"{asked.number}번")), mix=mix
    ) as server:
        by_batch(tmp_path, server.url)
        ordered = Order(load_character("exa"), teacher_at(server.url), order(), 7)
    numbers = {asked.system: asked.number for asked in server.asked}
    said = [dialogue.turns[0].content for dialogue in read_dialogues(tmp_path, "exa-data")]
    systems = [ordered.prompt().messages(slot)[0].content for slot in ordered.slots()]
    assert said == [f"오늘 {numbers[system]}번 와?" for system in systems]
    assert sizes(server) == [3]


def test_a_batch_may_answer_more_than_one_reply_could(tmp_path):
    """The limit on a reply's bytes does not cut a file of answers off."""
    with BatchServer(
        in_turn(says(GOOD)), mix=lambda lines: ["x" * MAX_REPLY_BYTES, *lines]
    ) as server:
        by_batch(tmp_path, server.url)
    assert sizes(server) == [3]


def test_an_expired_batch_counts_as_far_as_it_came(tmp_path):
    """Its answers are taken, and only the rest is sent again."""
    with BatchServer(in_turn(says(GOOD)), ends=[End("expired", answered=2), End()]) as server:
        by_batch(tmp_path, server.url)
    assert sizes(server) == [3, 1]
    assert server.batches[1].asked[0].body == server.batches[0].asked[2].body


@pytest.mark.parametrize("answer", [refuses(500), refuses(429), drops(), sends({})])
def test_what_is_in_the_error_file_is_tried_again(tmp_path, answer):
    """A request that failed, or whose answer is none, goes into the next batch."""
    with BatchServer(in_turn(answer, says(GOOD))) as server:
        by_batch(tmp_path, server.url)
    assert sizes(server)[0] == 3
    assert len(server.asked) == 6
    assert rows(tmp_path, "SELECT count(*) FROM attempts") == [(3,)]


def test_a_request_that_is_refused_for_good_ends_the_run(tmp_path):
    """The endpoint's words are told."""
    with BatchServer(in_turn(refuses(400, "no such temperature"))) as server:
        with pytest.raises(TeacherError, match=r"HTTP 400.*no such temperature"):
            by_batch(tmp_path, server.url)
        assert sizes(server) == [3]


def test_a_failed_batch_is_one_error(tmp_path):
    """It is told in the endpoint's words, and nothing more is sent."""
    ends = [End("failed", message="Enqueued token limit reached")]
    with BatchServer(in_turn(says(GOOD)), ends=ends) as server:
        with pytest.raises(TeacherError, match="batch_1.*Enqueued token limit reached"):
            by_batch(tmp_path, server.url)
        assert sizes(server) == [3]


def test_after_a_failed_batch_the_same_command_sends_anew(tmp_path):
    """What was told once is not told again."""
    with BatchServer(in_turn(says(GOOD)), ends=[End("failed"), End()]) as server:
        with pytest.raises(TeacherError):
            by_batch(tmp_path, server.url)
        by_batch(tmp_path, server.url)
    assert sizes(server) == [3, 3]


def test_a_cancelled_batch_ends_the_run(tmp_path):
    """What somebody cancelled is not sent again unasked; the next run sends what is missing."""
    with BatchServer(in_turn(says(GOOD)), ends=[End("cancelled", answered=1), End()]) as server:
        with pytest.raises(TeacherError, match="취소"):
            by_batch(tmp_path, server.url)
        assert rows(tmp_path, "SELECT raw FROM attempts") == [(GOOD,)]
        by_batch(tmp_path, server.url)
    assert sizes(server) == [3, 2]


@pytest.mark.parametrize("route", ["POST /files", "POST /batches"])
def test_an_endpoint_without_batches_says_so(tmp_path, route):
    """The message names the address and the way without."""
    with BatchServer(in_turn(says(GOOD)), faults={route: [Fault(refuses(404))]}) as server:
        with pytest.raises(TeacherError, match="--batch 없이") as caught:
            by_batch(tmp_path, server.url)
        assert server.url in str(caught.value)
    assert rows(tmp_path, "SELECT * FROM batches") == []


@pytest.mark.parametrize(
    ("route", "name"),
    [
        *(("GET /batches/ID", name) for name in PASSING),
        *(("GET /files/ID/content", name) for name in ("500", "429", "dropped")),
    ],
)
def test_a_fault_while_waiting_is_outlasted(tmp_path, route, name):
    """A batch that is at work is waited for, whatever the line does."""
    answer = PASSING[name]
    faults = {route: [Fault(answer), Fault(answer), None]}
    with BatchServer(in_turn(says(GOOD)), faults=faults) as server:
        by_batch(tmp_path, server.url)
    assert sizes(server) == [3]
    assert server.calls.count(route) > 2


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING.keys())
@pytest.mark.parametrize("route", ["POST /files", "POST /batches"])
def test_a_batch_that_did_not_go_out_is_sent_again(tmp_path, route, answer):
    """A fault on the way there costs a try of the line."""
    with BatchServer(in_turn(says(GOOD)), faults={route: [Fault(answer)]}) as server:
        by_batch(tmp_path, server.url)
    assert len(server.asked) == 3
    assert rows(tmp_path, "SELECT count(*) FROM batches") == [(len(server.batches),)]


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING.keys())
def test_a_batch_whose_receipt_was_lost_is_not_sent_twice(tmp_path, answer):
    """It is looked for among the endpoint's batches first."""
    faults = {"POST /batches": [Fault(answer, is_done=True)]}
    with BatchServer(in_turn(says(GOOD)), faults=faults) as server:
        by_batch(tmp_path, server.url)
    assert sizes(server) == [3]


def test_an_endpoint_that_is_down_ends_the_run(tmp_path):
    """A file that cannot be sent uses up the tries of the line."""
    faults = {"POST /files": [Fault(refuses(503))] * 9}
    with BatchServer(in_turn(says(GOOD)), faults=faults) as server:
        with pytest.raises(TeacherError, match="HTTP 503"):
            by_batch(tmp_path, server.url, order(transport_retries=1))
        assert server.calls == ["POST /files"] * 2


def test_a_journal_that_breaks_while_a_batch_is_awaited_ends_the_run(tmp_path):
    """Nobody waits for ever for what can no longer be written down."""

    def watch(route):
        if route == "POST /batches":
            rows(tmp_path, "DROP TABLE batches")

    server = BatchServer(in_turn(says(GOOD)), watch=watch)
    with server, pytest.raises(ArtifactError, match="journal"):
        by_batch(tmp_path, server.url)


@pytest.mark.parametrize(
    ("teacher", "more", "word"),
    [
        ({"kind": "bundled"}, {}, "openai"),
        ({"kind": "local", "model": "here"}, {}, "openai"),
        (None, {"judge": {"teacher": {"kind": "local", "model": "here"}}}, "openai"),
        (None, {"mode": "simulation"}, "simulation"),
    ],
    ids=["bundled", "local", "local-judge", "simulation"],
)
def test_what_does_not_go_with_batches_is_refused(tmp_path, teacher, more, word):
    """Before anybody is asked."""
    with BatchServer(in_turn(says(GOOD))) as server:
        options = TeacherOptions.model_validate(teacher) if teacher else teacher_at(server.url)
        with pytest.raises(RecipeError, match=word):
            by_batch(tmp_path, server.url, order(**more), options)
        assert server.calls == []


def test_nothing_beyond_the_budget_is_sent(tmp_path):
    """Only as many requests go out as the money covers, even where all are dear."""
    half_a_dollar = {"price": {"input": 0.0, "output": 1e6 / 22}, "max_tokens": 22}
    with BatchServer(in_turn(says(WRONG_ORDER))) as server:
        teacher = teacher_at(server.url, **half_a_dollar)
        with pytest.raises(ShortfallError, match="예산"):
            by_batch(tmp_path, server.url, order(max_dollars=2.2), teacher)
        assert sizes(server) == [3, 1]
    assert rows(tmp_path, "SELECT sum(dollars) FROM attempts")[0][0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "server_of",
    [
        {"script": in_turn(says(f"human1: {KEY}"))},
        {"script": in_turn(refuses(400, f"bad {KEY}"))},
        {"ends": [End("failed", message=f"bad {KEY}")]},
        {"faults": {"POST /files": [Fault(refuses(401, f"bad {KEY}"))]}},
    ],
    ids=["reply", "row", "batch", "upload"],
)
def test_the_key_is_sent_and_stays_nowhere(tmp_path, monkeypatch, server_of):
    """No file and no message holds the key, even where the endpoint echoes it."""
    monkeypatch.setenv(KEY_ENV, KEY)
    server = BatchServer(**{"script": in_turn(says(GOOD)), **server_of})
    with server, pytest.raises((TeacherError, ShortfallError)) as caught:
        by_batch(tmp_path, server.url, order(rejected_retries=0))
    assert server.keys == {f"Bearer {KEY}"}
    assert KEY not in str(caught.value)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "journal.sqlite" in files
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


@given(st.lists(st.text(max_size=8), max_size=30), st.integers(1, 5), st.integers(9, 60))
def test_parts_keep_every_request_within_the_limits(texts, most_requests, most_bytes):
    """One after the other they are the whole; none is too long, unless one request alone is."""
    lines = {str(number): text for number, text in enumerate(texts)}
    parts = parts_of(lines, most_requests, most_bytes)
    assert [pair for part in parts for pair in part.items()] == list(lines.items())
    for part in parts:
        size = sum(len(line.encode()) + 1 for line in part.values())
        assert 1 <= len(part) <= most_requests
        assert size <= most_bytes or len(part) == 1


def test_requests_are_parted_by_number():
    """One more than a file may hold is a second file."""
    parts = parts_of(dict.fromkeys(map(str, range(MAX_REQUESTS + 1)), "{}"))
    assert list(map(len, parts)) == [MAX_REQUESTS, 1]


def test_requests_are_parted_by_size():
    """Three lines of half a file's bytes are three files: each has a line break besides."""
    parts = parts_of(dict.fromkeys("abc", "x" * (MAX_BYTES // 2)))
    assert list(map(len, parts)) == [1, 1, 1]
