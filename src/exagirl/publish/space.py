"""A Space: the demo page with its code, ready to start from its own folder.

A Space installs ``requirements.txt`` before the repository's files are there, so a wheel beside it
could not be installed. The package's sources go along instead, and only its requirements are named.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import exagirl
from exagirl.errors import MissingExtraError
from exagirl.export.papers import file_stem
from exagirl.record import Record

EXTRAS = ("demo", "train")
"""What the page and a model in this process need."""
LONGEST_DESCRIPTION = 60
"""Characters that the Hub takes."""
_PACKAGE = Path(exagirl.__file__).parent
_PRIVATE = re.compile(r"__pycache__|\.pyc$|^\.|~$")


class SpaceFacts(Record):
    """What a Space shows of itself."""

    title: str
    model: str
    """The repository of the model that it opens."""


def space_texts(facts: SpaceFacts) -> dict[str, str]:
    """The Space's own files: name to content.

    Raises:
        MissingExtraError: gradio is not installed, whose version the Space names.
    """
    return {
        "README.md": _front_matter(facts) + _render("README.md.jinja", facts),
        "app.py": _render("app.py.jinja", facts),
        "requirements.txt": "".join(f"{line}\n" for line in requirements()),
        "LICENSE": _licence(),
    }


def package_files() -> dict[str, Path]:
    """The package's sources as they go into a Space: name to where they are."""
    return {
        f"exagirl/{path.relative_to(_PACKAGE).as_posix()}": path
        for path in sorted(_PACKAGE.rglob("*"))
        if path.is_file() and not any(map(_PRIVATE.search, path.relative_to(_PACKAGE).parts))
    }


def requirements(extras: Sequence[str] = EXTRAS) -> list[str]:
    """What this package and some of its extras need, one requirement a line, in order of names."""
    found: dict[str, str] = {}
    for line in _declared(extras):
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        if name == "exagirl":
            continue
        options = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
        found[name] = f"{wanted.name}{options}{wanted.specifier}"
    return [found[name] for name in sorted(found)]


def _declared(extras: Sequence[str]) -> list[str]:
    """Requirements as declared: in a checkout by its ``pyproject.toml``, else by the metadata.

    What pip noted when a checkout was installed grows old while the checkout changes.
    """
    project = _checkout()
    if project is not None:
        optional = project.get("optional-dependencies", {})
        return [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    lines = []
    for line in metadata.requires("exagirl") or ():
        marker = Requirement(line).marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            lines.append(line)
    return lines


def _checkout() -> dict[str, Any] | None:
    """The ``[project]`` table where the package runs from its own checkout."""
    try:
        facts = tomllib.loads((_PACKAGE.parents[1] / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    project = facts.get("project", {})
    return dict(project) if project.get("name") == "exagirl" else None


def _licence() -> str:
    if _checkout() is not None:
        return (_PACKAGE.parents[1] / "LICENSE").read_text("utf-8")
    return metadata.distribution("exagirl").read_text("licenses/LICENSE") or ""


def _front_matter(facts: SpaceFacts) -> str:
    described = f"Korean role-play with {file_stem(facts.model.rpartition('/')[2])}"
    shown = {
        "title": facts.title,
        "emoji": "💬",
        "colorFrom": "pink",
        "colorTo": "indigo",
        "sdk": "gradio",
        "sdk_version": _gradio_version(),
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "app_file": "app.py",
        "license": "apache-2.0",
        "models": [facts.model],
        "pinned": False,
        "short_description": described[:LONGEST_DESCRIPTION],
    }
    return f"---\n{yaml.safe_dump(shown, allow_unicode=True, sort_keys=False)}---\n"


def _gradio_version() -> str:
    try:
        return metadata.version("gradio")
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError(
            "Space를 만들려면 gradio가 필요합니다(그 판을 적습니다). pip install 'exagirl[demo]' "
            "하거나 --parts에서 space를 빼세요."
        ) from error


def _render(name: str, facts: SpaceFacts) -> str:
    source = resources.files("exagirl.publish") / "space_files" / name
    pages = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    return pages.from_string(source.read_text("utf-8")).render(**facts.model_dump())
