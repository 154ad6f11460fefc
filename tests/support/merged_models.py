"""Tiny models as a merge leaves them, each of an architecture that can become GGUF."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedTokenizerFast,
)

from exagirl.artifact import seal
from exagirl.dataset.chat_template import FAMILIES, PLAIN, bake_template
from support.tiny_models import SMALL, TEXT, save_tokenizer, tiny_llama

SYSTEM = "너는 '엑사'다. \"말투\": {{반말}} \\ 끝"
FAMILY = {family.name: family for family in (*FAMILIES, PLAIN)}
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")


def save_exaone_kind(folder: Path, *, tied: bool = True, width: int = 1) -> Path:
    """EXAONE merged: a Llama with scaled RoPE, heads that share keys, EXAONE's marks."""
    model = _louder(tiny_llama(tied=tied, width=width))
    save_tokenizer(folder)
    return _finish(folder, model, "exaone", 6, SYSTEM)


def save_gemma_kind(folder: Path, system: str = SYSTEM) -> Path:
    """Gemma 3: seven layers, one of which looks at all; characters with bytes to fall back on."""
    torch.manual_seed(0)
    kinds = ["sliding_attention"] * 5 + ["full_attention", "sliding_attention"]
    sizes = SMALL | {
        "num_hidden_layers": 7,
        "tie_word_embeddings": True,
        "vocab_size": 700,
        "bos_token_id": 2,
        "eos_token_id": 1,
    }
    config = AutoConfig.for_model(
        "gemma3_text", **sizes, sliding_window=32, layer_types=kinds, query_pre_attn_scalar=16
    )
    model = _louder(AutoModelForCausalLM.from_config(config).eval())
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    bpe = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    bpe.normalizer = normalizers.Replace(" ", "▁")
    bpe.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    bpe.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=specials + [f"<0x{byte:02X}>" for byte in range(256)],
        show_progress=False,
    )
    bpe.train_from_iterator(TEXT, trainer)
    facts = json.loads(bpe.to_str())
    facts["added_tokens"] = [one for one in facts["added_tokens"] if one["id"] < len(specials)]
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(facts)),
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=specials[4:],
    ).save_pretrained(folder)
    return _finish(folder, model, "gemma", [1, 5], system)


def save_qwen_kind(folder: Path, kind: str = "qwen3") -> Path:
    """Qwen: text is cut by its own pattern, queries and keys are normed."""
    torch.manual_seed(0)
    sizes = SMALL | {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
    config = AutoConfig.for_model(kind, **sizes)
    model = _louder(AutoModelForCausalLM.from_config(config).eval())
    specials = ["<|endoftext|>", "<|im_end|>", "<|im_start|>"]
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_regex(QWEN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXT, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    ).save_pretrained(folder)
    return _finish(folder, model, "chatml", 1, SYSTEM)


def _regex(pattern):
    from tokenizers import Regex

    return Regex(pattern)


def _louder(model):
    """Larger random weights: what comes out then depends on every part, by margins that show."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.mul_(4.0)
            elif "norm" in name:
                weight.add_(torch.randn(weight.shape) * 0.2)
            else:
                weight.add_(torch.randn(weight.shape) * 0.1)
    return model


def _finish(folder, model, family, stops, system):
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["tie_word_embeddings"] = bool(model.config.tie_word_embeddings)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(bake_template(FAMILY[family], system), "utf-8")
    GenerationConfig(
        eos_token_id=stops, do_sample=True, temperature=0.7, top_p=0.9, repetition_penalty=1.1
    ).save_pretrained(folder)
    (folder / "LICENSE").write_text("licence of the base\n")
    (folder / "character.yaml").write_text("name: 엑사\n", "utf-8")
    seal(folder, "model", {"made": "for a test"})
    return folder
