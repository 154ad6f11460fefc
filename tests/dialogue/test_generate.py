"""From an order to ``dialogues/SUBSET.jsonl``, finished or not, killed or not."""

import signal
import subprocess
import sys
from threading import Event

import pytest

from exagirl.artifact import is_complete, read_manifest, write_lines
from exagirl.chatmodel.options import TeacherOptions
from exagirl.dialogue.corpus import read_subset
from exagirl.dialogue.generate import generate_dialogues
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.order import Order
from exagirl.dialogue.outputs import as_line, read_dialogues
from exagirl.dialogue.plan import plan_slots
from exagirl.dialogue.records import Dialogue, Turn
from exagirl.errors import (
    ArtifactError,
    ExagirlError,
    RecipeError,
    ShortfallError,
    TeacherError,
)
from exagirl.persona.character import load_character
from exagirl.progress import Nobody
from support.chat_server import ChatServer, in_turn, refuses, says
from support.teachers import GOOD, KEY_ENV, WRONG_ORDER, order, teacher_at

KEY = "sk-exagirl-0123456789abcdef"
NO_RETRIES = {"rejected_retries": 0, "transport_retries": 0}
GENERATE = """
import sys
from pathlib import Path
from exagirl.chatmodel.options import TeacherOptions
from exagirl.dialogue.generate import generate_dialogues
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
generate_dialogues(order, folder=Path(folder), watcher=Nobody())
"""


def generate(folder, teacher, options, seed=7):
    """Generate 엑사's dialogues in this process."""
    ordered = Order(load_character("exa"), teacher, options, seed)
    return generate_dialogues(ordered, folder=folder, watcher=Nobody())


def ids(folder):
    """Ids of the dialogues in the file of 엑사's subset."""
    return [dialogue.id for dialogue in read_dialogues(folder, "exa-data")]


def complaint(folder, teacher):
    """What generating says when it fails, else nothing."""
    try:
        generate(folder, teacher, order(**NO_RETRIES))
    except ExagirlError as error:
        return str(error)
    return ""


def as_json(options):
    """Options as one argument of a command."""
    return options.model_dump_json()


def refuse_some(asked):
    """Refuse what is asked about one topic of the three."""
    return says(WRONG_ORDER if "일상 대화" in asked.system else GOOD)


def test_each_slot_has_one_line_in_slot_order(tmp_path):
    """The file holds the plan's slots, each once."""
    with ChatServer(in_turn(says(GOOD))) as server:
        generate(tmp_path, teacher_at(server.url), order())
    assert ids(tmp_path) == [slot.key for slot in plan_slots(order(), seed=7)]


def test_the_manifest_counts_the_dialogues(tmp_path):
    """How many each subset has stands in the manifest's notes."""
    with ChatServer(in_turn(says(GOOD))) as server:
        manifest = generate(tmp_path, teacher_at(server.url), order())
    assert manifest.notes == {"dialogues": {"exa-data": 3}}
    assert is_complete(tmp_path, manifest.inputs)


def test_the_journal_is_no_part_of_the_artifact(tmp_path):
    """The journal may grow without making the dialogues stale."""
    with ChatServer(in_turn(says(GOOD))) as server:
        manifest = generate(tmp_path, teacher_at(server.url), order())
    assert list(manifest.files) == ["exa-data.jsonl"]


def test_a_second_run_asks_nobody(tmp_path):
    """Where nothing changed, the finished artifact is handed back."""
    with ChatServer(in_turn(says(GOOD))) as server:
        first = generate(tmp_path, teacher_at(server.url), order())
        assert generate(tmp_path, teacher_at(server.url), order()) == first
    assert len(server.asked) == 3


def test_a_lost_file_is_written_again_from_the_journal(tmp_path):
    """Dialogues that were paid for are not asked for again."""
    with ChatServer(in_turn(says(GOOD))) as server:
        first = generate(tmp_path, teacher_at(server.url), order())
        (tmp_path / "exa-data.jsonl").unlink()
        assert generate(tmp_path, teacher_at(server.url), order()).digest == first.digest
    assert len(server.asked) == 3


def test_more_workers_or_patience_ask_for_nothing_again(tmp_path):
    """How hard to try is no part of a request."""
    with ChatServer(in_turn(says(GOOD))) as server:
        generate(tmp_path, teacher_at(server.url), order())
        (tmp_path / "manifest.json").unlink()
        generate(tmp_path, teacher_at(server.url), order(workers=1, rejected_retries=9))
    assert len(server.asked) == 3


def test_a_shortfall_says_how_many_and_why(tmp_path):
    """The message counts the open slots and names the commonest fault and the folder."""
    with ChatServer(refuse_some) as server:
        options = order(rejected_retries=1)
        with pytest.raises(ShortfallError) as caught:
            generate(tmp_path, teacher_at(server.url), options)
    message = str(caught.value)
    assert "3편 가운데 1편" in message
    assert "wrong-order 2번" in message
    assert str(tmp_path) in message


