"""The whole evaluation: any number of models, one at a time, resumed, judged, written last."""

import json

import pytest

from exagirl.artifact import read_manifest
from exagirl.chatmodel.local import LocalModel
from exagirl.errors import ArtifactError, ModelError
from exagirl.evaluation.evaluate import (
    Candidate,
    Hooks,
    Place,
    measure_models,
    read_evaluation,
    read_replies,
)
from exagirl.evaluation.scores import EvaluationPart, Measure, Trouble
from exagirl.progress import Nobody
from support.speakers import EXA, FEW, Mute, Parrot, Reading, subject
from support.tiny_chat import chat_tokenizer
from support.tiny_models import tiny_of


def candidate(model, digest="d"):
    """A candidate that is loaded already."""
    return Candidate(label=digest, digest=digest, load=lambda: model)


def evaluate(path, about=None, hooks=None, inputs=None, **models):
    """The evaluation of models by name."""
    return measure_models(
        {name: candidate(model, name) for name, model in models.items()},
        about or subject(),
        Place(path / "evaluation", path / ".evaluation" / "answers.sqlite", inputs or {}),
        watcher=Nobody(),
        hooks=hooks,
    )


def test_every_model_is_compared_with_the_base(tmp_path):
    """Three models, two sets of changes; all have the same measures."""
    found = evaluate(tmp_path, tuned=Reading(1.0), base=Reading(2.0), other=Reading(1.5))
    assert [one.name for one in found.models] == ["tuned", "base", "other"]
    assert {(one.of, one.against) for one in found.changes} == {
        ("tuned", "base"),
        ("other", "base"),
    }
    bits = {one.of: one for one in found.changes if one.name == "bits_per_character"}
    assert bits["tuned"].verdict == "better"
    assert bits["tuned"].difference < bits["other"].difference < 0


def test_what_is_written_reads_back(tmp_path):
    """scores.json, replies.jsonl, and the manifest that seals them."""
    found = evaluate(tmp_path, base=Reading(), tuned=Reading())
    folder = tmp_path / "evaluation"
    assert read_evaluation(folder) == found
    replies = read_replies(folder)
    assert len(replies) == sum(one.replies for one in found.models)
    assert {one.model for one in replies} == {"base", "tuned"}
    assert set(read_manifest(folder).files) == {"scores.json", "replies.jsonl"}


def test_the_same_inputs_are_measured_once(tmp_path):
    """A second call reads the first one's file, and loads nothing."""
    found = evaluate(tmp_path, base=Reading())

    def load():
        raise AssertionError("loaded")

    again = measure_models(
        {"base": Candidate(label="base", digest="base", load=load)},
        subject(),
        Place(tmp_path / "evaluation", tmp_path / ".evaluation" / "answers.sqlite", {}),
        watcher=Nobody(),
    )
    assert again == found


@pytest.mark.parametrize("inputs", [{"dataset": "another"}, {"judge": "another"}])
def test_other_inputs_are_measured_anew_without_asking(tmp_path, inputs):
    """The answers are still good; only what is made of them is made again."""
    evaluate(tmp_path, base=Reading())
    model = Reading()
    evaluate(tmp_path, base=model, inputs=inputs)
    assert (model.batches, model.read) == ([], [])
    assert read_manifest(tmp_path / "evaluation").inputs.items() >= inputs.items()


def test_a_killed_evaluation_goes_on(tmp_path):
    """No artifact stands before it is whole, and no answer is asked for twice."""
    dying = Parrot(dies_after=2)
    with pytest.raises(KeyboardInterrupt):
        evaluate(tmp_path, base=dying)
    assert read_manifest(tmp_path / "evaluation") is None
    heir = Parrot()
    found = evaluate(tmp_path, base=heir)
    assert len(dying.asked) + len(heir.asked) == found.models[0].replies


def test_one_model_is_in_memory_at_a_time(tmp_path):
    """The first has gone before the second is loaded."""
    alive, seen = [], []

    class Weighty(Reading):
        def __init__(self):
            super().__init__()
            alive.append(self)
            seen.append(len(alive))

        def __del__(self):
            seen.append("gone")

    def load():
        model = Weighty()
        alive.clear()
        return model

    models = {n: Candidate(label=n, digest=n, load=load) for n in ("base", "tuned")}
    place = Place(tmp_path / "evaluation", tmp_path / "answers.sqlite", {})
    measure_models(models, subject(), place, watcher=Nobody())
    assert seen == [1, "gone", 1, "gone"]


def test_a_model_that_cannot_be_loaded_stops_it(tmp_path):
    """Its own message is told; what the others answered is kept."""

    def load():
        raise ModelError("모델이 없습니다.")

    models = {
        "base": candidate(Reading(), "base"),
        "tuned": Candidate(label="t", digest="t", load=load),
    }
    place = Place(tmp_path / "evaluation", tmp_path / ".evaluation" / "answers.sqlite", {})
    with pytest.raises(ModelError, match="모델이 없습니다"):
        measure_models(models, subject(), place, watcher=Nobody())
    model = Reading()
    evaluate(tmp_path, base=model)
    assert model.batches == []


