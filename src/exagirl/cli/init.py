"""``exagirl init``: a recipe and a character to own and edit."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Annotated

import typer
import yaml

from exagirl.artifact import make_folder, write_text
from exagirl.chatmodel.options import TeacherOptions
from exagirl.cli.screen import is_interactive, make_console
from exagirl.errors import RecipeError, TeacherError
from exagirl.persona.character import BUILTIN
from exagirl.persona.starter import Level, draft_yaml, starter_yaml
from exagirl.recipe import SHIPPED, load_recipe, shipped_names

PLAIN_IDEA = "{name}. 아직 소개가 없는 캐릭터다. 이 문장을 고쳐 쓴다."


def init(  # noqa: PLR0913 (an option each)
    folder: Annotated[Path, typer.Argument(help="만들 폴더.")] = Path("my-character"),
    recipe: Annotated[str, typer.Option("--recipe", help="본뜰 내장 레시피.")] = "quickstart",
    name: Annotated[str, typer.Option("--name", help="새 캐릭터의 이름.")] = "",
    idea: Annotated[str, typer.Option("--idea", help="어떤 캐릭터인지 한 줄.")] = "",
    polite: Annotated[bool, typer.Option("--polite", help="존댓말을 쓰는 캐릭터.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="묻지 않는다.")] = False,
    draft: Annotated[
        bool, typer.Option("--draft", help="레시피의 교사가 한 줄에서 초안을 쓴다.")
    ] = False,
) -> None:
    """레시피와 캐릭터를 만들어 고칠 수 있게 둔다. 이름이 없으면 엑사를 복사한다."""
    if recipe not in shipped_names():
        raise RecipeError(
            f"--recipe: '{recipe}'은 없습니다. 내장 레시피: {', '.join(shipped_names())}."
        )
    targets = [folder / "recipe.yaml", folder / "character.yaml"]
    for path in targets:
        if path.exists():
            raise RecipeError(f"{path}: 이미 있습니다. 다른 폴더를 쓰거나 이 파일을 옮겨 두세요.")
    if is_interactive() and not yes:
        name = name or typer.prompt(
            "이름 (그냥 Enter: 엑사를 복사)", default="", show_default=False
        )
        if name and not idea:
            idea = typer.prompt("어떤 캐릭터인가요? 한 줄로", default="", show_default=False)
    if (idea or draft or polite) and not name.strip():
        raise RecipeError("--name: 새 캐릭터의 이름을 적어 주세요. 예: --name 미아")
    source = (SHIPPED / f"{recipe}.yaml").read_text("utf-8")
    character = str(yaml.safe_load(source)["character"])
    own_idea = idea.strip() or PLAIN_IDEA.format(name=name.strip())
    text = (
        _new_character(name, own_idea, "polite" if polite else "banmal", _teacher(recipe, draft))
        if name.strip()
        else (BUILTIN / f"{character}.yaml").read_text("utf-8")
    )
    make_folder(folder)
    write_text(targets[0], _own(source, folder.resolve().name, character))
    write_text(targets[1], text)
    load_recipe(str(targets[0]))
    _tell(folder)


def _tell(folder: Path) -> None:
    console = make_console()
    made = (folder / "character.yaml", folder / "recipe.yaml")
    console.print(f"만들었습니다: {made[0]} (캐릭터), {made[1]} (레시피)", soft_wrap=True)
    console.print(
        f"character.yaml을 고친 뒤 [cyan]exagirl run {folder}[/]을 실행하세요. "
        "함께 든 대화는 엑사의 것이니, 다른 캐릭터라면 teacher를 kind: openai로 바꾸세요.",
        soft_wrap=True,
    )


def _teacher(recipe: str, wanted: bool) -> TeacherOptions | None:
    """The recipe's teacher if a draft is wanted.

    Raises:
        TeacherError: The recipe's teacher only knows the dialogues that ship.
    """
    if not wanted:
        return None
    teacher = load_recipe(recipe).recipe.teacher
    if teacher.kind != "openai":
        others = [
            name for name in shipped_names() if load_recipe(name).recipe.teacher.kind == "openai"
        ]
        raise TeacherError(
            f"--draft: {recipe} 레시피의 교사는 함께 든 대화만 알아 초안을 쓸 수 없습니다. "
            f"교사가 있는 레시피를 고르세요: {', '.join(f'--recipe {name}' for name in others)}"
        )
    return teacher


def _new_character(name: str, idea: str, level: Level, teacher: TeacherOptions | None) -> str:
    if teacher is None:
        return starter_yaml(name, idea, level)
    from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel

    async def ask() -> str:
        async with OpenAICompatibleModel(teacher) as model:
            return await draft_yaml(model, name, idea, level)

    with make_console(stderr=True).status("교사가 초안을 쓰고 있어요…"):
        return asyncio.run(ask())


def _own(source: str, name: str, character: str) -> str:
    """The recipe's text with its own name and character; comments stay."""
    own_name = yaml.safe_dump(name, allow_unicode=True).splitlines()[0]
    text = re.sub(r"^name:.*$", lambda _: f"name: {own_name}", source, count=1, flags=re.MULTILINE)
    return text.replace(f"\ncharacter: {character}\n", "\ncharacter: character.yaml\n", 1)
