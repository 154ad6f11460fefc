"""Whether a GGUF file speaks as the model it was made from: both answer, both are compared.

Both continue the same prompts with the likeliest token each time. Equal numbers in another order of
summation can tip a choice between two words that are as good as equally likely, so what counts is
not only how many tokens agree, but how much worse the first other token is: the gap, the difference
of the reference's log-probabilities of its own choice and of llama.cpp's, in nats. After the first
other token the two stand in different contexts, and nothing more can be compared.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import GenerationConfig

from exagirl.chatmodel.encoding import encode_prompt
from exagirl.errors import ModelError
from exagirl.export.gguf_run import LlamaCpp
from exagirl.export.gguf_tokenizer import stop_tokens
from exagirl.export.gguf_types import Quant
from exagirl.export.safetensors_stream import read_checkpoint
from exagirl.progress import Nobody, Watcher
from exagirl.record import Record, shipped_yaml
from exagirl.training.base_model import load_base
from exagirl.training.checkpoint_files import weight_files
from exagirl.training.memory.machine import main_memory

REPLY_TOKENS = 24
"""How far the replies are followed."""
ROOM = 1.2
"""How much more than its weights an opened model takes."""


class Reference(Record):
    """What transformers says in float32 to each prompt."""

    prompts: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    """The prompts as the chat template renders them, without the token that begins texts."""
    replies: tuple[tuple[int, ...], ...]
    """The likeliest tokens, the one that ends a reply among them."""
    odds: tuple[Any, ...]
    """Log-probabilities of all words at every token of a reply, shape (tokens, words), float32."""
    stops: tuple[int, ...]


class Verified(Record):
    """How a GGUF file compares with its model."""

    prompts: int
    same_prompts: int
    """How many prompts llama.cpp renders and cuts into the very same tokens."""
    same_replies: int
    tokens: int
    """How many tokens the reference's replies have."""
    same_tokens: int
    """How many of them llama.cpp says, up to its first other token of a reply."""
    worst_gap_nats: float
    gap_limit_nats: float

    @property
    def is_good(self) -> bool:
        """True where every prompt is read alike and no other token is much worse."""
        return self.same_prompts == self.prompts and self.worst_gap_nats <= self.gap_limit_nats

    def tell(self) -> str:
        """The comparison in one line, for a person."""
        return (
            f"transformers와 비교: 프롬프트 {self.same_prompts}/{self.prompts}개의 토큰이 같음, "
            f"답 {self.same_replies}/{self.prompts}개가 {REPLY_TOKENS}토큰까지 같음, 토큰 "
            f"{self.same_tokens}/{self.tokens} 일치, 갈린 곳의 가장 큰 차이 "
            f"{self.worst_gap_nats:.3f} nats(한도 {self.gap_limit_nats})"
        )


class _Step(NamedTuple):
    token: int
    odds: Tensor


def lines() -> list[str]:
    """What is said to both."""
    text = (resources.files("exagirl.export") / "gguf_lines.yaml").read_text("utf-8")
    return [str(line) for line in shipped_yaml(text)]


def fits_in_memory(model_dir: Path) -> bool:
    """True where the model can be opened in float32, with some room for what it computes."""
    numbers = sum(math.prod(s.shape) for s in read_checkpoint(weight_files(model_dir)).values())
    _, free_bytes = main_memory()
    return numbers * 4 * ROOM < free_bytes


def make_reference(model_dir: Path, watcher: Watcher | None = None) -> Reference:
    """Let transformers answer, in float32; the model is gone from memory afterwards."""
    watcher = watcher or Nobody()
    model, tokenizer = load_base(model_dir, "float32")
    # llama.cpp ends at more tokens than it is told to, by their names: <|endoftext|> and the like.
    stops = tuple(sorted({*stop_tokens(model_dir, tokenizer), *tokenizer.all_special_ids}))
    prompts, texts, replies, odds = [], [], [], []
    said = lines()
    watcher.start("transformers로 답하기", len(said))
    for line in said:
        messages = [{"role": "user", "content": line}]
        prompts.append(tuple(encode_prompt(tokenizer, messages)))
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        texts.append(text.removeprefix(tokenizer.bos_token or ""))
        steps = list(_follow(model, prompts[-1], stops))
        replies.append(tuple(step.token for step in steps))
        odds.append(torch.stack([step.odds for step in steps]))
        watcher.advance(note=line)
    watcher.finish()
    del model
    gc.collect()
    return Reference(
        prompts=tuple(prompts),
        texts=tuple(texts),
        replies=tuple(replies),
        odds=tuple(odds),
        stops=stops,
    )


