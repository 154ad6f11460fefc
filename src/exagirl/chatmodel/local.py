"""A transformers model in this process: it replies, streams, and tells how likely a reply was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
)

from exagirl.chatmodel.encoding import (
    HIDDEN,
    Conversation,
    Encoded,
    encode_conversation,
    encode_prompt,
)
from exagirl.chatmodel.local_draw import DrawEach
from exagirl.chatmodel.local_memory import (
    PromptMemory,
    cache_name,
    has_plain_attention,
    row_of,
)
from exagirl.chatmodel.reply_loss import ReplyLoss, total_loss
from exagirl.chatmodel.sampling import Completion, Sampling
from exagirl.errors import ModelError

__all__ = ["Completion", "LocalModel", "Sampling", "best_device", "best_dtype"]


def _ending(tokens: list[int], ends: set[int], sampling: Sampling) -> dict[str, Any]:
    """How many tokens a reply has up to its end, and whether the limit cut it."""
    end = next((at for at, token in enumerate(tokens) if token in ends), None)
    count = len(tokens) if end is None else end + 1
    return {
        "completion_tokens": count,
        "is_cut": end is None and count >= sampling.max_new_tokens,
    }


def best_device() -> str:
    """``cuda``, ``mps`` or ``cpu``, the fastest that is there."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def best_dtype(device: str) -> torch.dtype:
    """bfloat16 where the device computes in it, else float32."""
    if device == "cpu":
        # Without AVX-512 BF16 or AMX the CPU imitates bfloat16 and is slower than in float32.
        fast = "avx512_bf16" in _cpu_flags() or "amx_bf16" in _cpu_flags()
        return torch.bfloat16 if fast else torch.float32
    if device == "cuda" and not torch.cuda.is_bf16_supported():
        return torch.float16
    return torch.bfloat16


def _cpu_flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class _StopOnEvent(StoppingCriteria):  # type: ignore[misc]
    def __init__(self, event: Event) -> None:
        self._event = event

    def __call__(self, input_ids: Tensor, *_: Any, **__: Any) -> Tensor:
        return torch.full((input_ids.shape[0],), self._event.is_set(), device=input_ids.device)


