"""A fast tokenizer's ``tokenizer.json`` as the header fields that llama.cpp reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gguf import GGUFWriter, TokenType

from exagirl.errors import ModelError

BYTE = re.compile(r"^<0x[0-9A-F]{2}>$")
GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
EXAONE_MARK = "[|assistant|]"
SPLITS = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+": "llama-bpe",
}
"""Patterns at which text is cut before merging, and llama.cpp's names for them."""


def write_tokenizer(writer: GGUFWriter, folder: Path, tokenizer: Any, rows: int) -> None:
    """Put the vocabulary, the special tokens and the chat template into the header.

    Args:
        writer: The file.
        folder: The model's folder, with ``tokenizer.json`` and ``generation_config.json``.
        tokenizer: The same tokenizer, loaded.
        rows: How many words the embeddings have; numbers without a word get a filler.

    Raises:
        ModelError: The tokenizer is of a kind that llama.cpp would read otherwise.
    """
    path = folder / "tokenizer.json"
    if not tokenizer.chat_template:
        raise ModelError(f"{folder}: 대화 서식이 없습니다. exagirl merge로 다시 합치세요.")
    try:
        facts = json.loads(path.read_text("utf-8"))
        model, added = facts["model"], facts["added_tokens"]
        words: dict[int, str] = {number: word for word, number in model["vocab"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: 토크나이저를 읽을 수 없습니다({error}).") from error
    words |= {token["id"]: token["content"] for token in added}
    kinds = {
        token["id"]: TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED
        for token in added
    }
    if model.get("type") != "BPE":
        raise ModelError(
            f"{path}: {model.get('type')} 방식의 토크나이저는 GGUF로 바꿀 수 없습니다."
        )
    if model.get("byte_fallback"):
        _write_pieces(writer, model, words, kinds, rows)
    else:
        _write_bytes(writer, facts, words, kinds, rows)
    _write_specials(writer, folder, tokenizer)


def _write_bytes(
    writer: GGUFWriter,
    facts: Mapping[str, Any],
    words: Mapping[int, str],
    kinds: Mapping[int, TokenType],
    rows: int,
) -> None:
    """Byte-level BPE: Llama 3, Qwen, EXAONE."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut_name(facts, EXAONE_MARK in words.values()))
    writer.add_token_list([words.get(i, f"[PAD{i}]") for i in range(rows)])
    writer.add_token_types(
        [kinds.get(i, TokenType.NORMAL if i in words else TokenType.UNUSED) for i in range(rows)]
    )
    writer.add_token_merges([" ".join(pair) for pair in _merges(facts["model"])])


def _write_pieces(
    writer: GGUFWriter,
    model: Mapping[str, Any],
    words: Mapping[int, str],
    kinds: Mapping[int, TokenType],
    rows: int,
) -> None:
    """BPE of whole characters that falls back on bytes: Gemma.

    llama.cpp joins the two neighbours whose union scores highest. A merge's rank, negated, orders
    the unions as the merges do.
    """
    scores: dict[str, float] = {}
    for rank, (left, right) in enumerate(_merges(model)):
        scores.setdefault(left + right, -float(rank))
    types = []
    for number in range(rows):
        word = words.get(number)
        if word is None:
            types.append(TokenType.UNUSED)
        elif word == model.get("unk_token"):
            types.append(TokenType.UNKNOWN)
        elif BYTE.match(word):
            types.append(TokenType.BYTE)
        else:
            types.append(kinds.get(number, TokenType.NORMAL))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([words.get(i, f"[PAD{i}]") for i in range(rows)])
    writer.add_token_scores([scores.get(words.get(i, ""), 0.0) for i in range(rows)])
    writer.add_token_types(types)
    writer.add_add_space_prefix(False)


def _merges(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = [one.split(" ", 1) if isinstance(one, str) else one for one in model["merges"]]
    return [(left, right) for left, right in pairs]


def cut_name(facts: Mapping[str, Any], is_exaone: bool) -> str:
    """llama.cpp's name for the way a tokenizer cuts text into words before it merges.

    Raises:
        ModelError: llama.cpp has no such way.
    """
    outer = facts.get("pre_tokenizer") or {}
    steps = outer.get("pretokenizers", [outer])
    kinds = [step.get("type") for step in steps]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits"):
        return "exaone"
    if kinds == ["Split", "ByteLevel"]:
        name = SPLITS.get(str(steps[0].get("pattern", {}).get("Regex")))
        if name:
            return name
    if is_exaone:
        # Every published EXAONE 3.x tokenizer goes by this name in llama.cpp.
        return "exaone"
    raise ModelError(
        f"이 토크나이저가 글을 자르는 방식({', '.join(map(str, kinds))})은 llama.cpp의 것과 짝이 "
        "없어 GGUF로 바꿀 수 없습니다. EXAONE 3.x, Llama 3, Qwen, Gemma 3의 토크나이저는 됩니다."
    )


def adds_bos(tokenizer: Any) -> bool:
    """True where conversations begin with the token that begins texts."""
    begin = tokenizer.bos_token
    text = tokenizer.apply_chat_template([{"role": "user", "content": "가"}], tokenize=False)
    return bool(begin) and str(text).startswith(begin)


def plain_template(template: str) -> str:
    """The chat template without the marks that only training reads; it renders the same bytes."""
    return GENERATION.sub("", template)


def stop_tokens(folder: Path, tokenizer: Any) -> list[int]:
    """The tokens that end a reply, from the model's generation config."""
    path = folder / "generation_config.json"
    found: Any = None
    if path.is_file():
        found = json.loads(path.read_text("utf-8")).get("eos_token_id")
    if found is None:
        found = tokenizer.eos_token_id
    return list(found) if isinstance(found, list) else [int(found)]


def _write_specials(writer: GGUFWriter, folder: Path, tokenizer: Any) -> None:
    stops = stop_tokens(folder, tokenizer)
    eos = tokenizer.eos_token_id if tokenizer.eos_token_id in stops else stops[0]
    writer.add_eos_token_id(eos)
    for stop in stops:
        if stop != eos:
            writer.add_eot_token_id(stop)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    if tokenizer.unk_token_id is not None:
        writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_add_bos_token(adds_bos(tokenizer))
    writer.add_add_eos_token(False)
    writer.add_chat_template(plain_template(tokenizer.chat_template))
