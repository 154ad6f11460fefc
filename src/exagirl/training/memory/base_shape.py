"""Where the shape of a base is learnt: its folder, the Hub's local cache, or the shipped table."""

from __future__ import annotations

import json
from importlib import resources, util
from pathlib import Path
from typing import Literal

from exagirl.errors import ModelError
from exagirl.record import Record, shipped_yaml
from exagirl.training.memory.shape import ModelShape, shape_of


class KnownBase(Record):
    """A base whose shape is known."""

    name: str
    shape: ModelShape
    source: Literal["folder", "cache", "table"]


def shipped_bases() -> dict[str, ModelShape]:
    """The shapes that ship, by name."""
    text = (resources.files("exagirl.training.memory") / "bases.yaml").read_text("utf-8")
    return {name: ModelShape.model_validate(facts) for name, facts in shipped_yaml(text).items()}


def find_base(name: str) -> KnownBase | None:
    """The shape of a base, learnt without downloading anything.

    Args:
        name: A folder, a Hub name, or a name of the table, as in ``training.base``.

    Returns:
        None where a Hub name is neither cached nor in the table, or the kind is unknown.

    Raises:
        ModelError: It is a path where no model folder stands, or its config cannot be read.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _read(name, folder / "config.json", "folder")
    table = shipped_bases()
    is_hub_name = name.count("/") == 1 and not name.startswith((".", "/", "~"))
    if name not in table and not is_hub_name:
        raise ModelError(
            f"training.base: '{name}' 폴더가 없습니다. 모델 폴더의 경로, 허브의 '소유자/이름', "
            f"또는 {', '.join(k for k in table if '/' not in k)}을 적으세요."
        )
    cached = _cached_config(name) if is_hub_name else None
    if cached is not None:
        found = _read(name, cached, "cache")
        if found is not None:
            return found
    return KnownBase(name=name, shape=table[name], source="table") if name in table else None


def _read(name: str, path: Path, source: Literal["folder", "cache"]) -> KnownBase | None:
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: 읽을 수 없습니다({error}). 모델 폴더가 맞는지 확인하세요."
        ) from error
    shape = shape_of(facts) if isinstance(facts, dict) else None
    return None if shape is None else KnownBase(name=name, shape=shape, source=source)


def _cached_config(repo: str) -> Path | None:
    if util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, "config.json")
    return Path(found) if isinstance(found, str) else None
