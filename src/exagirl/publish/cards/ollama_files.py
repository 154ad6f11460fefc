"""What Ollama reads beside GGUF files on the Hub: ``template``, ``system`` and ``params``.

Without them the Hub makes a template of its own from the file's, and the character in it is lost.

Source: "Use Ollama with any GGUF Model", the Hub's documentation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exagirl.errors import ModelError
from exagirl.export.gguf_tokenizer import stop_tokens
from exagirl.export.ollama import baked_family, go_template
from exagirl.training.base_model import load_tokenizer

NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "repetition_penalty": "repeat_penalty",
}
"""What transformers calls a setting, and what Ollama does."""


def ollama_files(model: Path) -> dict[str, str]:
    """The three files, by name; none for a template that cannot be put into Go's words.

    Args:
        model: The merged model's folder.
    """
    tokenizer = load_tokenizer(model)
    try:
        family, system = baked_family(tokenizer.chat_template or "")
        template = go_template(family, tokenizer.eos_token or "")
    except ModelError:
        return {}
    stops = [tokenizer.convert_ids_to_tokens(stop) for stop in stop_tokens(model, tokenizer)]
    params = json.dumps({**_sampling(model), "stop": stops}, ensure_ascii=False, indent=2)
    files = {"template": template, "params": params + "\n"}
    return files | ({"system": system} if system else {})


def _sampling(model: Path) -> dict[str, Any]:
    path = model / "generation_config.json"
    facts = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {name: facts[ours] for ours, name in NAMES.items() if facts.get(ours) is not None}
