"""Is the model that was written base plus adapter? Asked of the files, a few rows at a time.

Both sides compute in float32 from what is stored: the base with the adapter on its activations, and
the written folder as its own configuration says. They differ by one rounding of each weight to the
stored dtype, and by the order of float32 sums.

Tolerance: rounding to a dtype of unit roundoff u (2^-8 for bfloat16, 2^-11 for float16, 2^-24 for
float32) changes what a layer gives by at most u of its size, and the roundings of n layers are
independent, so they add up as √n. The logits' difference (root mean square, in units of their own
spread over the vocabulary) may therefore be u · √n, and never less than 1e-4 for the float32 sums.
That is 0.057 for EXAONE 3.5 2.4B (210 layers) in bfloat16, 0.007 in float16.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer

from exagirl.artifact import hash_file, read_manifest
from exagirl.chatmodel.encoding import Conversation, encode_conversation, encode_prompt
from exagirl.errors import ModelError
from exagirl.export.adapters import Adapter
from exagirl.export.model_files import Baked
from exagirl.export.safetensors_stream import DTYPES, read_checkpoint
from exagirl.export.streamed_model import StreamedModel
from exagirl.progress import Nobody, Watcher
from exagirl.record import Record, shipped_yaml
from exagirl.training.base_model import base_config, give_template, load_tokenizer
from exagirl.training.checkpoint_files import weight_files
from exagirl.training.exaone import llama_name

LINES = resources.files("exagirl.export") / "verify_lines.yaml"
SYSTEM_CHARACTERS = 200
"""How much of the system prompt the prompts hold: numbers are as well proved by a short text."""
LAST_TOKENS = 8
"""At how many tokens of each prompt the logits are compared."""
FLOOR = 1e-4


class Verification(Record):
    """How a written model compares with base plus adapter."""

    prompts: int
    tokens: int
    difference: float
    """Root mean square of the logits' differences, over that of the logits' spread."""
    tolerance: float
    largest: float
    """The largest difference of one logit."""
    same_choice: float
    """Share of the places where both find the same token the likeliest."""
    seconds: float


def verify_merged(
    base: Path,
    adapters: Sequence[Adapter],
    folder: Path,
    baked: Baked,
    *,
    watcher: Watcher | None = None,
) -> Verification:
    """Compare a merged model's folder with the base and adapters that it was made from.

    No model is in memory: each is read once, a few rows at a time.

    Args:
        base: The base's folder.
        adapters: As `read_adapters` gives them.
        folder: The merged model; where it has a manifest, its files are compared with that first.
        baked: How it was written; its system prompt stands in the template.
        watcher: Told about the passes.

    Raises:
        ModelError: Files were changed, the template gives other tokens than training saw, or the
            logits differ by more than the tolerance; the message says what and where.
    """
    watcher, began = watcher or Nobody(), time.perf_counter()
    watcher.start("합친 모델 확인", 3)
    check_files(folder)
    tokenizer = check_template(base, folder, baked.default_system)
    watcher.advance(note="대화 서식")
    prompts = _prompts(tokenizer, baked.default_system)
    reference = _open(base, base_config(base), adapters)
    expected = reference.logits(prompts, LAST_TOKENS)
    watcher.advance(note="기본 모델 + 어댑터")
    written = _open(folder, own_config(folder))
    found = written.logits(prompts, LAST_TOKENS)
    watcher.advance(note="합친 모델")
    compared = compare_logits(torch.cat(expected), torch.cat(found))
    tolerance = tolerance_of(written)
    if not compared["difference"] <= tolerance:
        where = _first_lost(reference.traces, written.traces, tolerance)
        raise ModelError(
            f"{folder}: 합친 모델이 기본 모델 + 어댑터와 다르게 답합니다. 로짓 차이 "
            f"{compared['difference']:.2g}(허용 {tolerance:.2g}), 가장 큰 차이 "
            f"{compared['largest']:.3g}, 처음 달라진 층: {where}. 이 폴더는 지웁니다. 기본 모델과 "
            "어댑터가 학습 때의 것인지, 디스크가 온전한지 보고 다시 실행하세요."
        )
    watcher.finish(f"로짓 차이 {compared['difference']:.1e}, 허용 {tolerance:.1e}")
    return Verification(
        prompts=len(prompts),
        tokens=sum(map(len, prompts)),
        tolerance=tolerance,
        seconds=time.perf_counter() - began,
        **compared,
    )


def check_files(folder: Path) -> None:
    """Compare the files of a finished folder with its manifest; one without a manifest passes.

    Raises:
        ModelError: A file is absent or was changed; it is named.
    """
    manifest = read_manifest(folder)
    for name, record in manifest.files.items() if manifest else ():
        file = folder / name
        if not file.is_file():
            raise ModelError(f"{file}: 파일이 없습니다. 'exagirl merge'로 다시 만드세요.")
        if file.stat().st_size != record.size or hash_file(file) != record.sha256:
            raise ModelError(
                f"{file}: 만든 뒤에 내용이 바뀌었습니다(manifest의 SHA-256과 다름). 'exagirl "
                "merge'로 다시 만드세요."
            )


def check_template(base: Path, folder: Path, default_system: str) -> Any:
    """Make sure that the saved tokenizer gives the tokens that training saw.

    Returns:
        The saved tokenizer.

    Raises:
        ModelError: It cannot be read, or encodes a conversation differently.
    """
    trained = give_template(load_tokenizer(base), default_system)
    try:
        saved = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder}: 저장한 토크나이저를 읽을 수 없습니다({error}).") from error
    turns = _conversation()
    own = [{"role": "system", "content": default_system or "너는 다른 사람이다."}, *turns]
    other = [{"role": "system", "content": "너는 '나'다.\n{{ 끝 }}"}, *turns]
    pairs = [("시스템 메시지가 있는", own, own), ("시스템 메시지를 바꾼", other, other)]
    if default_system:
        pairs.append(("시스템 메시지가 없는", own, turns))
    for what, seen, given in pairs:
        place = _first_other(_tokens(trained, seen), _tokens(saved, given))
        if place is not None:
            raise ModelError(
                f"{folder}: {what} 대화가 학습 때와 다른 토큰이 됩니다({place}번째 토큰부터). "
                "저장한 chat_template.jinja나 토크나이저 파일이 학습 때의 것과 다릅니다. 다시 "
                "만드세요."
            )
    return saved


def _tokens(tokenizer: Any, messages: Conversation) -> list[int]:
    """A conversation as training encodes it, then as a prompt for its last turn."""
    encoded = encode_conversation(tokenizer, messages)
    return [*encoded.token_ids, *encoded.labels, *encode_prompt(tokenizer, messages[:-1])]


def _first_other(one: Sequence[int], two: Sequence[int]) -> int | None:
    if list(one) == list(two):
        return None
    pairs = zip(one, two, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))


def own_config(folder: Path) -> Any:
    """What a written folder says of itself, read as its users will read it."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    return base_config(folder) if config.model_type == "exaone" else config