def _follow(model: Any, prompt: Sequence[int], stops: Sequence[int]) -> Iterator[_Step]:
    # The model's own settings would sample and punish repetition.
    model.generation_config = GenerationConfig()
    ids = torch.tensor([prompt], device=model.device)
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=REPLY_TOKENS,
        do_sample=False,
        eos_token_id=list(stops),
        pad_token_id=stops[0],
        output_logits=True,
        return_dict_in_generate=True,
    )
    for token, logits in zip(out.sequences[0, len(prompt) :].tolist(), out.logits, strict=True):
        yield _Step(token, logits[0].float().log_softmax(-1).cpu())


def verify(
    path: Path, reference: Reference, quant: Quant, watcher: Watcher | None = None
) -> Verified:
    """Run a GGUF file and compare.

    Args:
        path: The file.
        reference: From `make_reference`.
        quant: Its number format, which says how large a gap may be.
        watcher: Told about every prompt.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: llama.cpp cannot run the file; or the format keeps the weights whole and it
            nevertheless reads a prompt otherwise or says something much less likely.
    """
    watcher = watcher or Nobody()
    longest = max(len(prompt) for prompt in reference.prompts)
    llama = LlamaCpp(path, context_tokens=longest + REPLY_TOKENS)
    same_prompts = same_replies = same_tokens = 0
    worst = 0.0
    watcher.start(f"llama.cpp로 답하기({quant.name})", len(reference.prompts))
    try:
        for number, line in enumerate(lines()):
            same_prompts += _reads_alike(llama, line, reference, number)
            said = llama.follow(reference.prompts[number], REPLY_TOKENS)
            wanted = reference.replies[number]
            alike, gap = compare(wanted, reference.odds[number], said, reference.stops)
            same_tokens += alike
            same_replies += alike == len(wanted)
            worst = max(worst, gap)
            watcher.advance(note=line)
    finally:
        llama.close()
    found = Verified(
        prompts=len(reference.prompts),
        same_prompts=same_prompts,
        same_replies=same_replies,
        tokens=sum(len(reply) for reply in reference.replies),
        same_tokens=same_tokens,
        worst_gap_nats=worst,
        gap_limit_nats=quant.gap_limit_nats,
    )
    watcher.finish(found.tell())
    if quant.is_exact and not found.is_good:
        raise ModelError(
            f"{path.name}: 바꾼 파일이 원래 모델과 다르게 말합니다. {found.tell()}. 이 파일은 "
            "남기지 않았습니다. 이 모델의 구조나 토크나이저가 llama.cpp의 것과 다릅니다."
        )
    return found


def _reads_alike(llama: LlamaCpp, line: str, reference: Reference, number: int) -> bool:
    text = llama.render([{"role": "user", "content": line}])
    wanted = reference.texts[number]
    return text == wanted and tuple(llama.tokenize(text)) == reference.prompts[number]


def compare(
    wanted: Sequence[int], odds: Tensor, said: Any, stops: Sequence[int]
) -> tuple[int, float]:
    """How many tokens agree from the beginning, and the gap at the first that does not.

    Args:
        wanted: The reference's reply.
        odds: Its log-probabilities, shape (tokens, words).
        said: What llama.cpp `Continued`.
        stops: The tokens that end a reply; llama.cpp does not say which one it chose.
    """
    for at, token in enumerate(wanted):
        here = odds[at]
        if at < len(said.token_ids):
            other = said.token_ids[at]
            if other != token:
                return at, float(here[token] - here[other])
        elif token not in stops:
            return at, float(here[token] - max(here[stop] for stop in stops))
    return len(wanted), 0.0
