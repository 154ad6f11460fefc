"""A character's folder: ``character.yaml``, its portrait, and what else a charx held."""

from __future__ import annotations

from pathlib import Path

from exagirl.artifact import make_folder, write_text
from exagirl.errors import CharacterError
from exagirl.persona.card import KEYWORDS, read_bounded, read_card, write_bytes, write_card
from exagirl.persona.card_json import Spec
from exagirl.persona.card_text import CardFault
from exagirl.persona.charx import CARD, read_members
from exagirl.persona.png import PngFault, without_texts
from exagirl.persona.profile import Character
from exagirl.persona.yaml_file import dump_character

CHARACTER = "character.yaml"
PORTRAIT = "portrait.png"
MEMBERS = "charx"


def import_card(card: Path, folder: Path) -> Character:
    """Turn a card into a folder to edit; nothing that is there is overwritten.

    Args:
        card: ``.json``, ``.png``, ``.charx`` or ``.yaml``.
        folder: Gets ``character.yaml``; of a PNG also ``portrait.png``; of a charx, its other
            files below ``charx/``.

    Raises:
        CharacterError: The card cannot be read, or a file would be overwritten.
    """
    character = read_card(card)
    files: dict[str, bytes] = {}
    try:
        if card.suffix.lower() == ".png":
            files[PORTRAIT] = without_texts(read_bounded(card), KEYWORDS)
            media = character.media.model_copy(update={"portrait": PORTRAIT})
            character = character.model_copy(update={"media": media})
        elif card.suffix.lower() == ".charx":
            members = read_members(read_bounded(card))
            files = {f"{MEMBERS}/{name}": file for name, file in members.items() if name != CARD}
    except (CardFault, PngFault) as error:
        raise CharacterError(f"{card}: {error}.") from error
    text = dump_character(character)
    for name in (CHARACTER, *files):
        if (folder / name).exists():
            raise CharacterError(
                f"{folder / name}: 이미 있습니다. 다른 폴더를 쓰거나 이 파일을 옮겨 두세요."
            )
    for name, content in files.items():
        write_bytes(_within(folder, name, make=True), content)
    make_folder(folder)
    write_text(folder / CHARACTER, text)
    return character


def export_card(
    character: Character, target: Path, *, folder: Path | None, spec: Spec = "v3"
) -> Path:
    """Write a card with the portrait and the files that lie in the character's folder.

    Args:
        character: Who.
        target: The card; its ending says which kind.
        folder: Where ``media.portrait`` and ``charx/`` count from; None for a built-in one.
        spec: As for `write_card`.

    Raises:
        CharacterError: The portrait is missing or leads outside, or the card cannot be written.
    """
    portrait = None
    assets: dict[str, bytes] = {}
    if folder is not None and character.media.portrait and target.suffix.lower() == ".png":
        portrait = read_bounded(_within(folder, character.media.portrait))
    if folder is not None and target.suffix.lower() == ".charx":
        root = folder / MEMBERS
        assets = {
            path.relative_to(root).as_posix(): read_bounded(_within(folder, str(path)))
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }
    return write_card(character, target, spec=spec, portrait=portrait, assets=assets)


def _within(folder: Path, name: str, *, make: bool = False) -> Path:
    """A path below a folder, links followed."""
    path = Path(name) if Path(name).is_relative_to(folder) else folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise CharacterError(f"{path}: {folder} 폴더 밖입니다. 파일을 폴더 안에 두세요.")
    if make:
        make_folder(path.parent)
    return path
