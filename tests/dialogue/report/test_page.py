"""``exagirl inspect`` writes one page that needs nothing else."""

import json
import re
import shutil

import pytest

from exagirl.cli.main import main
from exagirl.dialogue.outputs import as_line, read_dialogues
from exagirl.dialogue.plan import plan_slots
from exagirl.recipe import load_recipe

RECIPE = """
name: look
character: exa
teacher: {kind: bundled}
generation:
  subsets:
    exa-data: {plan: exa, dialogues: 20}
    gf-persona-data: {plan: corpus, dialogues: 12}
training: {base: gemma3-270m, stages: [{name: only, data: exa-data}]}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with dialogues and their report."""
    folder = tmp_path_factory.mktemp("look")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    runs = folder / "runs"
    assert main(["generate", str(folder / "recipe.yaml"), "--runs", str(runs)]) == 0
    assert main(["inspect", "look", "--runs", str(runs)]) == 0
    return runs / "look"


def page(run):
    """The page as text."""
    return (run / "dialogues" / "report.html").read_text("utf-8")


def test_the_page_asks_nobody(run):
    """No address but that of the SVG name space, no file beside it."""
    text = page(run)
    addresses = set(re.findall(r"""(?:src|href)\s*=\s*["']([^"'#][^"']*)""", text))
    assert addresses == set()
    assert "@import" not in text


def test_every_topic_has_its_quota(run):
    """A row says how many were accepted of how many were ordered."""
    recipe = load_recipe(str(run)).recipe
    topics = {(slot.subset, slot.topic) for slot in plan_slots(recipe.generation, recipe.seed)}
    assert "일상 대화" in page(run)
    assert len(re.findall(r"<td class=\"n\">\d+ / \d+</td>", page(run))) == len(topics)


def test_the_pictures_are_in_the_page(run):
    """Three pictures a subset."""
    assert page(run).count("<svg") == 2 * 3


def test_dialogues_can_be_read(run):
    """All thirty-two of this small run, with their actions set apart."""
    assert page(run).count('<article class="talk"') == 20 + 12
    assert '<em class="action">' in page(run)


def test_the_same_dialogues_give_the_same_page(run):
    """The page can be compared with another run's."""
    before = page(run)
    assert main(["inspect", "look", "--runs", str(run.parent)]) == 0
    assert page(run) == before


def test_the_report_does_not_make_the_dialogues_stale(run, capsys):
    """After a look, generate has nothing to do."""
    manifest = (run / "dialogues" / "manifest.json").read_text("utf-8")
    assert main(["generate", str(run / "recipe.yaml"), "--runs", str(run.parent)]) == 0
    assert (run / "dialogues" / "manifest.json").read_text("utf-8") == manifest


def test_numbers_come_as_json_too(run, capsys):
    """For machines."""
    assert main(["inspect", "look", "--runs", str(run.parent), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["subsets"]["exa-data"]["dialogues"] == 20
    assert facts["accounts"]["replies"] == 32


def test_what_a_dialogue_says_is_no_markup(run, tmp_path):
    """A script in a turn is shown, not run."""
    copy = tmp_path / "look"
    shutil.copytree(run, copy)
    found = read_dialogues(copy / "dialogues", "gf-persona-data")
    turn = found[0].turns[0].model_copy(update={"content": "<script>alert(1)</script>"})
    changed = found[0].model_copy(update={"turns": (turn, *found[0].turns[1:])})
    rows = [changed, *found[1:]]
    text = "".join(as_line(one.model_dump()) + "\n" for one in rows)
    (copy / "dialogues" / "gf-persona-data.jsonl").write_text(text, encoding="utf-8")
    assert main(["inspect", str(copy)]) == 0
    assert "<script>alert(1)" not in page(copy)
    assert "&lt;script&gt;alert(1)" in page(copy)


def test_a_run_without_dialogues_says_what_to_do(tmp_path, capsys):
    """The message names the command."""
    (tmp_path / "empty" / "dialogues").mkdir(parents=True)
    assert main(["inspect", str(tmp_path / "empty")]) == 2
    assert "exagirl generate" in capsys.readouterr().err
