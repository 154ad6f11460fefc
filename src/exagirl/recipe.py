"""A YAML recipe: the options of every stage."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from exagirl.chatmodel.options import TeacherOptions
from exagirl.dataset.options import DatasetOptions
from exagirl.dialogue.options import GenerationOptions
from exagirl.errors import RecipeError
from exagirl.evaluation.options import EvaluationOptions
from exagirl.export.options import ExportOptions
from exagirl.persona.character import Character, load_character
from exagirl.record import Record, explain, is_file, read_yaml
from exagirl.training.options import TrainingOptions

SHIPPED = resources.files("exagirl") / "recipes"


class Recipe(Record):
    """One recipe is one reproducible character."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9가-힣][A-Za-z0-9가-힣._-]{0,63}$",
        description="실행 이름. runs/이름 폴더가 생긴다.",
    )
    character: str = Field(description="내장 캐릭터 이름, 또는 YAML 파일의 경로.")
    seed: int = Field(default=7, ge=0, description="모든 무작위의 씨앗.")
    teacher: TeacherOptions = Field(default=TeacherOptions(), description="대화를 쓰는 교사.")
    generation: GenerationOptions = Field(description="어떤 대화를 몇 편.")
    dataset: DatasetOptions = Field(
        default=DatasetOptions(), description="학습 데이터로 바꾸는 법."
    )
    training: TrainingOptions = Field(description="학습.")
    export: ExportOptions = Field(default=ExportOptions(), description="합친 모델.")
    evaluation: EvaluationOptions = Field(default=EvaluationOptions(), description="재는 법.")

    @model_validator(mode="after")
    def _stages_have_data(self) -> Recipe:
        known = list(self.generation.subsets)
        for stage in self.training.stages:
            if stage.data not in known:
                raise ValueError(
                    f"training.stages의 '{stage.name}' 단계가 '{stage.data}'을(를) 배우려 하지만, "
                    f"generation.subsets에는 {', '.join(known)}만 있습니다."
                )
        if self.evaluation.data is not None and self.evaluation.data not in known:
            raise ValueError(f"evaluation.data는 {', '.join(known)} 가운데 하나여야 합니다.")
        return self


class LoadedRecipe(Record):
    """A recipe together with the character that it names."""

    recipe: Recipe
    character: Character


def shipped_names() -> list[str]:
    """Names of the recipes that ship."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in SHIPPED.iterdir()
        if entry.name.endswith(".yaml")
    )


def load_recipe(name_or_path: str) -> LoadedRecipe:
    """Read a recipe that ships, or one at a path, with its character.

    Raises:
        RecipeError: No such recipe, an unknown key, a wrong type, a value out of range.
        CharacterError: The character that it names cannot be read.
    """
    if name_or_path in shipped_names():
        with resources.as_file(SHIPPED / f"{name_or_path}.yaml") as path:
            return _read(path)
    path = Path(name_or_path).expanduser()
    if is_file(path / "recipe.yaml"):
        path = path / "recipe.yaml"
    if not is_file(path):
        raise RecipeError(
            f"{name_or_path}: 그런 레시피가 없습니다. 내장 레시피: {', '.join(shipped_names())}. "
            "새로 만들려면 'exagirl init'을 실행하세요."
        )
    return _read(path)


def _read(path: Path) -> LoadedRecipe:
    try:
        raw = read_yaml(path)
    except ValueError as error:
        raise RecipeError(f"{path}: {error}") from error
    if not isinstance(raw, dict):
        raise RecipeError(
            f"{path}: 레시피가 아닙니다. 'name:'으로 시작하는 YAML이어야 합니다. "
            "'exagirl init'이 만들어 주는 recipe.yaml을 고쳐 쓰세요."
        )
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        raise RecipeError(explain(Recipe, error, str(path))) from error
    return LoadedRecipe(recipe=recipe, character=load_character(recipe.character, base=path.parent))


def dump_recipe(recipe: Recipe) -> str:
    """A recipe as YAML that reads back to the same recipe."""
    facts = recipe.model_dump(mode="json", exclude_defaults=True)
    return str(yaml.safe_dump(facts, allow_unicode=True, sort_keys=False, width=100))
