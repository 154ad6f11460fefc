"""Who wrote the dialogues decides who may learn from them."""

import pytest

from exagirl.chatmodel.options import TeacherOptions
from exagirl.publish.cards.licences import Licence
from exagirl.publish.cards.teachers import check_names, terms_of
from exagirl.publish.choice import PublishChoice
from exagirl.publish.faults import PublishError

GEMMA = Licence(key="gemma", kind="gemma", id="gemma", name="Gemma", base_name="gemma-3-270m")
EXAONE = Licence(key="exaone-1.1", kind="exaone", id="other", name="E", base_name="EXAONE-3.5-2.4B")
CHOICE = PublishChoice(repo="moa/exa")


def teacher(model, **changes):
    """A teacher behind an endpoint."""
    return terms_of(TeacherOptions(kind="openai", model=model, **changes))


def test_an_exaone_teaches_only_exaones():
    """A Gemma that learned from one does not leave."""
    terms = teacher("exaone3.5:2.4b", base_url="http://127.0.0.1:11434/v1")
    assert terms.kind == "exaone"
    check_names(EXAONE, CHOICE, (terms,))
    with pytest.raises(PublishError, match="같은 계열의 모델만"):
        check_names(GEMMA, CHOICE, (terms,))


def test_a_model_that_a_llama_taught_is_called_llama():
    """A name is proposed."""
    terms = teacher("meta-llama/Llama-3.3-70B-Instruct", base_url="http://127.0.0.1:8000/v1")
    with pytest.raises(PublishError, match="--repo moa/Llama-exa"):
        check_names(GEMMA, CHOICE, (terms,))
    check_names(GEMMA, PublishChoice(repo="moa/Llama-exa"), (terms,))


def test_openai_does_not_want_to_compete_with_its_own_output():
    """The note says so, and the terms are linked."""
    terms = teacher("gpt-4o")
    assert terms.link.startswith("https://openai.com/")
    assert any("경쟁하는 모델" in note for note in terms.notes_ko)
    check_names(GEMMA, CHOICE, (terms,))


def test_another_endpoint_is_not_taken_for_openai():
    """Its terms are not known, and that is said."""
    terms = teacher("some-model", base_url="https://openai.com.example.org/v1")
    assert terms.hub_name == "terms-of-the-teacher"


def test_the_bundled_dialogues_are_free_with_attribution():
    """CC BY 4.0, as their own page says."""
    assert terms_of(TeacherOptions(kind="bundled")).id == "cc-by-4.0"


def test_the_folder_of_a_local_teacher_stays_private():
    """Only the last part of its path is told."""
    terms = terms_of(TeacherOptions(kind="local", model="/home/moa/models/my-teacher"))
    assert "/home" not in terms.model_dump_json()
    assert terms.teacher == "my-teacher"
