"""What the teacher's terms say of the dialogues that it wrote, and of models that learn them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from exagirl.chatmodel.options import TeacherOptions
from exagirl.publish.cards.facts import AskedRun
from exagirl.publish.cards.licences import Licence, Outputs, check_prefix, terms_named
from exagirl.publish.choice import PublishChoice
from exagirl.publish.faults import PublishError
from exagirl.record import Record

OPENAI = "https://openai.com/policies/terms-of-use/"
CORPUS = "https://creativecommons.org/licenses/by/4.0/"


class TeacherTerms(Record):
    """Under what the dialogues of one teacher stand."""

    teacher: str
    """What people call the teacher."""
    is_bundled: bool = False
    """The dialogues that ship, written beforehand."""
    kind: str = ""
    """The family of its licence, where that is known."""
    id: str
    """The Hub's ``license`` for a data set of its dialogues."""
    hub_name: str = ""
    link: str = ""
    name: str
    outputs: Outputs = "any"
    name_prefix: str = ""
    notes_ko: tuple[str, ...]
    notes_en: tuple[str, ...]


def teachers_of(asked: AskedRun) -> tuple[TeacherTerms, ...]:
    """The terms of every model that wrote lines of a run's dialogues."""
    teachers = [terms_of(asked.teacher)]
    if asked.generation.mode == "simulation" and asked.generation.user_teacher:
        teachers.append(terms_of(asked.generation.user_teacher))
    return tuple({terms.teacher: terms for terms in teachers}.values())


def terms_of(teacher: TeacherOptions) -> TeacherTerms:
    """The terms of one teacher.

    Args:
        teacher: As the recipe has it.
    """
    if teacher.kind == "bundled":
        return _bundled()
    # A local teacher may be a folder; its owner's paths are nobody's business.
    name = teacher.model.rstrip("/").rpartition("/")[2] or teacher.kind
    if known := terms_named(teacher.model):
        return TeacherTerms(
            teacher=name,
            kind=known.kind,
            id=known.id,
            hub_name=known.hub_name,
            link=known.link,
            name=known.name,
            outputs=known.outputs,
            name_prefix=known.name_prefix.replace(" ", "-") if known.outputs == "prefix" else "",
            notes_ko=known.ko,
            notes_en=known.en,
        )
    host = urlsplit(teacher.base_url or "https://api.openai.com/v1").hostname or ""
    if teacher.kind == "openai" and (host == "openai.com" or host.endswith(".openai.com")):
        return _openai(name)
    return TeacherTerms(
        teacher=name,
        id="other",
        hub_name="terms-of-the-teacher",
        name=f"{name}의 약관",
        notes_ko=(
            f"대화를 쓴 {name}의 약관이 출력의 쓰임을 정합니다. 여기서는 알 수 없으니 학습에 쓰기 "
            "전에 확인하세요.",
        ),
        notes_en=(f"The terms of {name} say what its output may be used for; check them first.",),
    )


def check_teachers(
    teachers: Sequence[TeacherTerms], licence: Licence, choice: PublishChoice
) -> None:
    """Make sure that the teachers let this model learn from them, under this name.

    Raises:
        PublishError: One lets only models of its own kind learn, or asks for another name.
    """
    for terms in teachers:
        if terms.outputs == "own-kind" and terms.kind != licence.kind:
            raise PublishError(
                f"{terms.teacher}: {terms.name}에 따라 이 교사의 대화로는 같은 계열의 모델만 "
                f"가르칠 수 있는데, 이 모델은 {licence.base_name}에서 나왔습니다. 모델은 올리지 "
                "않습니다. 같은 계열의 training.base로 배우거나 다른 교사의 대화를 쓰세요."
            )
        check_prefix(terms.name, terms.name_prefix, choice, licence.base_name)


def check_names(
    licence: Licence, choice: PublishChoice, teachers: Sequence[TeacherTerms] = ()
) -> None:
    """Make sure that the base's licence, and the teachers' terms, allow this name.

    Raises:
        PublishError: They do not; the message says why, and proposes a name.
    """
    check_prefix(licence.name, licence.name_prefix, choice, licence.base_name)
    check_teachers(teachers, licence, choice)


def _bundled() -> TeacherTerms:
    return TeacherTerms(
        teacher="exagirl 한국어 롤플레잉 대화",
        is_bundled=True,
        kind="open",
        id="cc-by-4.0",
        link=CORPUS,
        name="CC BY 4.0",
        notes_ko=(
            "출처를 “exagirl 한국어 롤플레잉 대화”로 밝히면 자유롭게 쓰고, 고치고, 나눌 수 "
            "있습니다.",
        ),
        notes_en=(
            "Free to use, change and share; attribute it to “exagirl 한국어 롤플레잉 대화”.",
        ),
    )


def _openai(name: str) -> TeacherTerms:
    return TeacherTerms(
        teacher=name,
        kind="openai",
        id="other",
        hub_name="openai-terms-of-use",
        link=OPENAI,
        name="OpenAI Terms of Use",
        notes_ko=(
            "OpenAI의 약관에 따르면 출력으로 OpenAI와 경쟁하는 모델을 만들 수 없습니다. 이 "
            "데이터로 무엇을 만들기 전에 약관을 읽어 보세요.",
        ),
        notes_en=(
            "By OpenAI's terms, output may not be used to develop models that compete with "
            "OpenAI. Read them before you build on this data.",
        ),
    )
