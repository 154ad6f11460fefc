"""Character cards: read and write ``.json``, ``.png``, ``.charx`` and our own ``.yaml``."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Any

from exagirl.artifact import file_faults
from exagirl.errors import CharacterError
from exagirl.persona.card_json import Spec, card_of, character_of
from exagirl.persona.card_text import MAX_CARD_BYTES, CardFault, parse_json, write_json
from exagirl.persona.charx import CARD, pack_charx, read_charx
from exagirl.persona.png import SIGNATURE, PngFault, read_texts, with_texts
from exagirl.persona.portrait import draw_gradient
from exagirl.persona.profile import Character
from exagirl.persona.yaml_file import as_character, dump_character, read_character_yaml

SUFFIXES = (".yaml", ".yml", ".json", ".png", ".charx")
# Pictures and assets around a card of 20 MB.
MAX_FILE_BYTES = 100_000_000
KEYWORDS = ("ccv3", "chara")


def read_card(path: Path) -> Character:
    """Read a character from a card (V1, V2, V3) or from our own YAML.

    Raises:
        CharacterError: The file cannot be read or holds no card; the message names the place.
    """
    suffix = _suffix(path)
    if suffix in (".yaml", ".yml"):
        return read_character_yaml(path)
    file = read_bounded(path)
    try:
        if suffix == ".png":
            return character_of(parse_json(_card_in_png(file)))
        if suffix == ".charx":
            return character_of(parse_json(read_charx(file)))
        return _from_json(parse_json(file), path)
    except (CardFault, PngFault) as error:
        raise CharacterError(f"{path}: {error}.") from error


def write_card(
    character: Character,
    path: Path,
    *,
    spec: Spec = "v3",
    portrait: bytes | None = None,
    assets: dict[str, bytes] | None = None,
) -> Path:
    """Write a character as a card; the ending of the name says which kind.

    Args:
        character: Who.
        path: ``.yaml``, ``.json``, ``.png`` or ``.charx``; written beside and renamed when whole.
        spec: For ``.json``: Character Card V2 or V3. A PNG holds both, a charx V3.
        portrait: A PNG to put the card into. Without it, the picture that ``path`` already holds
            is kept, and where there is none a gradient is drawn.
        assets: For ``.charx``: further members by name.

    Raises:
        CharacterError: The ending is unknown, the portrait is no PNG, or the card is too large.
        ArtifactError: The file cannot be written.
    """
    suffix = _suffix(path)
    try:
        if suffix in (".yaml", ".yml"):
            content = dump_character(character).encode()
        elif suffix == ".json":
            content = write_json(card_of(character, spec)) + b"\n"
        elif suffix == ".png":
            picture = portrait or _picture_at(path) or draw_gradient(character.media.colours)
            content = _into_png(character, picture)
        else:
            card = {CARD: write_json(card_of(character))}
            content = pack_charx({**card, **(assets or {})})
    except (CardFault, PngFault) as error:
        raise CharacterError(f"{path}: {error}.") from error
    return write_bytes(path, content)


def read_bounded(path: Path) -> bytes:
    """The bytes of a file of at most 100 MB.

    Raises:
        CharacterError: It cannot be read or is larger.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES or (path.suffix.lower() == ".json" and size > MAX_CARD_BYTES):
            limit = MAX_CARD_BYTES if path.suffix.lower() == ".json" else MAX_FILE_BYTES
            raise CharacterError(
                f"{path}: 파일이 {size / 1e6:.0f} MB입니다. {limit / 1e6:.0f} MB까지 읽습니다."
            )
        return path.read_bytes()
    except OSError as error:
        raise CharacterError(
            f"{path}: 읽을 수 없습니다({error.strerror}). 경로와 권한을 확인해 주세요."
        ) from error


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file beside its target and rename it when it is whole."""
    aside = path.with_name(f".{path.name}.partial")
    with file_faults(path):
        with aside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    return path


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CharacterError(
            f"{path}: 모르는 종류의 파일입니다. 쓸 수 있는 것: {', '.join(SUFFIXES)}."
        )
    return suffix


def _from_json(raw: dict[str, Any], path: Path) -> Character:
    """A card, or our own record written as JSON."""
    if "spec" not in raw and "data" not in raw and "speech" in raw:
        return as_character(raw, str(path))
    return character_of(raw)


def _card_in_png(file: bytes) -> bytes:
    """The JSON of a PNG's card: ``ccv3`` if it is there, else ``chara``."""
    found: dict[str, list[tuple[bytes, int]]] = {}
    for keyword, text, start in read_texts(file, KEYWORDS):
        found.setdefault(keyword, []).append((text, start))
    if not found:
        raise CardFault("캐릭터 카드가 든 그림이 아닙니다('ccv3'도 'chara'도 없습니다)")
    keyword = next(keyword for keyword in KEYWORDS if keyword in found)
    texts = found[keyword]
    places = ", ".join(f"{start}번째 바이트" for _, start in texts[:5])
    if len({text for text, _ in texts}) > 1:
        raise CardFault(
            f"서로 다른 '{keyword}' 카드가 {len(texts)}개 들어 있습니다({places}). "
            "어느 것이 맞는지 알 수 없습니다. 카드를 만든 프로그램에서 다시 내보내세요"
        )
    try:
        return base64.b64decode(b"".join(texts[0][0].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CardFault(f"'{keyword}' 청크({places})가 base64가 아닙니다({error})") from error


def _into_png(character: Character, picture: bytes) -> bytes:
    specs: dict[str, Spec] = {"ccv3": "v3", "chara": "v2"}
    texts = {
        keyword: base64.b64encode(write_json(card_of(character, spec)))
        for keyword, spec in specs.items()
    }
    return with_texts(picture, texts)


def _picture_at(path: Path) -> bytes | None:
    """The PNG that stands where a card is to be written."""
    try:
        file = path.read_bytes()
    except OSError:
        return None
    return file if file.startswith(SIGNATURE) else None