def tolerance_of(model: StreamedModel) -> float:
    """How far the logits of a written model may be from those of base plus adapter."""
    spacings = [torch.finfo(DTYPES[s.dtype]).eps for s in model.stored.values() if s.is_float]
    roundoff = float(max(spacings)) / 2
    return max(FLOOR, roundoff * math.sqrt(len(model.traces)))


def compare_logits(expected: Tensor, found: Tensor) -> dict[str, float]:
    """Differences of logits of shape (places, vocabulary); NaN where one is no number."""
    spread = expected - expected.mean(dim=-1, keepdim=True)
    apart = found - expected
    return {
        "difference": float(apart.square().mean().sqrt() / spread.square().mean().sqrt()),
        "largest": float(apart.abs().max()),
        "same_choice": float((expected.argmax(-1) == found.argmax(-1)).float().mean()),
    }


def _conversation() -> list[dict[str, str]]:
    """The lines, each answered by the next."""
    lines = shipped_yaml(LINES.read_text("utf-8"))
    roles = ("user", "assistant")
    turns = [{"role": roles[n % 2], "content": line} for n, line in enumerate(lines)]
    return turns if len(turns) % 2 == 0 else [*turns, {"role": "assistant", "content": lines[0]}]


def _prompts(tokenizer: Any, default_system: str) -> list[list[int]]:
    head = default_system[:SYSTEM_CHARACTERS]
    system = [{"role": "system", "content": head}] if head else []
    lines = shipped_yaml(LINES.read_text("utf-8"))
    return [encode_prompt(tokenizer, [*system, {"role": "user", "content": x}]) for x in lines]


def _open(folder: Path, config: Any, adapters: Sequence[Adapter] = ()) -> StreamedModel:
    stored = read_checkpoint(weight_files(folder))
    renamed = {llama_name(name): tensor for name, tensor in stored.items()}
    return StreamedModel(folder, config, renamed, adapters)


def _first_lost(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], tolerance: float
) -> str:
    """The first layer whose output is off by more than rounding explains."""
    for name, one in expected.items():
        if name not in found or found[name].shape != one.shape:
            return name
        apart = (found[name] - one).norm() / one.norm()
        if not apart <= tolerance:
            return name
    return "출력 층"
