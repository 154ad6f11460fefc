"""The one renderer of a character's system prompt."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

from jinja2 import Environment, StrictUndefined, Template

from exagirl.korean.particles import attach
from exagirl.persona.character import Character

Detail = Literal["brief", "normal", "full"]
LEVELS: dict[Detail, int] = {"brief": 0, "normal": 1, "full": 2}


def render_system_prompt(character: Character, *, detail: Detail = "full") -> str:
    """Write a character as the system message that every stage uses.

    Args:
        character: Who speaks.
        detail: ``full`` says everything; ``normal`` leaves out looks and rules; ``brief`` also
            slogan, habits and scene, for small models on small machines.

    Returns:
        Text without a trailing newline; ``{유저}`` stays for the chat to fill.
    """
    return _template().render(c=character, level=LEVELS[detail]).strip()


@cache
def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    environment.filters["josa"] = lambda word, pair: attach(word, pair).removeprefix(word)
    source = (resources.files("exagirl.persona") / "system_prompt.jinja").read_text("utf-8")
    return environment.from_string(source)
