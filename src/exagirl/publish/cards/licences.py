"""Which licence a base model has, and what it asks of those who pass a changed model on.

Not legal advice: the words in ``licences.yaml`` are a short account of each text, with a link.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from exagirl.dataset.chat_template import FAMILIES
from exagirl.export.papers import licence_files
from exagirl.publish.choice import ENDINGS, LONGEST_NAME, PublishChoice
from exagirl.publish.faults import PublishError
from exagirl.record import Record, shipped_yaml

COPY = re.compile(r"licen[cs]e|terms|agreement|copying", re.IGNORECASE)
"""In the names of files that are a copy of a licence; a notice is none."""
NOTICE = "NOTICE"
OTHER = "other"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
PACKAGED = {"gemma3-270m": "google/gemma-3-270m"}
"""Bases that come in a PyPI package, and what they are on the Hub."""
Outputs = Literal["any", "own-kind", "derivative", "prefix"]


class Terms(Record):
    """One licence of ``licences.yaml``."""

    key: str
    kind: str
    name: str
    id: str
    hub_name: str = ""
    link: str
    bases: str = ""
    texts: str = ""
    model_types: tuple[str, ...] = ()
    token: str = ""
    name_prefix: str = ""
    built_with: str = ""
    needs_copy: bool = False
    outputs: Outputs = "any"
    notice: str = ""
    ko: tuple[str, ...]
    en: tuple[str, ...]


class CompanionFile(Record):
    """A file that goes along with every copy of a model: copied, or written."""

    name: str
    source: Path | None = Field(default=None, description="복사할 파일. 없으면 text를 쓴다.")
    text: str = ""


class Licence(Record):
    """What a published model is under, and what that asks for."""

    key: str = Field(description="licences.yaml의 이름. --licence로 적는 것.")
    kind: str = Field(description="계열: exaone, gemma, llama, qwen, open, other.")
    id: str = Field(description="허브의 license 값.")
    name: str = Field(description="사람이 읽는 이름.")
    hub_name: str = Field(default="", description="license가 other일 때의 license_name.")
    link: str = ""
    base_name: str = Field(default="", description="이름을 지어 권할 때 쓰는 기본 모델의 이름.")
    name_prefix: str = Field(default="", description="저장소 이름이 시작해야 하는 말.")
    built_with: str = Field(default="", description="카드에 잘 보이게 적을 말.")
    files: tuple[CompanionFile, ...] = Field(default=(), description="함께 가야 하는 파일.")
    notes_ko: tuple[str, ...] = ()
    notes_en: tuple[str, ...] = ()
    may_train_others: bool = Field(default=True, description="출력으로 다른 계열을 가르쳐도 된다.")


@cache
def known_terms() -> tuple[Terms, ...]:
    """The licences that ship, the stricter versions of a family first."""
    text = (resources.files("exagirl.publish.cards") / "licences.yaml").read_text("utf-8")
    return tuple(Terms.model_validate(entry) for entry in shipped_yaml(text))


def licence_ids() -> tuple[str, ...]:
    """What ``--licence`` takes."""
    return (*(terms.key for terms in known_terms()), OTHER)


def licence_of(base: str, model_folder: Path, chosen: str = "") -> Licence:
    """The licence of a model made from a base, with the files that go along.

    The base is known by its name, by the licence files beside the merged model (or beside the base,
    where that is a folder), by its architecture, and by the turn marks in its vocabulary: EXAONE
    that was renamed is still EXAONE.

    Args:
        base: The base as the recipe names it: a Hub name, a folder, or ``gemma3-270m``.
        model_folder: The merged model.
        chosen: What the user said, for a base that is not known here; see `licence_ids`.

    Raises:
        PublishError: The base is not known and nothing was chosen; what was chosen contradicts what
            is known, or does not exist; a copy that must go along is missing.
    """
    folders = [folder for folder in (model_folder, Path(base).expanduser()) if folder.is_dir()]
    found = _recognise(base, folders)
    if chosen and chosen not in licence_ids():
        raise PublishError(
            f"--licence {chosen}: 모르는 라이선스입니다. 쓸 수 있는 것: {', '.join(licence_ids())}."
        )
    if found is not None and chosen and chosen != found.key:
        raise PublishError(
            f"--licence {chosen}: 기본 모델 {base}은(는) {found.name}({found.key})를 따릅니다. "
            "--licence를 빼고 다시 실행하세요."
        )
    if found is None and chosen and chosen != OTHER:
        found = next(terms for terms in known_terms() if terms.key == chosen)
    papers = _papers(folders)
    if found is not None:
        return _licence(found, base, model_folder, papers)
    if chosen == OTHER and (copies := [path for path in papers if COPY.search(path.name)]):
        return _own_licence(base, copies[0], papers)
    if chosen == OTHER:
        raise PublishError(
            f"{model_folder}: --licence other에는 기본 모델의 라이선스 파일이 함께 있어야 합니다. "
            "LICENSE라는 이름으로 이 폴더에 두세요."
        )
    raise PublishError(
        f"{base}: 이 기본 모델의 라이선스를 알 수 없어 올리지 않습니다. 모델 카드에서 확인한 뒤 "
        f"--licence에 적으세요: {', '.join(licence_ids())}. other는 {model_folder}에 둔 LICENSE "
        "파일을 그대로 따릅니다."
    )


def terms_named(model: str) -> Terms | None:
    """The licence of a model that is known by its name alone, such as a teacher."""
    return next(
        (terms for terms in known_terms() if terms.bases and re.search(terms.bases, model)), None
    )


def hub_base(base: str) -> str:
    """The base's name on the Hub; empty for a folder."""
    if base in PACKAGED:
        return PACKAGED[base]
    is_name = HUB_NAME.fullmatch(base) and not Path(base).is_dir()
    return base if is_name else ""


