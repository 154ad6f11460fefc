"""A base's licence is recognised however the base is named, and what it asks for is asked."""

import json
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.publish.cards.licences import hub_base, licence_ids, licence_of, propose_repo
from exagirl.publish.cards.teachers import check_names
from exagirl.publish.choice import PublishChoice
from exagirl.publish.faults import PublishError
from support.merged_models import save_exaone_kind, save_gemma_kind, save_qwen_kind

EXAONE = "LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct"


def folder(path, config=None, **papers):
    """A model folder as far as licences look at it."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config or {"model_type": "llama"}))
    for name, text in papers.items():
        (path / name).write_text(text)
    return path


def test_an_exaone_may_not_bear_another_name(tmp_path):
    """`moa/exa-2.4b` is refused with the reason and a name that will do."""
    licence = licence_of(EXAONE, folder(tmp_path / "model", LICENSE="…"))
    with pytest.raises(PublishError, match="“EXAONE”로 시작해야") as refused:
        check_names(licence, PublishChoice(repo="moa/exa-2.4b"))
    assert "--repo moa/EXAONE-3.5-2.4B-exa-2.4b" in str(refused.value)


def test_a_name_that_begins_with_exaone_is_fine(tmp_path):
    """In capitals, as the agreement writes it."""
    licence = licence_of(EXAONE, folder(tmp_path / "model", LICENSE="…"))
    check_names(licence, PublishChoice(repo="moa/EXAONE-3.5-2.4B-exa"))
    with pytest.raises(PublishError, match="moa/EXAONE-3.5-2.4B-exa"):
        check_names(licence, PublishChoice(repo="moa/exaone-exa"))


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._]{0,86}[A-Za-z0-9]", fullmatch=True))
def test_a_proposed_name_is_always_one_that_passes(name):
    """It is a repository's name, begins with the prefix, and is not too long."""
    if ".." in name:
        name = name.replace(".", "_")
    choice = PublishChoice(repo=f"moa/{name}")
    proposed = PublishChoice(repo=propose_repo(choice, "EXAONE", "EXAONE-3.5-2.4B"))
    assert proposed.name.startswith("EXAONE")


@pytest.mark.parametrize(
    ("config", "papers"),
    [
        ({"model_type": "exaone"}, {"LICENSE": "…"}),
        ({"_name_or_path": EXAONE, "model_type": "llama"}, {"LICENSE": "…"}),
        ({"model_type": "llama"}, {"LICENSE": "EXAONE AI Model License Agreement 1.1 - NC"}),
    ],
    ids=["architecture", "name in config.json", "licence text"],
)
def test_exaone_in_a_folder_of_another_name_is_known(tmp_path, config, papers):
    """A path says nothing; its configuration, or its licence, does."""
    base = folder(tmp_path / "my-model", config, **papers)
    licence = licence_of(str(base), tmp_path / "nothing")
    assert (licence.kind, licence.name_prefix) == ("exaone", "EXAONE")


def test_exaone_that_was_merged_as_a_llama_is_known_by_its_turn_marks(tmp_path):
    """Architecture and path say Llama; the vocabulary does not."""
    model = save_exaone_kind(tmp_path / "model")
    (model / "LICENSE").write_text("…")
    licence = licence_of(str(tmp_path / "gone"), model)
    assert licence.key == "exaone-1.1"


def test_a_qwen_is_not_taken_for_an_exaone(tmp_path):
    """Its marks are others, and its name says Apache."""
    licence = licence_of("Qwen/Qwen3-0.6B", save_qwen_kind(tmp_path / "model"))
    assert (licence.id, licence.name_prefix) == ("apache-2.0", "")


def test_without_the_agreement_an_exaone_does_not_leave(tmp_path):
    """The message says where the text is."""
    with pytest.raises(PublishError, match="EXAONE-3.5-2.4B-Instruct/blob/main/LICENSE"):
        licence_of(EXAONE, folder(tmp_path / "model"))


def test_the_agreement_beside_a_base_in_a_folder_goes_along(tmp_path):
    """The merged model need not have it, where the base does."""
    base = folder(tmp_path / "EXAONE-3.5", {"model_type": "exaone"}, LICENSE="the agreement")
    licence = licence_of(str(base), folder(tmp_path / "model"))
    assert [(file.name, file.source) for file in licence.files] == [("LICENSE", base / "LICENSE")]


def test_gemma_goes_with_the_notice_that_its_terms_ask_for(tmp_path):
    """Word for word, beside the copy of the terms; it says that files were modified."""
    model = save_gemma_kind(tmp_path / "model")
    (model / "GEMMA_TERMS.html").write_text("<html>")
    licence = licence_of("gemma3-270m", model)
    notice = next(file.text for file in licence.files if file.name == "NOTICE")
    assert (
        "Gemma is provided under and subject to the Gemma Terms of Use found at "
        "ai.google.dev/gemma/terms\n"
    ) in notice
    assert "Modified files" in notice
    assert "GEMMA_TERMS.html" in [file.name for file in licence.files]


def test_a_notice_that_was_there_stays(tmp_path):
    """Ours comes before it."""
    model = save_gemma_kind(tmp_path / "model")
    (model / "TERMS.txt").write_text("terms")
    (model / "NOTICE").write_text("Somebody else changed this too.")
    licence = licence_of("gemma3-270m", model)
    (notice,) = [file.text for file in licence.files if file.name == "NOTICE"]
    assert notice.startswith("Gemma is provided under")
    assert notice.endswith("Somebody else changed this too.")


