"""What a model's page says: true, whole, readable by the Hub, and safe to render."""

import json
import re

import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from exagirl.persona.parts import Line
from exagirl.publish.cards.card import acted, counted, fenced, plain
from exagirl.publish.cards.model_card import model_card
from exagirl.publish.cards.score_lines import score_rows, unmeasured, weaknesses
from exagirl.publish.choice import PublishChoice
from exagirl.publish.faults import PublishError
from support.card_runs import (
    CHOICE,
    EXAONE,
    add_gguf,
    copy_run,
    facts_of,
    licence_for,
    make_run,
    write_scores,
)
from support.evaluations import evaluation

HTML = MarkdownIt("gfm-like", {"linkify": False})


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A finished run with a GGUF export."""
    job = make_run(tmp_path_factory.mktemp("run"))
    add_gguf(job, ("tiny-q4_k_m.gguf", "tiny-q8_0.gguf"))
    return job


def card(job, part="model", choice=CHOICE, **changes):
    """The page, of facts that a test may change."""
    return model_card(facts_of(job).model_copy(update=changes), licence_for(job), choice, part)


@pytest.mark.parametrize(
    ("part", "library", "base", "relation"),
    [
        ("model", "transformers", EXAONE, "finetune"),
        ("adapter", "peft", EXAONE, "adapter"),
        ("gguf", "gguf", CHOICE.repo, "quantized"),
    ],
)
def test_the_hub_reads_the_front_matter(job, part, library, base, relation):
    """What it is, what it came from, and under what."""
    data = ModelCard(card(job, part)).data
    assert data.language == ["ko"]
    assert (data.library_name, data.pipeline_tag) == (library, "text-generation")
    assert (data.base_model, data.base_model_relation) == (base, relation)
    assert (data.license, data.license_name) == ("other", "exaone")
    assert data.license_link.endswith("EXAONE-3.5-2.4B-Instruct/blob/main/LICENSE")
    assert data.datasets == [CHOICE.repo_of("dataset")]


def test_files_without_their_model_come_from_the_base(job):
    """GGUF alone names no repository that does not go along."""
    choice = PublishChoice(repo=CHOICE.repo, parts=("gguf",))
    data = ModelCard(card(job, "gguf", choice)).data
    assert data.base_model == EXAONE
    assert data.datasets is None


@pytest.mark.parametrize("part", ["model", "adapter", "gguf"])
def test_only_what_goes_along_is_linked(job, part):
    """No repository is promised that nobody made."""
    text = card(job, part, PublishChoice(repo=CHOICE.repo, parts=(part,)))
    others = {"adapter", "gguf", "dataset", "space"} - {part}
    assert not [other for other in others if f"co/{CHOICE.repo_of(other)}" in text]
    assert "spaces/" not in text
    assert "datasets/" not in text


def test_every_number_of_the_table_is_in_the_scores_file(job):
    """With its interval; nothing is made up."""
    facts = facts_of(job)
    text = card(job)
    for row in score_rows(facts.evaluation):
        assert row.tuned.replace("~", r"\~") in text
    level = facts.evaluation.model("tuned").measure("level")
    shown = f"{level.value:.0%} ({level.low:.0%}".removesuffix("%")
    assert shown in text.replace("\\", "")


def test_six_to_ten_measures_are_shown_of_all(job):
    """The rest is linked."""
    assert 6 <= len(score_rows(facts_of(job).evaluation)) <= 10
    assert "[scores.json](evaluation/scores.json)" in card(job)


def test_what_was_not_measured_is_said_with_the_reason():
    """A gap is not a zero."""
    assert unmeasured(evaluation()) == [("답끼리 닮음", "답이 열 개보다 적어 재지 않았습니다.")]


def test_a_run_without_scores_says_so(job, tmp_path):
    """And shows no number."""
    copy = copy_run(job, tmp_path)
    (copy.folder.evaluation / "scores.json").unlink()
    text = card(copy)
    section = text.partition("## 점수")[2].partition("## ")[0]
    assert "아직 재지 않았습니다." in section
    assert not re.search(r"\d%", section)
    assert "model-index" not in text


def test_limits_tell_what_got_worse_and_what_is_low():
    """Worse by its interval, or a share that is small."""
    scores = evaluation()
    base, tuned = scores.models
    measures = tuple(
        one.model_copy(update={"value": 0.2}) if one.name == "fact_recall" else one
        for one in tuned.measures
    )
    low = scores.model_copy(
        update={"models": (base, tuned.model_copy(update={"measures": measures}))}
    )
    found = {weak.ko: weak.is_worse for weak in weaknesses(low)}
    assert found["도움이 됨"] is True
    assert found["사실 기억"] is False
    assert "말투" not in found
    assert "사실 기억" not in {weak.ko for weak in weaknesses(scores)}


def test_a_judge_that_failed_its_test_is_not_to_be_trusted(job, tmp_path):
    """The page says so beside its points."""
    copy = copy_run(job, tmp_path)
    digest = facts_of(job).digests["model"]
    write_scores(copy.folder, digest, trusted=False)
    assert "심사 모델의 점수는 믿지 마세요" in card(copy)


def test_results_for_the_hub_are_those_of_the_held_out_dialogues(job):
    """Only the likelihood was measured on that data set alone."""
    (result, *others) = ModelCard(card(job)).data.eval_results
    assert result.dataset_type == CHOICE.repo_of("dataset")
    assert (result.metric_type, result.metric_value) == ("bits_per_character", 2.18)
    assert [one.metric_type for one in others] == ["persona_gain"]


def test_the_worst_reply_is_shown_too(job):
    """Good lines alone would mislead."""
    assert "힘내세요" in card(job)


def test_an_actor_who_denies_being_an_ai_is_told_of(job):
    """Who uses it should know."""
    character = facts_of(job).character.model_copy(update={"is_ai": False})
    assert "AI라고 꼭 알려 주세요" in card(job, character=character)
    assert "AI라고 꼭 알려 주세요" not in card(job)


def test_the_licences_demands_stand_on_the_page(job):
    """In Korean and English, with the files that go along, and no promise of legal advice."""
    text = card(job)
    assert "“EXAONE”으로 시작해야 합니다" in text
    assert "*Non-commercial, for research" in text
    assert "[LICENSE](LICENSE)" in text
    assert "법률 자문이 아닙니다" in text


def test_the_quickstarts_base_is_named_as_it_was(job):
    """Google's model on the Hub, but from four bits."""
    facts = facts_of(job)
    training = facts.asked.training.model_copy(update={"base": "gemma3-270m"})
    asked = facts.asked.model_copy(update={"training": training})
    text = card(job, asked=asked, hub_base="google/gemma-3-270m")
    assert "[google/gemma-3-270m](https://huggingface.co/google/gemma-3-270m)" in text
    assert "Q4_K_M" in text