class LocalModel:
    """A loaded model with its tokenizer, whose chat template carries the character."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._memory = PromptMemory()
        self._has_plain_attention = has_plain_attention(model)

    @classmethod
    def load(cls, folder: Path) -> LocalModel:
        """Load a merged model from its folder, without remote code.

        Raises:
            ModelError: The folder does not hold a model that transformers can read.
        """
        device = best_device()
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=best_dtype(device))
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"{folder}: 모델을 읽을 수 없습니다({str(error).splitlines()[0][:200]}). "
                "'exagirl merge'로 다시 만드세요."
            ) from error
        return cls(model.to(device), tokenizer)

    def prompt_tokens(self, messages: Conversation) -> list[int]:
        """The exact tokens that the model is given before it speaks."""
        return encode_prompt(self._tokenizer, messages)

    def stream(
        self, messages: Conversation, sampling: Sampling, stop: Event | None = None
    ) -> Iterator[str]:
        """Yield a reply piece by piece; setting ``stop`` ends it after the running token."""
        stop = stop or Event()
        ids = torch.tensor([self.prompt_tokens(messages)], device=self._model.device)
        streamer = TextIteratorStreamer(
            self._tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=300.0
        )
        faults: list[BaseException] = []

        def work() -> None:
            try:
                self._generate(ids, torch.ones_like(ids), sampling, streamer=streamer, stop=stop)
            except BaseException as error:  # noqa: BLE001 (raised again in the reader's thread)
                faults.append(error)
                streamer.end()

        thread = Thread(target=work, daemon=True)
        thread.start()
        try:
            yield from streamer
        finally:
            stop.set()
            thread.join()
        if faults:
            raise ModelError(f"답을 만들다가 멈췄습니다({faults[0]}).") from faults[0]

    def complete(
        self,
        conversations: Sequence[Conversation],
        sampling: Sampling,
        stop: Event | None = None,
    ) -> list[Completion]:
        """One reply to each conversation, generated as one batch, with what it took."""
        prompts = [self.prompt_tokens(messages) for messages in conversations]
        ids, mask = self._padded(prompts)
        produced = self._generate(ids, mask, sampling, stop=stop)[:, ids.shape[1] :]
        return self._completions(prompts, produced, sampling)

    def draw(
        self,
        conversations: Sequence[Conversation],
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> list[Completion]:
        """One reply to each conversation, drawn with a seed of its own.

        What a reply says depends on its conversation and its seed alone, whatever else is in the
        batch, but for what rounding makes of other neighbours. What earlier batches read of a
        conversation, such as its system prompt, is not read again.

        Args:
            conversations: Generated as one batch.
            sampling: Its own seed is not used.
            seeds: One a conversation.
        """
        prompts = [self.prompt_tokens(messages) for messages in conversations]
        ids, mask = self._padded(prompts)
        drawer = [DrawEach(sampling, seeds)] if sampling.temperature > 0 else []
        likeliest = sampling.model_copy(update={"temperature": 0.0, "seed": None})
        cache = self._cache_of(prompts)
        more = {"logits_processor": LogitsProcessorList(drawer)}
        if cache is not None:
            more[cache_name(self._model)] = cache
        width = ids.shape[1]
        produced = self._generate(ids, mask, likeliest, **more)[:, width:]
        replies = self._completions(prompts, produced, sampling)
        if cache is not None:
            for row, (prompt, reply) in enumerate(zip(prompts, replies, strict=True)):
                said = [*prompt, *produced[row, : reply.completion_tokens].tolist()]
                start = width - len(prompt)
                self._memory.keep(said, row_of(cache, row, start, start + len(said)))
        return replies

    def _cache_of(self, prompts: list[list[int]]) -> Any:
        """Keys and values that a batch begins with; None where the model keeps no plain ones."""
        if not self._has_plain_attention:
            return None
        shared = self._memory.common(prompts)
        if shared:
            cache = DynamicCache()
            ids = torch.tensor([shared], device=self._model.device)
            with torch.inference_mode():
                self._model(input_ids=ids, logits_to_keep=1, **{cache_name(self._model): cache})
            self._memory.keep(shared, row_of(cache, 0, 0, len(shared)))
        known = self._memory.recall(prompts)
        return known if known is not None else DynamicCache()

    def _padded(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Prompts side by side, padded on the left, and where there is no padding."""
        width = max(map(len, prompts))
        pad = self._tokenizer.pad_token_id
        if pad is None:
            pad = self._tokenizer.eos_token_id
        ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        return ids.to(self._model.device), mask.to(self._model.device)

    def _completions(
        self, prompts: Sequence[Sequence[int]], produced: Tensor, sampling: Sampling
    ) -> list[Completion]:
        ends = self._stop_tokens()
        texts: list[str] = self._tokenizer.batch_decode(produced, skip_special_tokens=True)
        return [
            Completion(
                text=text.strip(), prompt_tokens=len(prompt), **_ending(tokens, ends, sampling)
            )
            for text, prompt, tokens in zip(texts, prompts, produced.tolist(), strict=True)
        ]

    def _stop_tokens(self) -> set[int]:
        """Tokens that end a reply."""
        found = self._model.generation_config.eos_token_id
        if found is None:
            found = self._tokenizer.eos_token_id
        return set(found) if isinstance(found, list) else {found}

    def _generate(
        self,
        ids: Tensor,
        mask: Tensor,
        sampling: Sampling,
        *,
        streamer: TextIteratorStreamer | None = None,
        stop: Event | None = None,
        **more: Any,
    ) -> Tensor:
        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)
        drawn: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            drawn = {
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": 0,
            }
        criteria = StoppingCriteriaList([_StopOnEvent(stop)]) if stop is not None else None
        with torch.inference_mode():
            produced: Tensor = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=sampling.max_new_tokens,
                repetition_penalty=sampling.repetition_penalty,
                streamer=streamer,
                stopping_criteria=criteria,
                **drawn,
                **more,
            )
        return produced

    def read_replies(self, conversations: Sequence[Conversation]) -> list[ReplyLoss]:
        """How likely the character's replies are, conversation by conversation."""
        rows = [encode_conversation(self._tokenizer, messages) for messages in conversations]
        return [total_loss(self._model, [row]) for row in rows]

    def read_texts(self, texts: Sequence[str]) -> list[ReplyLoss]:
        """How likely plain texts are, each from its first token on, outside of any conversation."""
        return [total_loss(self._model, [self._plain(text)]) for text in texts]

    def _plain(self, text: str) -> Encoded:
        """A text after the token that begins one, or where there is none, the one that ends one."""
        start = self._tokenizer.bos_token_id
        if start is None:
            start = self._tokenizer.eos_token_id
        ids = tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        return Encoded(token_ids=(start, *ids), labels=(HIDDEN, *ids))