def _recognise(base: str, folders: Sequence[Path]) -> Terms | None:
    """The terms that a base is under; where signs disagree, those that ask for more."""
    texts = [path.read_text("utf-8", errors="replace") for path in _papers(folders)]
    configs = [_read_json(folder / "config.json") for folder in folders]
    names = [base if hub_base(base) else Path(base).name]
    names += [str(config.get("_name_or_path", "")) for config in configs]
    types = {config.get("model_type") for config in configs}
    signs = [
        [t for t in known_terms() if t.texts and any(re.search(t.texts, x) for x in texts)],
        [t for t in known_terms() if t.bases and any(re.search(t.bases, x) for x in names)],
        [t for t in known_terms() if types & set(t.model_types)],
        [t for t in known_terms() if t.token and any(_has_token(f, t.token) for f in folders)],
    ]
    found = [terms for sign in signs for terms in sign]
    return next((terms for terms in found if terms.name_prefix), next(iter(found), None))


def _has_token(folder: Path, token: str) -> bool:
    """True where a tokenizer has this turn mark and the mark that ends its turns."""
    (family,) = (one for one in FAMILIES if one.opener == token)
    added = _read_json(folder / "tokenizer.json").get("added_tokens", [])
    return {family.opener, family.stop} <= {entry.get("content") for entry in added}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _papers(folders: Iterable[Path]) -> list[Path]:
    """Licence files, those of the first folder before the same names of the next."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in licence_files(folder):
            found.setdefault(path.name, path)
    return list(found.values())


def _licence(terms: Terms, base: str, model_folder: Path, papers: Sequence[Path]) -> Licence:
    if terms.needs_copy and not any(COPY.search(path.name) for path in papers):
        raise PublishError(
            f"{base}: {terms.name}의 사본이 함께 가야 하는데 모델 폴더에 없습니다. {terms.link} 의 "
            f"글을 {model_folder / 'LICENSE'}(으)로 저장하고 다시 실행하세요."
        )
    files = [CompanionFile(name=path.name, source=path) for path in papers]
    if terms.notice:
        theirs = [
            path.read_text("utf-8", errors="replace") for path in papers if path.name == NOTICE
        ]
        files = [file for file in files if file.name != NOTICE]
        files.append(CompanionFile(name=NOTICE, text="\n".join([terms.notice, *theirs])))
    return Licence(
        key=terms.key,
        kind=terms.kind,
        id=terms.id,
        name=terms.name,
        hub_name=terms.hub_name,
        link=terms.link,
        base_name=_base_name(base),
        name_prefix=terms.name_prefix.replace(" ", "-"),
        built_with=terms.built_with,
        files=tuple(files),
        notes_ko=terms.ko,
        notes_en=terms.en,
        may_train_others=terms.outputs != "own-kind",
    )


def _own_licence(base: str, copy: Path, papers: Sequence[Path]) -> Licence:
    return Licence(
        key=OTHER,
        kind=OTHER,
        id=OTHER,
        name=copy.name,
        hub_name="license-of-the-base",
        link=copy.name,
        base_name=_base_name(base),
        files=tuple(CompanionFile(name=path.name, source=path) for path in papers),
        notes_ko=(f"기본 모델의 라이선스를 그대로 따릅니다. 글은 `{copy.name}`에 있습니다.",),
        notes_en=(f"The base's own licence holds; its text is in `{copy.name}`.",),
        may_train_others=False,
    )


def _base_name(base: str) -> str:
    """A base's name without its owner and without what says that it follows instructions."""
    name = (hub_base(base) or base).rstrip("/").rpartition("/")[2]
    return re.sub(r"-(?:Instruct|it|chat)$", "", name, flags=re.IGNORECASE)


def check_prefix(licence_name: str, prefix: str, choice: PublishChoice, base_name: str) -> None:
    """Make sure that a repository's name begins as a licence asks.

    Raises:
        PublishError: It does not; the message proposes one that does.
    """
    if not prefix or choice.name.startswith(prefix):
        return
    proposed = propose_repo(choice, prefix, base_name)
    raise PublishError(
        f"--repo {choice.repo}: {licence_name}에 따라 모델의 이름은 “{prefix}”로 시작해야 합니다. "
        f"이를테면 --repo {proposed}"
    )


def propose_repo(choice: PublishChoice, prefix: str, base_name: str) -> str:
    """The repository's name with the base's in front: ``OWNER/EXAONE-3.5-2.4B-NAME``."""
    head = base_name if base_name.startswith(prefix) else prefix
    rest = re.sub(rf"^{re.escape(prefix)}[-_.]*", "", choice.name, flags=re.IGNORECASE)
    longest = LONGEST_NAME - max(map(len, ENDINGS.values()))
    name = f"{head}-{rest}"[:longest].rstrip("-._")
    return f"{choice.repo.partition('/')[0]}/{name}"