def test_a_base_in_a_folder_has_no_name(job):
    """Neither in the front matter nor in code."""
    text = card(job, "adapter", hub_base="")
    assert ModelCard(text).data.base_model is None
    assert "```python" not in text


def test_no_place_of_this_machine_is_told(job):
    """Not in any part."""
    for part in ("model", "adapter", "gguf"):
        assert str(job.folder.root.parent.parent) not in card(job, part)


def test_a_page_for_files_that_are_not_there_is_refused(job, tmp_path):
    """With what makes them."""
    with pytest.raises(PublishError, match="--to gguf"):
        card(job, "gguf", gguf=())


def test_the_finest_reasonable_file_is_shown_first(job):
    """Eight bits before four."""
    assert f"llama-server -hf {CHOICE.repo_of('gguf')}:Q8_0" in card(job, "gguf")


def test_ollamas_files_are_told_of_where_they_are(job):
    """Else nobody looks for them."""
    facts, licence = facts_of(job), licence_for(job)
    assert "`params`" in model_card(facts, licence, CHOICE, "gguf", files=("template",))
    assert "`params`" not in model_card(facts, licence, CHOICE, "gguf")


def test_a_hostile_character_stays_text(job):
    """Markdown, HTML and front matter in a card's own words change nothing."""
    character = facts_of(job).character
    evil = "</details><script>alert(1)</script> | [여기](http://x) `code` *굵게* ~~취소~~"
    changed = character.model_copy(
        update={
            "name": "악당\n---\nlicense: mit",
            "description": evil,
            "slogan": "```\n" + evil,
            "greetings": (evil,),
            "examples": ((Line(role="user", content=evil),),),
        }
    )
    text = card(job, character=changed)
    assert ModelCard(text).data.license == "other"
    html = HTML.render(text.partition("\n---\n")[2])
    assert "<script>" not in html
    assert "http://x" not in re.findall(r'href="([^"]*)"', html)


@pytest.mark.parametrize("part", ["model", "adapter", "gguf"])
def test_every_table_has_as_many_cells_as_its_head(job, part):
    """So that no line falls out of it."""
    rows = [
        [line.count("|") - line.count("\\|") for line in group.splitlines()]
        for group in re.findall(r"(?:^\|.*\|$\n?)+", card(job, part), re.MULTILINE)
    ]
    assert rows
    assert all(len(set(group)) == 1 for group in rows)


@given(st.text("가*_~`[]<>&|#!- a1\n", max_size=40))
def test_plain_text_is_read_back_as_it_was(text):
    """Markdown shows the words that were put in, blanks apart."""
    tokens = HTML.parse(f"가 {plain(text)} 나")
    inline = next(token for token in tokens if token.type == "inline")
    assert {child.type for child in inline.children} <= {"text", "text_special"}
    shown = "".join(child.content for child in inline.children)
    assert shown.split() == f"가 {text} 나".split()


def test_actions_are_emphasised_whatever_follows():
    """CommonMark alone would leave the asterisks of this one."""
    assert acted("*고개를 끄덕인다.*응~") == "<em>고개를 끄덕인다.</em>응\\~"


@pytest.mark.parametrize(
    ("number", "words"),
    [(268_098_176, "2억 6,810만"), (2_405_327_360, "24억 533만"), (100_000_000, "1억"), (42, "42")],
)
def test_large_numbers_are_said_in_korean(number, words):
    """In 억 and 만."""
    assert counted(number) == words


def test_a_block_is_not_ended_by_what_it_holds():
    """A recipe may hold backticks."""
    assert fenced("a: ```", "yaml") == "````yaml\na: ```\n````"


def test_the_recipe_on_the_page_reads_back(job):
    """As YAML, in its block."""
    import yaml

    (recipe,) = re.findall(r"```yaml\n(.*?)```", card(job), re.DOTALL)
    assert yaml.safe_load(recipe)["name"] == "tiny"
    assert json.dumps(yaml.safe_load(recipe)).count("/") == 1  # the base's name on the Hub
