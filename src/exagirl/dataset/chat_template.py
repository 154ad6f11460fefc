"""The chat template: one text that training, evaluation, chat and the saved model share."""

from __future__ import annotations

import json
from collections.abc import Container
from importlib import resources

from exagirl.errors import ModelError
from exagirl.record import Record

TEMPLATES = resources.files("exagirl.dataset") / "templates"
_BEFORE, _AFTER = "{%- set default_system = ", " -%}"


class Family(Record):
    """How one family of models writes a conversation."""

    name: str
    opener: str
    """A token that only this family's vocabulary holds."""
    stop: str
    """The token that ends a reply; it belongs to the loss. Empty: the tokenizer's eos."""


FAMILIES = (
    Family(
        name="exaone",
        opener="[|assistant|]",
        stop="[|endofturn|]",
    ),
    Family(
        name="gemma",
        opener="<start_of_turn>",
        stop="<end_of_turn>",
    ),
    Family(
        name="chatml",
        opener="<|im_start|>",
        stop="<|im_end|>",
    ),
    Family(
        name="llama3",
        opener="<|start_header_id|>",
        stop="<|eot_id|>",
    ),
)


PLAIN = Family(name="plain", opener="", stop="")
"""For pretrained bases: labels in plain words and the eos token, all of which the base has seen."""


def family_of(vocabulary: Container[str], *, is_chat_model: bool) -> Family:
    """The family whose turn marks a model has learned.

    Args:
        vocabulary: The tokenizer's tokens.
        is_chat_model: False for a pretrained base, one whose tokenizer brings no chat template:
            turn marks may stand in its vocabulary, but nothing was ever learned about them.

    Raises:
        ModelError: A chat model of a family that we do not know.
    """
    if not is_chat_model:
        return PLAIN
    for family in FAMILIES:
        if family.opener in vocabulary and family.stop in vocabulary:
            return family
    marks = ", ".join(family.opener for family in FAMILIES)
    raise ModelError(
        f"이 모델의 토크나이저에는 아는 대화 표시가 없습니다({marks} 가운데 하나가 있어야 합니다). "
        "EXAONE, Gemma, Qwen, Llama 3 계열의 모델을 training.base에 적어 주세요."
    )


def bake_template(family: Family, default_system: str) -> str:
    """The family's template with the character as its default system prompt.

    A conversation that brings its own system message replaces it. The text stands in the template
    as one quoted literal, so quotes, apostrophes, backslashes and braces in it are only text.
    """
    body = (TEMPLATES / f"{family.name}.jinja").read_text("utf-8").rstrip("\n")
    literal = json.dumps(default_system, ensure_ascii=False)
    return f"{_BEFORE}{literal}{_AFTER}\n{body}"


def baked_system(template: str) -> str | None:
    """The default system prompt that `bake_template` put into a template.

    Returns:
        None for a template that is not ours.
    """
    line = template.partition("\n")[0].rstrip("\r")
    if not (line.startswith(_BEFORE) and line.endswith(_AFTER)):
        return None
    try:
        literal = json.loads(line.removeprefix(_BEFORE).removesuffix(_AFTER))
    except ValueError:
        return None
    return literal if isinstance(literal, str) else None
