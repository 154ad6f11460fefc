"""How cards are written: front matter, Markdown that role-play text cannot break, links."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from exagirl.korean.actions import split_actions
from exagirl.publish.cards.facts import RunFacts
from exagirl.publish.choice import Part, PublishChoice

HUB = "https://huggingface.co"
_MARKS = re.compile(r"([\\`*_{}\[\]#|~$])")
_OPENINGS = re.compile(r"^(\s*)([-+>]|\d+[.)])(?=\s)")


def render(page: str, front_matter: Mapping[str, Any], **words: Any) -> str:
    """A card: its front matter as YAML, and its page.

    Args:
        page: A file of ``cards/``.
        front_matter: What the Hub reads; empty values are left out.
        words: What the page speaks of.
    """
    kept = {key: value for key, value in front_matter.items() if value not in ("", [], None)}
    head = yaml.safe_dump(kept, allow_unicode=True, sort_keys=False, width=100)
    body = _pages().get_template(page).render(**words)
    return f"---\n{head}---\n\n{re.sub(chr(10) + '{3,}', chr(10) * 2, body).strip()}\n"


@cache
def _pages() -> Environment:
    pages = Environment(
        loader=PackageLoader("exagirl.publish", "cards"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown: `plain` and `acted` escape what strangers wrote
    )
    pages.filters |= {"plain": plain, "acted": acted, "fenced": fenced}
    pages.filters |= {"megabytes": megabytes, "counted": counted}
    return pages


def plain(text: object) -> str:
    """Text that Markdown and HTML leave as it is, in one line."""
    line = " ".join(str(text).split())
    escaped = _MARKS.sub(r"\\\1", html.escape(line, quote=False))
    return _OPENINGS.sub(r"\1\\\2", escaped)


def acted(text: str) -> str:
    """A turn with its ``*actions*`` in italics; nothing else of it is read as Markdown.

    CommonMark leaves ``*고개를 끄덕인다.*응`` as it is, so the emphasis is written as HTML.
    """
    return "".join(
        f"<em>{plain(part.text)}</em>" if part.kind == "action" else _spoken(part.text)
        for part in split_actions(text)
    )


def _spoken(text: str) -> str:
    """Spoken words with the blanks around them."""
    words = plain(text)
    if not words:
        return " "
    return f"{' ' * text[:1].isspace()}{words}{' ' * text[-1:].isspace()}"


def fenced(text: str, language: str = "") -> str:
    """A block of code that no run of backticks in it ends."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def megabytes(size: int) -> str:
    """A size as people read it: ``536 MB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):,.0f} MB"


def counted(number: int) -> str:
    """A large number as Korean says it: ``2억 6,810만``."""
    hundreds, rest = divmod(round(number / 10_000), 10_000)
    parts = [f"{hundreds:,}억" if hundreds else "", f"{rest:,}만" if rest else ""]
    return " ".join(part for part in parts if part) or f"{number:,}"


def goes(choice: PublishChoice, part: Part, facts: RunFacts) -> bool:
    """True where a part goes along, so that a card may link to it."""
    there = {
        "model": "model" in facts.digests,
        "adapter": any(stage.digest for stage in facts.stages),
        "gguf": bool(facts.gguf),
        "dataset": bool(facts.subsets),
        "space": "model" in facts.digests,
    }
    return there[part] and (part in choice.parts if choice.parts else True)


def links(choice: PublishChoice, facts: RunFacts, parts: Iterable[Part]) -> dict[str, str]:
    """Part to the address of its repository, for those that go along."""
    places = {"dataset": "datasets/", "space": "spaces/"}
    return {
        part: f"{HUB}/{places.get(part, '')}{choice.repo_of(part)}"
        for part in parts
        if goes(choice, part, facts)
    }