def test_a_shortfall_writes_what_was_accepted(tmp_path):
    """The open slot is missing from the file, and nothing else is."""
    with ChatServer(refuse_some) as server, pytest.raises(ShortfallError):
        generate(tmp_path, teacher_at(server.url), order(**NO_RETRIES))
    expected = [slot.key for slot in plan_slots(order(), seed=7) if slot.topic != "daily"]
    assert ids(tmp_path) == expected
    assert len(expected) == 2


def test_a_shortfall_leaves_no_manifest(tmp_path):
    """What fell short is not whole."""
    with ChatServer(refuse_some) as server, pytest.raises(ShortfallError):
        generate(tmp_path, teacher_at(server.url), order(**NO_RETRIES))
    assert read_manifest(tmp_path) is None


def test_a_shortfall_takes_an_older_manifest_away(tmp_path):
    """After a changed order fell short, the manifest of the old order does not stand over it."""
    with ChatServer(in_turn(says(GOOD))) as server:
        generate(tmp_path, teacher_at(server.url), order())
    with ChatServer(refuse_some) as server, pytest.raises(ShortfallError):
        generate(tmp_path, teacher_at(server.url), order(**NO_RETRIES), seed=8)
    assert read_manifest(tmp_path) is None


def test_after_a_shortfall_only_the_open_slots_are_asked(tmp_path):
    """The next run goes on where the last one fell short."""
    with ChatServer(refuse_some) as server:
        teacher = teacher_at(server.url)
        with pytest.raises(ShortfallError):
            generate(tmp_path, teacher, order(**NO_RETRIES))
        before = len(server.asked)
        with pytest.raises(ShortfallError):
            generate(tmp_path, teacher, order(**NO_RETRIES))
    assert (before, len(server.asked)) == (3, 4)


def test_a_line_that_always_fails_is_told_as_such(tmp_path):
    """Without a single reply the message speaks of the line, not of checks."""
    with ChatServer(in_turn(refuses(500))) as server, pytest.raises(TeacherError, match="연결"):
        generate(tmp_path, teacher_at(server.url), order(**NO_RETRIES))


def test_a_wrong_key_is_told_with_its_variable(tmp_path):
    """The message names where the key is read from."""
    with ChatServer(in_turn(refuses(401))) as server, pytest.raises(TeacherError, match=KEY_ENV):
        generate(tmp_path, teacher_at(server.url), order())


def test_an_unknown_model_is_told_with_its_name(tmp_path):
    """The message names the model and the address."""
    with ChatServer(in_turn(refuses(404))) as server:
        with pytest.raises(TeacherError) as caught:
            generate(tmp_path, teacher_at(server.url), order())
        assert server.url in str(caught.value)
    assert "tiny" in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [says(GOOD), says(WRONG_ORDER), refuses(500), *(refuses(s, f"bad {KEY}") for s in (400, 401))],
)
def test_the_key_is_sent_and_stays_nowhere(tmp_path, monkeypatch, answer):
    """No file and no message holds the key, even where a server echoes it."""
    monkeypatch.setenv(KEY_ENV, KEY)
    with ChatServer(in_turn(answer)) as server:
        told = complaint(tmp_path, teacher_at(server.url))
        assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "journal.sqlite" in files
    assert KEY not in told
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_a_killed_run_goes_on_where_it_was(tmp_path, monkeypatch):
    """After SIGKILL each slot is there once in the end, and no accepted one is paid for again."""
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    options = order(subsets={"exa-data": {"plan": "exa", "dialogues": 12}})
    are_stuck, may_go_on = Event(), Event()

    def script(asked):
        if asked.number >= 7:
            are_stuck.set()
        if asked.number >= 6:
            may_go_on.wait()
        return says(GOOD)

    with ChatServer(script) as server:
        teacher = teacher_at(server.url)
        process = subprocess.Popen(
            [sys.executable, "-c", GENERATE, *map(as_json, (teacher, options)), str(tmp_path)]
        )
        were_stuck = are_stuck.wait(60)
        process.kill()
        ended = process.wait()
        may_go_on.set()
        assert were_stuck
        assert ended == -signal.SIGKILL
        generate(tmp_path, teacher, options)
    assert ids(tmp_path) == [slot.key for slot in plan_slots(options, seed=7)]
    # Five were answered before the kill, two were under way, seven slots were left.
    assert len(server.asked) == 5 + 2 + 7


