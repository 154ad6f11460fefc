"""What a data set's page says, and what `datasets` finds through it."""

import shutil
import sqlite3

import pytest
from datasets import load_dataset
from huggingface_hub import DatasetCard

from exagirl.chatmodel.options import TeacherOptions
from exagirl.publish.cards.dataset_card import dataset_card
from exagirl.publish.cards.teachers import teachers_of
from exagirl.publish.faults import PublishError
from support.card_runs import CHOICE, copy_run, facts_of, make_run


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A finished run."""
    return make_run(tmp_path_factory.mktemp("run"))


def card(job, **changes):
    """The page, of facts that a test may change."""
    facts = facts_of(job).model_copy(update=changes)
    return dataset_card(facts, teachers_of(facts.asked), CHOICE)


def taught_by(job, **teacher):
    """The page of a run with another teacher."""
    asked = facts_of(job).asked.model_copy(update={"teacher": TeacherOptions(**teacher)})
    return card(job, asked=asked)


def test_the_hub_reads_the_front_matter(job):
    """Language, licence, size, and one config a subset."""
    data = DatasetCard(card(job)).data
    assert (data.language, data.license, data.size_categories) == (["ko"], "cc-by-4.0", ["n<1K"])
    assert data.task_categories == ["text-generation"]
    assert "엑사" in data.pretty_name
    assert [one["config_name"] for one in data.configs] == ["gf-persona-data", "exa-data"]


def test_datasets_finds_every_config_through_the_card(job, tmp_path):
    """Both splits, with the columns that the page tells of."""
    folder = tmp_path / "data"
    shutil.copytree(job.folder.dataset, folder)
    (folder / "README.md").write_text(card(job), "utf-8")
    for subset in facts_of(job).subsets:
        found = load_dataset(str(folder), subset.name, cache_dir=str(tmp_path / "cache"))
        sizes = {split: len(rows) for split, rows in found.items()}
        assert sizes == {"train": subset.train, "validation": subset.validation}
        told = [line.split("`")[1] for line in card(job).splitlines() if line.startswith("| `")]
        assert set(found["train"].column_names) <= set(told)


def test_quotas_are_told_a_topic(job):
    """Ordered, accepted, refused."""
    topic = facts_of(job).subsets[1].topics[0]
    line = f"| {topic.name} | {topic.ordered} | {topic.accepted} | {topic.refused} |"
    assert line in card(job)


def test_refusals_are_told_with_their_reasons(job, tmp_path):
    """As the journal counted them, commonest first."""
    copy = copy_run(job, tmp_path)
    refused = [("speech.level", "반말이 아닙니다.")] * 3 + [("text.empty", "비었습니다.")]
    with sqlite3.connect(copy.folder.dialogues / "journal.sqlite") as journal:
        journal.executemany(
            "INSERT INTO attempts (slot, request, raw, finish_reason, prompt_tokens,"
            " completion_tokens, latency_s, verdict, message)"
            " VALUES ('exa-data/daily/0000', 'r', 'x', 'stop', 1, 1, 0.1, ?, ?)",
            refused,
        )
    journal.close()
    text = card(copy)
    assert "| `speech.level` | 3 | 반말이 아닙니다. |" in text
    assert text.index("speech.level") < text.index("text.empty")
    assert "4 were refused" in text


def test_without_a_journal_no_refusals_are_told(job):
    """It is said that they are not known."""
    text = card(job, replies=None, refused=())
    assert "몇 편을 버렸는지 알 수 없습니다" in text


def test_held_out_dialogues_that_ship_are_not_to_be_trained_on(job, tmp_path):
    """A validation split of our own is told as what it is."""
    assert "이 대화로는 가르치지 말아 주세요" in card(job)
    subsets = tuple(
        one.model_copy(update={"is_validation_shipped": False}) for one in facts_of(job).subsets
    )
    assert "이 대화로는 가르치지 말아 주세요" not in card(job, subsets=subsets)


def test_dialogues_of_openai_bear_its_terms(job):
    """In the front matter and in words."""
    text = taught_by(job, kind="openai", model="gpt-4o")
    data = DatasetCard(text).data
    assert (data.license, data.license_name) == ("other", "openai-terms-of-use")
    assert "경쟁하는 모델" in text
    assert "gpt-4o 모델이" in text


def test_dialogues_of_an_exaone_teach_exaones_only(job):
    """By its agreement."""
    text = taught_by(job, kind="local", model="LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct")
    assert DatasetCard(text).data.license_name == "exaone"
    assert "EXAONE과 그 파생 모델을 가르치는 데만" in text


def test_a_run_without_a_dataset_has_no_page(job):
    """With what makes one."""
    with pytest.raises(PublishError, match="exagirl train"):
        card(job, subsets=())
