"""Every repository of a request as a folder, with its card, looked through: the plan.

request (names, licences) → prepare (folders, cards, scan) → a person agrees → upload
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from exagirl.artifact import Manifest, RunFolder, read_manifest
from exagirl.export.papers import CHARACTER
from exagirl.korean.particles import fill_placeholders
from exagirl.progress import Watcher
from exagirl.publish.cards.dataset_card import dataset_card
from exagirl.publish.cards.facts import RunFacts, gather_facts
from exagirl.publish.cards.model_card import model_card
from exagirl.publish.cards.teachers import check_names, teachers_of
from exagirl.publish.choice import Part
from exagirl.publish.faults import PublishError
from exagirl.publish.plan import PublishPlan
from exagirl.publish.request import PublishRequest, is_gguf_of_model
from exagirl.publish.scan import Found, Scanner
from exagirl.publish.space import SpaceFacts, package_files, space_texts
from exagirl.publish.tree import (
    REPORT,
    Tree,
    evaluation_files,
    files_of,
    finished,
    write_tree,
)

OF_MODEL: tuple[Part, ...] = ("model", "adapter", "gguf")
TAG_DIGITS = 12


def prepare(
    request: PublishRequest, *, environment: Mapping[str, str], watcher: Watcher
) -> PublishPlan:
    """Write every repository's folder, with its card, and look through it; nothing is sent.

    Args:
        request: What is to be published; its forms stand in ``export/`` already.
        environment: Variables of the process, whose secrets must not stand in any file.
        watcher: Told which part is being written.

    Raises:
        PublishError: A secret or a path of this machine stands in a file; a licence forbids it.
        ArtifactError: A part is not finished, or a folder holds files that are not ours.
    """
    folder, choice = RunFolder(request.folder), request.choice
    facts = gather_facts(folder, request.asked, request.character)
    teachers = teachers_of(request.asked)
    if request.licence is not None:
        check_names(request.licence, choice, teachers)
    scanner = Scanner(environment, _places(request))
    trees = _Trees(request, facts, scanner)
    repos, warnings = [], _warnings(request, facts)
    watcher.start("저장소 폴더", len(choice.parts))
    for part in choice.parts:
        written = write_tree(trees.tree(part), request.out / part, scanner, links=request.is_hub)
        repos.append(written.planned)
        warnings += [*trees.warnings, *_told(part, written.found)]
        trees.warnings.clear()
        watcher.advance(note=part)
    watcher.finish(str(request.out))
    return PublishPlan(
        run=request.asked.name,
        to="hub" if request.is_hub else str(request.out),
        title=f"{request.character.name} · {choice.name}",
        base=facts.hub_base or Path(request.asked.training.base).name,
        licence=request.licence.name if request.licence else "",
        licence_link=request.licence.link if request.licence else "",
        data_licence=", ".join(one.name for one in teachers) if "dataset" in choice.parts else "",
        tag=_tag(folder),
        private=choice.private,
        repos=tuple(repos),
        warnings=tuple(warnings),
    )


class _Trees:
    """What each repository of one run holds."""

    def __init__(self, request: PublishRequest, facts: RunFacts, scanner: Scanner) -> None:
        self._request = request
        self._facts = facts
        self._scanner = scanner
        self._folder = RunFolder(request.folder)
        self.warnings: list[str] = []

    def tree(self, part: Part) -> Tree:
        """The tree of one part."""
        if part == "space":
            return self._space()
        return self._dataset() if part == "dataset" else self._of_model(part)

    def _of_model(self, part: Part) -> Tree:
        run = self._request.asked.name
        place, command = {
            "model": (self._folder.model, f"exagirl merge {run}"),
            "adapter": (self._folder.export / "adapter", f"exagirl export {run} --to adapter"),
            "gguf": (self._folder.export / "gguf", f"exagirl export {run} --to gguf"),
        }[part]
        manifest = finished(place, command)
        files = files_of(place, manifest)
        texts: dict[str, str] = {}
        if part == "gguf":
            from exagirl.publish.cards.ollama_files import ollama_files

            texts |= ollama_files(self._folder.model)
        if (licence := self._request.licence) is not None:
            texts["README.md"] = model_card(
                self._facts, licence, self._request.choice, part, files=tuple(texts)
            )
            for paper in licence.files:
                if paper.source is None:
                    texts[paper.name] = paper.text
                else:
                    files[paper.name] = paper.source
        if part == "model" and self._facts.evaluation is not None:
            files |= self._evaluation()
        return self._tree(part, files, texts, manifest)

    def _evaluation(self) -> dict[str, Path]:
        files = evaluation_files(self._folder, self._scanner)
        if (self._folder.evaluation / REPORT).is_file() and len(files) == 1:
            self.warnings.append(
                f"{REPORT}에 이 컴퓨터의 경로가 있어 뺐습니다. 점수(scores.json)는 실립니다."
            )
        return files

    def _dataset(self) -> Tree:
        place, facts = self._folder.dataset, self._facts
        manifest = finished(place, f"exagirl train {self._request.asked.name}")
        files = files_of(place, manifest)
        if (self._folder.root / CHARACTER).is_file():
            files[CHARACTER] = self._folder.root / CHARACTER
        card = dataset_card(facts, teachers_of(facts.asked), self._request.choice)
        return self._tree("dataset", files, {"README.md": card}, manifest)

    def _space(self) -> Tree:
        manifest = finished(self._folder.model, f"exagirl merge {self._request.asked.name}")
        name = self._request.character.name
        facts = SpaceFacts(
            title=fill_placeholders("{캐릭터}와 이야기하기", character=name),
            model=self._request.choice.repo_of("model"),
        )
        return self._tree("space", package_files(), space_texts(facts), manifest)

    def _tree(
        self, part: Part, files: dict[str, Path], texts: dict[str, str], source: Manifest
    ) -> Tree:
        return Tree(
            part=part,
            repo=self._request.choice.repo_of(part),
            files={name: path for name, path in files.items() if name not in texts},
            texts=texts,
            known={} if part == "space" else source.files,
            source={source.kind: source.digest},
            renamed=self._renamed(),
        )

    def _renamed(self) -> dict[str, str]:
        """How this machine's folders, and the base in its package, are called elsewhere."""
        written = self._request.asked.training.base
        folder = Path(written).expanduser()
        name = self._facts.hub_base or folder.name
        renamed = {written: name} if name != written else {}
        if folder.is_dir():
            renamed |= {str(folder): name, str(folder.resolve()): name}
        root = self._request.folder
        return renamed | {str(root.absolute()): root.name, str(root.resolve()): root.name}