def test_a_notice_is_no_copy_of_gemmas_terms(tmp_path):
    """Without the terms themselves nothing leaves."""
    model = folder(tmp_path / "model", {"model_type": "gemma3_text"}, **{"NOTICE.md": "…"})
    with pytest.raises(PublishError, match="Gemma Terms of Use의 사본"):
        licence_of(str(tmp_path / "somewhere"), model)


@pytest.mark.parametrize(
    ("base", "key"),
    [
        ("google/gemma-3-1b-it", "gemma"),
        ("google/gemma-2b", "gemma"),
        ("google/gemma-3n-E2B-it", "gemma"),
        ("google/gemma-4-4b", "apache-2.0"),
        ("meta-llama/Llama-3.2-1B-Instruct", "llama3.2"),
        ("meta-llama/Meta-Llama-3-8B", "llama3"),
        ("LGAI-EXAONE/EXAONE-4.0-1.2B", "exaone-1.2"),
        ("LGAI-EXAONE/EXAONE-Deep-2.4B", "exaone-1.1"),
        ("Qwen/Qwen2.5-3B-Instruct", "qwen-research"),
        ("Qwen/Qwen2.5-7B-Instruct", "apache-2.0"),
    ],
)
def test_known_families_are_told_apart_by_name(base, key, tmp_path):
    """Versions of one family may stand under different terms."""
    assert licence_of(base, folder(tmp_path / "model", LICENSE="…")).key == key


@pytest.mark.parametrize(
    ("base", "prefix", "words"),
    [
        ("meta-llama/Llama-3.2-1B", "Llama", "Built with Llama"),
        ("meta-llama/Meta-Llama-3-8B", "Llama-3", "Built with Meta Llama 3"),
    ],
)
def test_a_llama_says_what_it_was_built_with(base, prefix, words, tmp_path):
    """Its name begins so, and a notice goes along."""
    licence = licence_of(base, folder(tmp_path / "model", LICENSE="…"))
    assert (licence.name_prefix, licence.built_with) == (prefix, words)
    notice = next(file.text for file in licence.files if file.name == "NOTICE")
    assert "Copyright © Meta Platforms, Inc. All Rights Reserved." in notice


@pytest.mark.parametrize("base", ["somebody/unheard-of-7B", "LGAI-EXAONE/K-EXAONE-236B-A23B"])
def test_a_base_that_is_not_known_waits_for_an_answer(base, tmp_path):
    """The message lists what `--licence` takes."""
    with pytest.raises(PublishError, match="--licence에 적으세요: exaone-1.1, .*, other"):
        licence_of(base, folder(tmp_path / "model"))


@pytest.mark.parametrize("chosen", ["mit", "apache-2.0", "cc-by-nc-4.0"])
def test_a_chosen_licence_is_taken_where_none_is_known(chosen, tmp_path):
    """By its name on the Hub."""
    assert licence_of("somebody/x", folder(tmp_path / "model"), chosen).id == chosen


def test_an_apache_text_beside_the_model_is_read(tmp_path):
    """A base that nobody knows says itself what it is under."""
    text = (resources.files("exagirl.publish").parent.parent.parent / "LICENSE").read_text("utf-8")
    assert licence_of("somebody/x", folder(tmp_path / "model", LICENSE=text)).id == "apache-2.0"


def test_a_mit_text_among_others_frees_nothing(tmp_path):
    """What stands within another file is somebody else's."""
    model = folder(tmp_path / "model", LICENSE="Our terms.\nThird parties: MIT License …")
    with pytest.raises(PublishError, match="라이선스를 알 수 없어"):
        licence_of("somebody/x", model)


def test_what_is_known_cannot_be_talked_away(tmp_path):
    """`--licence mit` makes no free model of an EXAONE."""
    model = folder(tmp_path / "model", LICENSE="…")
    with pytest.raises(PublishError, match="--licence를 빼고"):
        licence_of(EXAONE, model, "mit")


def test_an_apache_file_does_not_free_an_exaone(tmp_path):
    """Where signs disagree, those that ask for more hold."""
    model = save_exaone_kind(tmp_path / "model")
    (model / "LICENSE").write_text("Apache License\nVersion 2.0")
    assert licence_of("somebody/x", model).kind == "exaone"


def test_another_licence_needs_its_text(tmp_path):
    """`other` follows the file, and teaches no one else."""
    with pytest.raises(PublishError, match="LICENSE라는 이름으로"):
        licence_of("somebody/x", folder(tmp_path / "a"), "other")
    licence = licence_of("somebody/x", folder(tmp_path / "b", LICENSE="Ours."), "other")
    assert (licence.id, licence.link, licence.may_train_others) == ("other", "LICENSE", False)


def test_a_licence_that_does_not_exist_is_refused(tmp_path):
    """With those that do."""
    with pytest.raises(PublishError, match=", ".join(licence_ids())):
        licence_of("somebody/x", folder(tmp_path / "model"), "free")


@pytest.mark.parametrize(
    ("base", "name"),
    [("gemma3-270m", "google/gemma-3-270m"), (EXAONE, EXAONE), ("/data/models/exa", "")],
)
def test_a_base_is_called_as_the_hub_calls_it(base, name):
    """A folder has no name there."""
    assert hub_base(base) == name
