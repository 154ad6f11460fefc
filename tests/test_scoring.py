"""A run is measured with a judge over HTTP: what it says goes into the report, its end does not."""

import json

import pytest

from exagirl.artifact import is_complete, read_manifest
from exagirl.evaluation.evaluate import UNFINISHED, read_evaluation
from exagirl.evaluation.report.write import REPORT
from exagirl.pipeline import Job, evaluate, run_recipe
from exagirl.progress import Nobody
from exagirl.recipe import load_recipe
from support.chat_server import ChatServer, refuses
from support.judges import FANCY, house
from support.recipes import write_recipe

JUDGING = """
  judging:
    judge: {{kind: openai, model: judge, base_url: '{url}'}}
    interviews: 2
    interview_turns: 1
    drifts: 0
    arena_scenarios: 2
    arena_turns: 1
    certify_pairs: 1
    transport_retries: 0
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, exaone_base):
    """A finished run, measured without a judge, and its recipe."""
    folder = tmp_path_factory.mktemp("run")
    recipe = write_recipe(folder, exaone_base)
    job = Job(load_recipe(str(recipe)), folder / "runs", Nobody())
    run_recipe(job)
    return recipe, folder / "runs"


def with_judge(made, url):
    """The same run with a judge at an address."""
    recipe, runs = made
    path = recipe.with_name(f"{url.rsplit(':')[-1].split('/')[0]}.yaml")
    path.write_text(recipe.read_text("utf-8") + JUDGING.format(url=url), "utf-8")
    return Job(load_recipe(str(path)), runs, Nobody())


def test_the_judge_adds_its_parts(made):
    """Interview, arena, certificate; every conversation is kept beside the scores."""
    with ChatServer(house(FANCY)) as server:
        job = with_judge(made, server.url)
        evaluation = evaluate(job)
        asked = len(server.asked)
        assert evaluate(job) == evaluation
        assert len(server.asked) == asked
    assert evaluation.certificate.judge == "judge"
    assert len(evaluation.arena) == 1
    for name in ("base", "tuned"):
        layers = {measure.layer for measure in evaluation.model(name).measures}
        assert {"rules", "likelihood", "interview"} <= layers
    folder = job.folder.evaluation
    interviews = (folder / "interviews.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["model"] for line in interviews} == {"base", "tuned"}
    assert (folder / "arena.jsonl").read_text("utf-8").count("\n") == 2
    assert "judge" in (folder / REPORT).read_text("utf-8")


def test_a_judge_that_dies_leaves_the_rest_and_is_asked_again(made):
    """Rules and likelihood stand, the trouble is told, and the same command finishes the work."""
    answers = house(FANCY)
    is_ill = True

    def ill(asked):
        return refuses(401, "no such key") if is_ill else answers(asked)

    with ChatServer(ill) as server:
        job = with_judge(made, server.url)
        evaluation = evaluate(job)
        assert evaluation.certificate is None
        assert any(
            trouble.part == "judge" and "같은 명령을 다시" in trouble.message
            for trouble in evaluation.troubles
        )
        assert evaluation.model("tuned").measure("bits_per_character").value is not None
        manifest = read_manifest(job.folder.evaluation)
        assert manifest.inputs[UNFINISHED] == "judge"
        is_ill = False
        assert evaluate(job).certificate is not None
    manifest = read_manifest(job.folder.evaluation)
    assert UNFINISHED not in manifest.inputs
    assert is_complete(job.folder.evaluation, manifest.inputs)
    assert read_evaluation(job.folder.evaluation).certificate is not None


def test_a_bundled_judge_is_refused(made):
    """It knows dialogues by heart and nothing else; the trouble says what to write."""
    recipe, runs = made
    path = recipe.with_name("bundled.yaml")
    path.write_text(
        recipe.read_text("utf-8") + "\n  judging: {judge: {kind: bundled}}\n", encoding="utf-8"
    )
    evaluation = evaluate(Job(load_recipe(str(path)), runs, Nobody()))
    assert any("kind를 openai나 local로" in trouble.message for trouble in evaluation.troubles)
