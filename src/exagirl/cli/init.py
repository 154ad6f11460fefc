"""``exagirl init``: a recipe and a character to own and edit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
import yaml

from exagirl.artifact import make_folder, write_text
from exagirl.cli.screen import make_console
from exagirl.errors import RecipeError
from exagirl.persona.character import BUILTIN
from exagirl.recipe import SHIPPED, load_recipe, shipped_names


def init(
    folder: Annotated[Path, typer.Argument(help="만들 폴더.")] = Path("my-character"),
    recipe: Annotated[str, typer.Option("--recipe", help="본뜰 내장 레시피.")] = "quickstart",
) -> None:
    """레시피와 캐릭터를 복사해 고칠 수 있게 둔다."""
    if recipe not in shipped_names():
        raise RecipeError(
            f"--recipe: '{recipe}'은 없습니다. 내장 레시피: {', '.join(shipped_names())}."
        )
    targets = [folder / "recipe.yaml", folder / "character.yaml"]
    for path in targets:
        if path.exists():
            raise RecipeError(f"{path}: 이미 있습니다. 다른 폴더를 쓰거나 이 파일을 옮겨 두세요.")
    make_folder(folder)
    source = (SHIPPED / f"{recipe}.yaml").read_text("utf-8")
    character = str(yaml.safe_load(source)["character"])
    name = folder.resolve().name
    write_text(targets[0], _own(source, name, character))
    write_text(targets[1], (BUILTIN / f"{character}.yaml").read_text("utf-8"))
    load_recipe(str(targets[0]))
    console = make_console()
    console.print(f"만들었습니다: {targets[1]} (캐릭터), {targets[0]} (레시피)", soft_wrap=True)
    console.print(
        f"character.yaml을 고친 뒤 [cyan]exagirl run {folder}[/]을 실행하세요. "
        "함께 든 대화는 엑사의 것이니, 다른 캐릭터라면 teacher를 kind: openai로 바꾸세요.",
        soft_wrap=True,
    )


def _own(source: str, name: str, character: str) -> str:
    """The recipe's text with its own name and character; comments stay."""
    own_name = yaml.safe_dump(name, allow_unicode=True).splitlines()[0]
    text = re.sub(r"^name:.*$", lambda _: f"name: {own_name}", source, count=1, flags=re.MULTILINE)
    return text.replace(f"\ncharacter: {character}\n", "\ncharacter: character.yaml\n", 1)
