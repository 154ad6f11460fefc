"""The corpus' dialogues and a small tokenizer trained on them, for the training benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from exagirl.dialogue.corpus import read_subset, subset_names
from exagirl.dialogue.records import Dialogue
from exagirl.persona.system_prompt import render_system_prompt
from exagirl.recipe import load_recipe

VOCABULARY = 8192
SPECIALS = ["[PAD]", "[BOS]", "[UNK]", "[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"]


def train_tokenizer(texts: Sequence[str], vocabulary: int = VOCABULARY) -> Any:
    """A byte-level BPE with EXAONE's special tokens, as a transformers tokenizer."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="[BOS]",
        eos_token="[|endofturn|]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        extra_special_tokens=SPECIALS[3:6],
        chat_template="{{ 'the base brings a template of its own' }}",
    )


def corpus() -> list[Dialogue]:
    """All dialogues that ship for training."""
    return [d for name in subset_names() for found in read_subset(name).values() for d in found]


def system_prompt(detail: str) -> str:
    """The character 엑사 in one line, or as a recipe's ``dataset.system_prompt`` writes her."""
    if detail == "line":
        return "너는 엑사다. 친한 친구처럼 반말로 말한다."
    return render_system_prompt(load_recipe("exa-2.4b").character, detail=detail)  # type: ignore[arg-type]
