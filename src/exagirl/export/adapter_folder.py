"""The adapter as a folder that others can load: peft, vLLM, or EXAONE's own code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from exagirl.artifact import write_text
from exagirl.dataset.chat_template import FAMILIES
from exagirl.errors import ModelError
from exagirl.export.choice import Layout
from exagirl.export.papers import carry, write_readme
from exagirl.export.safetensors_stream import read_header
from exagirl.record import Record
from exagirl.training.base_model import load_tokenizer, read_config
from exagirl.training.exaone import MODEL_TYPE
from exagirl.training.exaone_layout import CONFIG, WEIGHTS, save_adapter_as_exaone

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
TEMPLATE = "chat_template.jinja"


def read_adapter_config(adapter: Path) -> dict[str, Any]:
    """``adapter_config.json`` of a peft folder.

    Raises:
        ModelError: It is not there or no JSON object with a rank.
    """
    path = adapter / CONFIG
    try:
        facts = dict(json.loads(path.read_text("utf-8")))
        facts["r"] = int(facts["r"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{path}: 어댑터 설정을 읽을 수 없습니다({error}). exagirl train으로 다시 만드세요."
        ) from error
    return facts


class Named(Record):
    """What an adapter is called, and what it sits on."""

    name: str
    base: str
    """The base as the recipe names it: a Hub name, a folder, or ``gemma3-270m``."""


def write_adapter(
    adapter: Path, model: Path, folder: Path, named: Named, *, layout: Layout
) -> None:
    """Fill a folder with the adapter and all that it needs beside the base.

    Args:
        adapter: The peft folder of the last stage.
        model: The merged model, whose tokenizer, template, character and licences go along.
        folder: An empty folder.
        named: The run's name and base.
        layout: ``llama`` as transformers names the layers, or ``exaone`` as the published
            checkpoint's own code does.

    Raises:
        ModelError: It is no adapter, or has no layers that EXAONE has.
    """
    facts = read_adapter_config(adapter)
    if layout == "exaone":
        if not _is_exaone(model):
            raise ModelError(
                f"{named.base}: EXAONE 3.x가 아니어서 --layout exaone을 쓸 수 없습니다. --layout "
                "없이 내보내세요."
            )
        with TemporaryDirectory(dir=folder) as aside:
            renamed = save_adapter_as_exaone(adapter, Path(aside) / "renamed")
            copy_adapter(renamed, folder, named.base)
    else:
        copy_adapter(adapter, folder, named.base)
    for file in (*TOKENIZER_FILES, TEMPLATE):
        if (model / file).is_file():
            shutil.copyfile(model / file, folder / file)
    licences = carry(model, folder)
    write_readme(
        folder,
        "adapter",
        name=named.name,
        base=named.base,
        rank=facts["r"],
        layout=layout,
        licences=[file for file in licences if file != "character.yaml"],
    )


def _is_exaone(model: Path) -> bool:
    """True where a merged model speaks with EXAONE's marks: merging wrote its layers as Llama's."""
    facts = read_config(model)
    if facts.get("model_type") == MODEL_TYPE:
        return True
    (exaone,) = (family for family in FAMILIES if family.name == "exaone")
    return facts.get("model_type") == "llama" and exaone.opener in load_tokenizer(model).get_vocab()


def copy_adapter(adapter: Path, folder: Path, base: str) -> None:
    """Copy the two files of which an adapter consists; the base gets the name that others know.

    Raises:
        ModelError: One is missing or damaged.
    """
    if not (adapter / WEIGHTS).is_file():
        raise ModelError(f"{adapter / WEIGHTS}: 어댑터 파일이 없습니다. 다시 학습하세요.")
    read_header(adapter / WEIGHTS)
    facts = read_adapter_config(adapter) | {"base_model_name_or_path": base}
    shutil.copyfile(adapter / WEIGHTS, folder / WEIGHTS)
    write_text(folder / CONFIG, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
