"""One recipe at work in one run folder, and what every stage needs of it."""

from __future__ import annotations

from importlib import util
from pathlib import Path

from exagirl.artifact import RunFolder, need
from exagirl.dialogue.order import Order
from exagirl.errors import ArtifactError, MissingExtraError
from exagirl.persona.system_prompt import render_system_prompt
from exagirl.progress import Watcher
from exagirl.recipe import LoadedRecipe

__all__ = ["Job", "find_run", "need", "need_train_extra"]

TRAIN_MODULES = ("torch", "transformers", "peft", "accelerate", "datasets", "safetensors")


class Job:
    """One recipe at work in one run folder."""

    def __init__(self, loaded: LoadedRecipe, runs: Path, watcher: Watcher) -> None:
        self.recipe = loaded.recipe
        self.character = loaded.character
        self.folder = RunFolder(runs / loaded.recipe.name)
        self.watcher = watcher

    @property
    def order(self) -> Order:
        """What is asked of the teacher."""
        recipe = self.recipe
        return Order(self.character, recipe.teacher, recipe.generation, recipe.seed)

    @property
    def system(self) -> str:
        """The character's system prompt, the same text in every stage."""
        return render_system_prompt(self.character, detail=self.recipe.dataset.system_prompt)

    @property
    def last_stage(self) -> Path:
        """The adapter after the last stage."""
        return self.folder.adapter(self.recipe.training.stages[-1].name)


def find_run(name_or_path: str, runs: Path) -> RunFolder:
    """The run folder of a name or a path.

    Raises:
        ArtifactError: There is none.
    """
    for root in (runs / name_or_path, Path(name_or_path).expanduser()):
        if root.is_dir():
            return RunFolder(root)
    found = sorted(p.name for p in runs.iterdir() if p.is_dir()) if runs.is_dir() else []
    have = f"있는 실행: {', '.join(found)}." if found else f"{runs} 폴더에는 아직 실행이 없습니다."
    raise ArtifactError(
        f"'{name_or_path}'이라는 실행을 찾을 수 없습니다. {have} 'exagirl run quickstart'로 만들 "
        "수 있습니다."
    )


def need_train_extra() -> None:
    """Make sure that the libraries for training are installed.

    Raises:
        MissingExtraError: One is missing; the message names the extra.
    """
    missing = [name for name in TRAIN_MODULES if util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"학습과 로컬 모델에 필요한 {', '.join(missing)}이(가) 없습니다. 설치하세요: "
            "pip install 'exagirl[train]'"
        )