def test_judges_and_reports_take_part(tmp_path):
    """A judge sees all replies; a report is written before the seal."""
    seen = []
    warmth = Measure(
        name="interview.warmth", layer="interview", unit="points", better="higher", value=4.0
    )

    def judge(replies):
        seen.extend(replies)
        return EvaluationPart(
            measures={"tuned": (warmth,)},
            troubles=(Trouble(part="interview", message="절반만 했습니다."),),
            repeat={"judge": "심판"},
        )

    def report(evaluation, _part, folder):
        (folder / "report.html").write_text(evaluation.run, encoding="utf-8")

    hooks = Hooks(judge=judge, report=report)
    found = evaluate(tmp_path, hooks=hooks, base=Reading(), tuned=Reading())
    assert len(seen) == sum(one.replies for one in found.models)
    assert found.model("tuned").measure("interview.warmth") == warmth
    assert found.repeat["judge"] == "심판"
    assert "절반만 했습니다." in [one.message for one in found.troubles]
    change = next(one for one in found.changes if one.name == "interview.warmth")
    assert change.verdict == "unknown"
    assert "report.html" in read_manifest(tmp_path / "evaluation").files


def test_a_run_without_held_out_dialogues_says_so(tmp_path):
    """Everything else is measured."""
    found = evaluate(tmp_path, subject(conversations=[]), base=Reading())
    [trouble] = [one for one in found.troubles if one.part == "heldout"]
    assert "검증 대화" in trouble.message
    assert found.models[0].measure("bits_per_character").value is None
    assert found.models[0].measure("level").value is not None


def test_a_character_without_facts_says_so(tmp_path):
    """The measure stands there with the reason."""
    bare = EXA.model_copy(update={"facts": ()})
    found = evaluate(tmp_path, subject(character=bare), base=Reading())
    assert "facts" in [one.part for one in found.troubles]
    assert found.models[0].measure("fact_recall").value is None
    assert found.models[0].measure("fact_recall").note


def test_a_model_without_likelihoods_is_measured_in_all_else(tmp_path):
    """An endpoint replies, but tells no likelihood."""
    found = evaluate(tmp_path, base=Parrot())
    assert found.models[0].measure("bits_per_character").value is None
    assert "likelihood" in [one.part.split(".")[0] for one in found.troubles]
    assert found.models[0].measure("level").value is not None


def test_empty_replies_are_counted_and_told(tmp_path):
    """A model that says nothing has every reply empty, and a whole evaluation."""
    found = evaluate(tmp_path, base=Mute())
    assert found.models[0].empty_replies == found.models[0].replies > 0
    [trouble] = [one for one in found.troubles if one.part == "replies.base"]
    assert str(found.models[0].replies) in trouble.message


def test_nothing_to_ask_is_an_evaluation_too(tmp_path):
    """No dialogue, no probe, no fact, no text: every measure without a value."""
    nothing = {"replies": 0, "probes": 0, "facts": 0, "drifts": 0, "plain_texts": 0}
    about = subject(conversations=[], options=FEW.model_copy(update=nothing))
    found = evaluate(tmp_path, about, base=Reading())
    assert {one.value for one in found.models[0].measures} == {None}
    assert all(one.note for one in found.models[0].measures)


def test_quotes_are_the_worst_and_the_best(tmp_path):
    """A worst one has findings, a best one none."""

    class Moody(Parrot):
        def say(self, messages, seed):
            return "네, 알겠습니다. 무엇을 도와드릴까요?" if seed % 2 else "*웃으며* 응, 나도 좋아!"

    quotes = evaluate(tmp_path, base=Moody()).quotes
    assert {one.why for one in quotes} == {"worst", "best"}
    for quote in quotes:
        assert bool(quote.reply.findings) == (quote.why == "worst")
        assert (quote.score < 0) == (quote.why == "worst")


def test_it_says_how_to_do_it_again(tmp_path):
    """Seed, digests, options, sampling, system prompt, questions, cards, versions."""
    about = subject()
    repeat = evaluate(tmp_path, about, inputs={"dataset": "h"}, base=Reading()).repeat
    assert repeat["seed"] == about.seed
    assert repeat["models"] == {"base": "base"}
    assert repeat["inputs"]["dataset"] == "h"
    assert repeat["options"] == json.loads(about.options.model_dump_json())
    assert repeat["system_prompt"] == about.system
    assert repeat["sampling"]["max_new_tokens"] == about.options.max_new_tokens
    assert len(repeat["swapped_cards"]) == 3
    assert "exagirl" in repeat["versions"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"models": {"base": {}}}'])
def test_a_file_of_another_form_is_refused(tmp_path, text):
    """The message says to measure again; nothing is read into it."""
    (tmp_path / "scores.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match="exagirl evaluate"):
        read_evaluation(tmp_path)


def test_a_file_of_a_later_form_is_refused(tmp_path):
    """Its number is told."""
    found = evaluate(tmp_path, base=Reading())
    later = found.model_copy(update={"format": 99})
    path = tmp_path / "evaluation" / "scores.json"
    path.write_text(later.model_dump_json(), encoding="utf-8")
    with pytest.raises(ArtifactError, match="99"):
        read_evaluation(path.parent)


def test_no_evaluation_at_all_is_told(tmp_path):
    """And how to make one."""
    with pytest.raises(ArtifactError, match="잰 결과가 없습니다"):
        read_evaluation(tmp_path)
    with pytest.raises(ArtifactError, match="받은 답을 읽을 수 없습니다"):
        read_replies(tmp_path)


def test_a_real_model_goes_the_whole_way(tmp_path):
    """Random weights reply and read; two evaluations in two places are the same."""

    def local():
        return LocalModel(tiny_of("llama"), chat_tokenizer(tmp_path))

    one = evaluate(tmp_path / "one", base=local())
    other = evaluate(tmp_path / "other", base=local())
    assert one == other
    assert one.models[0].measure("bits_per_character").value > 0
