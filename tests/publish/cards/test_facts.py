"""What the cards are written from is what stands in the run's files."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from exagirl.artifact import read_manifest
from exagirl.publish.cards.facts import count_parameters, gather_facts
from exagirl.publish.cards.public_recipe import PRIVATE, public_recipe
from support.card_runs import add_gguf, asked_of, copy_run, facts_of, make_run, write_scores


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that no test changes."""
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def job(finished, tmp_path):
    """A copy of it for one test."""
    return copy_run(finished, tmp_path)


def test_quotas_are_counted_a_topic(finished):
    """Ordered by the plan, accepted in the files, refused in the journal."""
    subsets = {subset.name: subset for subset in facts_of(finished).subsets}
    exa = subsets["exa-data"]
    assert sum(topic.ordered for topic in exa.topics) == 8
    assert sum(topic.accepted for topic in exa.topics) == exa.train == 8
    assert all(topic.refused == 0 for topic in exa.topics)


def test_digests_are_those_of_the_manifests(finished):
    """One an artifact, every stage of the adapter by itself."""
    facts = facts_of(finished)
    assert list(facts.digests) == [
        *("dialogues", "dataset", "adapter/general", "adapter/character", "model"),
    ]
    assert facts.digests["model"] == read_manifest(finished.folder.model).digest


def test_stages_bring_their_losses(finished):
    """As the adapter's manifest notes them."""
    stage = facts_of(finished).stages[0]
    assert (stage.steps, stage.train_loss, stage.validation_loss) == (4, 3.25, 3.5)


def test_scores_of_this_model_are_taken(finished):
    """Base and tuned, with their intervals."""
    facts = facts_of(finished)
    assert facts.evaluation.model("tuned").measure("level").value == 0.94
    assert facts.evaluation_note == ""


def test_scores_of_another_model_are_not(job):
    """A model that was merged again was not measured."""
    write_scores(job.folder, "0" * 64)
    facts = facts_of(job)
    assert facts.evaluation is None
    assert "이 모델의 것이 아닙니다" in facts.evaluation_note


@pytest.mark.parametrize("text", ["", "{", '{"run": 1}'])
def test_a_damaged_scores_file_counts_as_none(job, text):
    """The reason is told."""
    (job.folder.evaluation / "scores.json").write_text(text)
    facts = facts_of(job)
    assert facts.evaluation is None
    assert facts.evaluation_note


def test_the_sample_is_the_runs_own_talk(finished):
    """Who speaks, and what people read."""
    sample = facts_of(finished).sample
    assert [turn.is_character for turn in sample] == [False, True]
    assert sample[0].text == "안녕! 뭐 해?"


def test_a_talk_with_another_model_is_no_sample(job):
    """It says nothing of this one."""
    path = job.folder.evaluation / ".sample.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model": "another"}))
    assert facts_of(job).sample == ()


def test_parameters_are_counted_in_the_weights(finished):
    """Without reading the weights themselves."""
    state = load_file(finished.folder.model / "model.safetensors")
    assert facts_of(finished).parameters == sum(tensor.numel() for tensor in state.values())


def test_damaged_weights_have_no_count(tmp_path):
    """Nothing is guessed."""
    (tmp_path / "model.safetensors").write_bytes(b"\x01")
    assert count_parameters(tmp_path) is None


def test_gguf_files_bring_their_comparison(job):
    """The number format in capitals, as the Hub writes it."""
    add_gguf(job, ("tiny-q4_k_m.gguf", "tiny-q8_0.gguf"))
    files = facts_of(job).gguf
    assert [file.quant for file in files] == ["Q4_K_M", "Q8_0"]
    assert files[0].compared["same_tokens"] == 228


def test_a_run_without_a_journal_does_not_say_what_was_refused(job):
    """It is not known, which is not none."""
    for path in job.folder.dialogues.glob("journal.sqlite*"):
        path.unlink()
    facts = facts_of(job)
    assert facts.replies is None
    assert facts.subsets[0].topics[0].refused is None
    assert not (job.folder.dialogues / "journal.sqlite").exists()


def test_a_run_that_only_has_dialogues_has_facts(tmp_path, job):
    """What is not there yet is left out."""
    facts = gather_facts(type(job.folder)(tmp_path / "empty"), asked_of(job), job.character)
    assert (facts.digests, facts.subsets, facts.sample) == ({}, (), ())


def test_a_recipe_loses_places_and_addresses():
    """What was done stays; where, and by which key, does not."""
    recipe = {
        "name": "exa",
        "character": "/home/moa/exa.yaml",
        "teacher": {
            "model": "gpt-4o",
            "base_url": "http://10.0.0.5:8000/v1",
            "api_key_env": "MY_KEY",
            "headers": {"X": "1"},
        },
        "training": {"base": "~/models/EXAONE", "stages": [{"data": "./x/exa-data"}]},
    }
    found = yaml.safe_load(public_recipe(yaml.safe_dump(recipe)))
    assert found == {
        "name": "exa",
        "character": "exa.yaml",
        "teacher": {"model": "gpt-4o"},
        "training": {"base": "EXAONE", "stages": [{"data": "exa-data"}]},
    }


_values = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text("가나a1 /.~", max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "headers", "base", "base_url"]), inner, max_size=4
        ),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["name", "teacher", "query"]), _values, max_size=3))
def test_no_private_key_and_no_absolute_path_survives(recipe):
    """However deep it stands."""

    def look(value):
        if isinstance(value, dict):
            assert not PRIVATE & set(value)
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)
        elif isinstance(value, str):
            assert not value.startswith(("/", "~"))

    look(yaml.safe_load(public_recipe(yaml.safe_dump(recipe, allow_unicode=True))))
