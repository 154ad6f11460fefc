"""What goes along with a model into every form: licences, the character, a page that explains."""

from __future__ import annotations

import os
import re
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from exagirl.artifact import write_text

LICENCE = re.compile(r"licen[cs]e|notice|copying|terms|use_?policy", re.IGNORECASE)
"""In the names of files that a model's makers want to go with every copy."""
CODE_OR_WEIGHTS = {".py", ".safetensors", ".bin", ".pt", ".pth", ".gguf"}
CHARACTER = "character.yaml"


def licence_files(folder: Path) -> list[Path]:
    """The licence and notice files of a model folder."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and LICENCE.search(path.name) and path.suffix not in CODE_OR_WEIGHTS
    )


def carry(model: Path, folder: Path) -> list[str]:
    """Copy the licences and the character; returns the names of the files."""
    paths = licence_files(model)
    if (model / CHARACTER).is_file():
        paths.append(model / CHARACTER)
    for path in paths:
        shutil.copyfile(path, folder / path.name)
    return [path.name for path in paths]


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file systems do not allow that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_readme(folder: Path, form: str, **facts: Any) -> Path:
    """Write ``README.md`` from the form's page."""
    text = (resources.files("exagirl.export") / "pages" / f"{form}.md.jinja").read_text("utf-8")
    pages = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return write_text(folder / "README.md", pages.from_string(text).render(**facts))


def file_stem(name: str) -> str:
    """A run's name as Ollama and file systems take it: letters, digits, dots, dashes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"