def _places(request: PublishRequest) -> list[Path]:
    """Folders whose names tell about this machine."""
    root, base = request.folder, Path(request.asked.training.base).expanduser()
    places = [root.resolve(), root.absolute(), Path.home()]
    return [*places, base.resolve()] if base.is_dir() else places


def _tag(folder: RunFolder) -> str:
    source = read_manifest(folder.model) or read_manifest(folder.dataset)
    if source is None:
        raise PublishError(f"{folder.root}: 올릴 것이 없습니다. 먼저 'exagirl run'을 실행하세요.")
    return f"run-{source.digest[:TAG_DIGITS]}"


def _warnings(request: PublishRequest, facts: RunFacts) -> list[str]:
    """What to think of before saying yes."""
    parts, folder, told = request.choice.parts, RunFolder(request.folder), []
    run, gguf = request.asked.name, read_manifest(folder.export / "gguf")
    if facts.evaluation is None and set(parts) & set(OF_MODEL):
        told.append(
            f"점수가 없습니다. {facts.evaluation_note} 'exagirl evaluate {run}'을 먼저 하면 카드에 "
            "실립니다."
        )
    if "adapter" in parts and not facts.hub_base:
        told.append(
            "기본 모델이 폴더라서, 같은 기본 모델이 없는 사람은 adapter를 쓸 수 없습니다. 빼려면 "
            "--parts를 쓰세요."
        )
    if "gguf" in parts and gguf is not None:
        told += [str(warning) for warning in gguf.notes.get("warnings", ())]
    if "gguf" not in parts and gguf is not None and not is_gguf_of_model(folder):
        told.append(
            f"GGUF는 지금 모델의 것이 아니라서 뺐습니다. 'exagirl export {run} --to gguf'로 다시 "
            "만들 수 있습니다."
        )
    if "space" in parts and "model" not in parts:
        told.append(
            f"Space는 {request.choice.repo}에서 모델을 받습니다. 그 저장소가 있어야 합니다."
        )
    return told


def _told(part: Part, found: Sequence[Found]) -> list[str]:
    """One line for each kind of thing that a person should look at."""
    counts = Counter(one.what for one in found)
    firsts = {one.what: one for one in reversed(found)}
    return [
        f"{part}: {what}(으)로 보이는 것이 {count}곳 있습니다. 처음: {firsts[what].tell()}"
        for what, count in counts.items()
    ]
