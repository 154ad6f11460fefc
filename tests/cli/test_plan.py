"""``exagirl plan``: what would be asked, how often, for how much; nobody is asked."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from exagirl.chatmodel.options import TeacherOptions
from exagirl.dialogue.plan import plan_slots
from exagirl.pipeline import Job, show_prompt
from exagirl.progress import Nobody
from exagirl.recipe import load_recipe

SLOT = "exa-data/daily/0000"


def plan(*arguments, cwd):
    """Run the command in a process of its own, without any key."""
    env = {name: value for name, value in os.environ.items() if not name.endswith("_KEY")}
    return subprocess.run(
        [sys.executable, "-m", "exagirl", "plan", *map(str, arguments)],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def squeezed(text):
    """A text without the breaks that a narrow terminal puts in."""
    return "".join(text.split())


def test_the_quickstart_costs_nothing(tmp_path):
    """Its subsets, their numbers, and that no money is needed."""
    done = plan("quickstart", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("gf-persona-data", "exa-data 60편", "일상 대화", "비용 없음"):
        assert word in done.stdout


def test_planning_leaves_nothing_behind(tmp_path):
    """No run folder is made."""
    assert plan("quickstart", cwd=tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_the_plan_of_the_large_recipe_is_json(tmp_path):
    """1,490 slots of gpt-4o, with topics, turns, tokens and dollars; no key is needed."""
    done = plan("exa-2.4b", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    recipe = load_recipe("exa-2.4b").recipe
    assert found["slots"] == found["requests"] == len(plan_slots(recipe.generation, recipe.seed))
    assert found["slots"] == 600 + 890
    assert found["filled"] == 0
    assert sum(topic["dialogues"] for topic in found["topics"]) == 1490
    assert sum(found["turns"].values()) == 1490
    assert set(found["turns"]) == {"2", "3", "4", "5"}
    assert found["prompt_tokens"] > found["completion_tokens"] > 0
    assert 1 < found["dollars"] < 50


def test_the_plan_of_the_large_recipe_reads_as_a_table(tmp_path):
    """Requests, tokens and the dollars, in Korean."""
    done = plan("exa-2.4b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("gf-persona-data 600편", "exa-data 890편", "gpt-4o에게", "1,490건", "예상 비용 $"):
        assert word in done.stdout


def test_a_slots_prompt_can_be_read(tmp_path):
    """As it would be sent: system and user, braces and brackets included."""
    done = plan("exa-2.4b", "--show", SLOT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    job = Job(load_recipe("exa-2.4b"), tmp_path, Nobody())
    for message in show_prompt(job, SLOT):
        assert message.role in done.stdout
        assert squeezed(message.content) in squeezed(done.stdout)


def test_an_unknown_slot_is_one_message_with_an_example(tmp_path):
    """Exit 2, the name that was given, and one that exists."""
    done = plan("exa-2.4b", "--show", "exa-data/nothing/9999", cwd=tmp_path)
    assert done.returncode == 2
    assert "exa-data/nothing/9999" in done.stderr
    assert "gf-persona-data/" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "my-own", "base_url": "http://127.0.0.1:1/v1"}, ["teacher.price"]),
        ({"model": "my-own", "price": {"input": 0, "output": 0}}, ["비용 없음"]),
    ],
)
def test_an_unknown_price_is_told(tmp_path, change, words):
    """What to write into the recipe; a price of nothing is a price."""
    recipe = load_recipe("exa-2.4b").recipe
    teacher = TeacherOptions.model_validate({"kind": "openai", **change})
    text = yaml.safe_dump(
        recipe.model_copy(update={"teacher": teacher}).model_dump(mode="json"), allow_unicode=True
    )
    (tmp_path / "recipe.yaml").write_text(text, "utf-8")
    done = plan(tmp_path / "recipe.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in words)


def test_what_the_journal_has_is_told(tmp_path):
    """After generating, nothing is left to ask."""
    made = subprocess.run(
        [sys.executable, "-m", "exagirl", "generate", "quickstart"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    found = json.loads(plan("quickstart", "--json", cwd=tmp_path).stdout)
    assert found["filled"] == found["slots"]
    assert found["requests"] == 0
    assert f"이미 있는 대화: {found['slots']}편" in plan("quickstart", cwd=tmp_path).stdout
