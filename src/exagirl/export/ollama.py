"""A Modelfile with which Ollama speaks as the merged model does."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from exagirl.artifact import write_text
from exagirl.dataset.chat_template import FAMILIES, PLAIN, TEMPLATES, Family
from exagirl.errors import ModelError
from exagirl.export.gguf_tokenizer import stop_tokens
from exagirl.export.papers import licence_files
from exagirl.record import shipped_yaml
from exagirl.training.base_model import load_tokenizer, read_config

SETTING = "{%- set default_system = "
QUOTES = '"""'
MOST_CONTEXT = 8192
"""Ollama sets the context's memory aside at once; more is the user's choice."""


def baked_family(template: str) -> tuple[Family, str]:
    """Which family's chat template a merged model carries, and its default system prompt.

    Raises:
        ModelError: It is not one of the templates that `bake_template` writes.
    """
    head, _, body = template.partition("\n")
    if head.startswith(SETTING):
        system, _ = json.JSONDecoder().raw_decode(head.removeprefix(SETTING))
        for family in (*FAMILIES, PLAIN):
            own = (TEMPLATES / f"{family.name}.jinja").read_text("utf-8")
            if own.strip() == body.strip():
                return family, str(system)
    raise ModelError(
        "이 모델의 chat_template은 exagirl이 쓴 것이 아니라 Ollama의 것으로 옮길 수 없습니다. "
        "exagirl merge로 모델을 다시 합치세요."
    )


def go_template(family: Family, eos: str) -> str:
    """The family's chat template in Go's words; it renders the same bytes.

    Args:
        family: From `baked_family`.
        eos: The token that ends a reply where the family has none of its own.

    Raises:
        ModelError: The family has not been put into Go's words.
    """
    text = (resources.files("exagirl.export") / "ollama_templates.yaml").read_text("utf-8")
    known = shipped_yaml(text)
    if family.name not in known:
        raise ModelError(
            f"{family.name} 계열의 대화 서식은 Ollama의 것으로 옮길 수 없습니다. 되는 계열: "
            f"{', '.join(known)}. --to gguf는 됩니다."
        )
    template = str(known[family.name]).rstrip("\n")
    return template.replace("EOS", _in_go(eos)) if family == PLAIN else template


def _in_go(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def write_modelfile(model: Path, folder: Path, gguf: str) -> Path:
    """Write ``Modelfile`` beside a GGUF file.

    Args:
        model: The merged model's folder: its template, its sampling, its licence.
        folder: Where the GGUF file lies.
        gguf: The GGUF file's name.

    Raises:
        ModelError: The template is not ours, or a text cannot stand in a Modelfile.
    """
    tokenizer = load_tokenizer(model)
    family, system = baked_family(tokenizer.chat_template)
    stops = [tokenizer.convert_ids_to_tokens(stop) for stop in stop_tokens(model, tokenizer)]
    parts = [
        f"FROM ./{gguf}",
        f"TEMPLATE {_quoted('chat_template', go_template(family, tokenizer.eos_token or ''))}",
        f"SYSTEM {_quoted('시스템 프롬프트', system)}" if system else "",
        "\n".join(f"PARAMETER {name} {value}" for name, value in _parameters(model)),
        "\n".join(f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops),
    ]
    for path in licence_files(model):
        text = path.read_text("utf-8", errors="replace")
        parts.append(f"LICENSE {_quoted(path.name, text)}")
    return write_text(folder / "Modelfile", "\n\n".join(part for part in parts if part) + "\n")


def _quoted(what: str, text: str) -> str:
    if QUOTES in text:
        raise ModelError(
            f"{what}에 따옴표 세 개({QUOTES})가 이어져 있어 Modelfile에 담을 수 없습니다. 캐릭터의 "
            "글에서 그 부분을 고친 뒤 다시 합치세요."
        )
    return f"{QUOTES}{text}{QUOTES}"


def _parameters(model: Path) -> list[tuple[str, Any]]:
    path = model / "generation_config.json"
    facts = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    names = {"temperature": "temperature", "top_p": "top_p", "repetition_penalty": "repeat_penalty"}
    found = [(theirs, facts[ours]) for ours, theirs in names.items() if facts.get(ours) is not None]
    context = min(MOST_CONTEXT, int(read_config(model)["max_position_embeddings"]))
    return [*found, ("num_ctx", context)]