def test_the_whole_corpus_passes_through_the_engine(tmp_path):
    """The bundled teacher fills a plan of every dialogue that ships, without a network."""
    names = ("gf-persona-data", "exa-data")
    options = GenerationOptions.model_validate({"subsets": {n: {"plan": "corpus"} for n in names}})
    generate(tmp_path, TeacherOptions(kind="bundled"), options)
    for name in names:
        written = [dialogue.turns for dialogue in read_dialogues(tmp_path, name)]
        assert written == [d.turns for found in read_subset(name).values() for d in found]


def test_the_bundled_teacher_says_what_it_does_not_have(tmp_path):
    """An order beyond the corpus names the slot and another teacher."""
    with pytest.raises(TeacherError, match=r"exa-data/\S+/\d{4}.*kind: openai"):
        generate(
            tmp_path, TeacherOptions(kind="bundled"), order(subsets={"exa-data": {"plan": "exa"}})
        )


def test_a_dialogue_of_any_text_reads_back_from_its_file(tmp_path):
    """Line breaks that only Unicode knows do not part a line of the file."""
    turns = (
        Turn(role="user", content="하나\u2028둘\u0085셋\n넷"),
        Turn(role="assistant", content='"'),
    )
    written = Dialogue(id="1", subset="exa-data", topic="daily", character="엑사", turns=turns)
    write_lines(tmp_path / "exa-data.jsonl", [as_line(written.model_dump())])
    assert read_dialogues(tmp_path, "exa-data") == [written]


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    """The message names the path."""
    (tmp_path / "dialogues").write_text("")
    with ChatServer(in_turn(says(GOOD))) as server:
        with pytest.raises(ArtifactError, match="dialogues"):
            generate(tmp_path / "dialogues", teacher_at(server.url), order())
        assert server.asked == []


class Listener(Nobody):
    """A watcher that remembers what was said."""

    def __init__(self):
        self.heard = []

    def say(self, line):
        """Remember a line."""
        self.heard.append(line)


def test_dialogues_of_another_order_are_announced_and_left_alone(tmp_path):
    """A changed teacher asks anew, and says so; back at the old one nobody is asked."""
    with ChatServer(in_turn(says(GOOD))) as server:
        orders = [
            Order(load_character("exa"), teacher_at(server.url, model=model), order(), 7)
            for model in ("old", "new", "old")
        ]
        listeners, asked = [], []
        for one in orders:
            listeners.append(Listener())
            generate_dialogues(one, folder=tmp_path, watcher=listeners[-1])
            asked.append(len(server.asked))
    assert asked == [3, 6, 6]
    assert listeners[0].heard == []
    for listener in listeners[1:]:
        (line,) = listener.heard
        assert "다른 주문의 대화 3편" in line


def test_a_spent_budget_falls_short_and_says_how_to_go_on(tmp_path):
    """The message names what was spent and the key of the recipe; a raised budget goes on."""
    with ChatServer(in_turn(says(GOOD))) as server:
        teacher = teacher_at(server.url)
        with pytest.raises(ShortfallError, match=r"예산.*답 2개.*max_attempts") as caught:
            generate(tmp_path, teacher, order(max_attempts=2))
        assert len(ids(tmp_path)) == 2
        generate(tmp_path, teacher, order(max_attempts=3))
        assert len(server.asked) == 3
    assert caught.value.exit_code == 1


def test_a_budget_in_dollars_needs_a_price(tmp_path):
    """Before anything is asked; the message shows how to write one down."""
    with ChatServer(in_turn(says(GOOD))) as server:
        with pytest.raises(RecipeError, match=r"max_dollars.*'tiny'.*price: \{input"):
            generate(tmp_path, teacher_at(server.url), order(max_dollars=1.0))
        assert server.asked == []


@pytest.mark.parametrize("answer", [says(f"{GOOD} {KEY}"), refuses(400, f"{'x' * 190}{KEY}")])
@pytest.mark.parametrize("place", ["file", "header"])
def test_a_key_from_elsewhere_stays_nowhere_either(tmp_path, monkeypatch, place, answer):
    """Whether it came from a file or stands in a header, and whatever the server makes of it."""
    (tmp_path / "key").write_text(KEY + "\n")
    monkeypatch.setenv("EXAGIRL_TEST_HEADER", KEY)
    given = {
        "file": {"api_key_file": str(tmp_path / "key")},
        "header": {"headers": {"api-key": "${EXAGIRL_TEST_HEADER}"}},
    }
    with ChatServer(in_turn(answer)) as server:
        told = complaint(tmp_path / "dialogues", teacher_at(server.url, **given[place]))
        sent = server.asked[0].headers
    name = "Authorization" if place == "file" else "api-key"
    assert sent[name].removeprefix("Bearer ") == KEY
    files = [path for path in (tmp_path / "dialogues").rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if KEY[:12].encode() in path.read_bytes()] == []
    assert KEY[:12] not in told
