"""A new character from a name and a one-line idea: from a template, or drafted by a teacher."""

from __future__ import annotations

from importlib import resources
from typing import Literal

import yaml
from jinja2 import Environment, StrictUndefined

from exagirl.chatmodel.protocol import ChatModel, ChatRequest, Message, TransportFault
from exagirl.errors import CharacterError, TeacherError
from exagirl.korean.normalise import normalise
from exagirl.korean.particles import attach
from exagirl.persona.card_text import CardFault, parse_json
from exagirl.persona.lint import lint
from exagirl.persona.profile import Character
from exagirl.persona.yaml_file import as_character, dump_character

Level = Literal["banmal", "polite"]
DRAFT_TOKENS = 6000
ATTEMPTS = 3
ASK = "캐릭터를 써 줘."


def starter_yaml(name: str, idea: str, level: Level = "banmal") -> str:
    """The commented YAML of a character that is ready to edit.

    Raises:
        CharacterError: The name or the idea cannot stand in a character.
    """
    name, idea = _line(name), _line(idea)
    called = attach(name, "이야" if level == "banmal" else "이에요")
    text = _render("starter.yaml.jinja", name=name, idea=idea, level=level, called=called)
    as_character(yaml.safe_load(text), "캐릭터")
    return text


async def draft_yaml(model: ChatModel, name: str, idea: str, level: Level = "banmal") -> str:
    """The YAML of a character that a teacher drafted from the idea, valid as a record.

    What the lint finds is sent back to the teacher; the last valid draft stands.

    Raises:
        TeacherError: The teacher cannot answer, or never wrote a valid character.
    """
    name, idea = _line(name), _line(idea)
    best = fault = failed = ""
    system = _render("draft_prompt.jinja", name=name, idea=idea, level=level)
    for _ in range(ATTEMPTS):
        ask = ASK if not fault else f"{ASK} 지난번에 쓴 것은 이래서 쓸 수 없었어: {fault}"
        request = ChatRequest(
            messages=(
                Message(role="system", content=system),
                Message(role="user", content=ask),
            ),
            max_tokens=DRAFT_TOKENS,
        )
        try:
            character = _read_draft((await model.reply(request)).content, name, level)
        except TransportFault as error:
            fault, failed = "", f"{error}"
            continue
        except CharacterError as error:
            fault = failed = str(error)
            continue
        best = f"# {name}: {idea}\n" + dump_character(character)
        findings = lint(character)
        if not findings:
            return best
        fault = failed = " / ".join(f"{f.path}: {f.message}" for f in findings[:8])
    if best:
        return best
    raise TeacherError(
        f"교사가 {ATTEMPTS}번 안에 쓸 수 있는 캐릭터를 쓰지 못했습니다({failed}). 다시 실행하거나, "
        "--draft 없이 만들어 직접 고치세요."
    )


def _read_draft(reply: str, name: str, level: Level) -> Character:
    start, end = reply.find("{"), reply.rfind("}")
    try:
        raw = parse_json(reply[start : end + 1].encode("utf-8", "replace"))
    except CardFault as error:
        raise CharacterError(f"JSON 객체가 아닙니다. {error}") from error
    speech = raw.get("speech")
    level_kept = {**speech, "level": level} if isinstance(speech, dict) else {"level": level}
    return as_character({**raw, "name": name, "speech": level_kept}, "초안")


def _line(text: str) -> str:
    return " ".join(normalise(text).split())


def _render(template: str, **values: str) -> str:
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    environment.filters["scalar"] = _scalar
    source = (resources.files("exagirl.persona") / template).read_text("utf-8")
    return environment.from_string(source).render(**values) + "\n"


def _scalar(text: str) -> str:
    """A text as YAML on one line, in double quotes."""
    written: str = yaml.safe_dump(text, allow_unicode=True, default_style='"', width=10**9)
    return written.removesuffix("\n")
