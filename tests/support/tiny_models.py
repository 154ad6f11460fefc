"""Tiny random models in the true layouts, made in a second, with a tokenizer of their own."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

SPECIALS = ["[PAD]", "[BOS]", "[UNK]", "[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"]
TEXT = [
    "안녕! 오늘 뭐 했어?",
    "*안경을 고쳐 쓰며* 나는 책을 읽고 있었어.",
    "너는 엑사다. 말투: 반말",
] * 20


def save_tokenizer(folder: Path) -> None:
    """A byte-level BPE with EXAONE's special tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXT, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="[BOS]",
        eos_token="[|endofturn|]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        extra_special_tokens=SPECIALS[3:6],
        chat_template="{{ 'the base brings a template of its own' }}",
    ).save_pretrained(folder)


def tiny_llama(*, tied: bool, seed: int = 0, width: int = 1) -> LlamaForCausalLM:
    """A random Llama with EXAONE's kind of RoPE scaling; ``width`` multiplies its layers' sizes."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=640,
        hidden_size=64 * width,
        intermediate_size=96 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16 * width,
        max_position_embeddings=4096,
        rms_norm_eps=1e-5,
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=6,
        pad_token_id=0,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 1e6,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 512,
        },
    )
    return LlamaForCausalLM(config).eval()


EXAONE_NAMES = (
    ("model.embed_tokens.", "transformer.wte."),
    ("model.norm.", "transformer.ln_f."),
    ("model.layers.", "transformer.h."),
    (".input_layernorm.", ".ln_1."),
    (".post_attention_layernorm.", ".ln_2."),
    (".self_attn.o_proj.", ".attn.attention.out_proj."),
    (".self_attn.", ".attn.attention."),
    (".mlp.gate_proj.", ".mlp.c_fc_0."),
    (".mlp.up_proj.", ".mlp.c_fc_1."),
    (".mlp.down_proj.", ".mlp.c_proj."),
)


def exaone_name(name: str) -> str:
    """EXAONE's name for a Llama tensor, written out independently of the product's table."""
    for ours, theirs in EXAONE_NAMES:
        name = name.replace(ours, theirs)
    return name


def save_exaone(
    folder: Path, *, tied: bool = True, shards: int = 1, seed: int = 0, width: int = 1
) -> Path:
    """A checkpoint in EXAONE 3.5's layout, whose weights are those of ``tiny_llama``."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        exaone_name(name): tensor.contiguous()
        for name, tensor in tiny_llama(tied=tied, seed=seed, width=width).state_dict().items()
        if not (tied and name == "lm_head.weight")
    }
    names = sorted(state)
    files = ["model.safetensors"] if shards == 1 else []
    files = files or [f"model-{i + 1:05d}-of-{shards:05d}.safetensors" for i in range(shards)]
    index = {}
    for position, file in enumerate(files):
        part = {name: state[name] for name in names[position :: len(files)]}
        save_file(part, folder / file, metadata={"format": "pt"})
        index.update(dict.fromkeys(part, file))
    if shards > 1:
        text = json.dumps({"metadata": {}, "weight_map": index})
        (folder / "model.safetensors.index.json").write_text(text)
    config = {
        "model_type": "exaone",
        "architectures": ["ExaoneForCausalLM"],
        "auto_map": {"AutoModelForCausalLM": "modeling_exaone.ExaoneForCausalLM"},
        "activation_function": "silu",
        "vocab_size": 640,
        "hidden_size": 64 * width,
        "intermediate_size": 96 * width,
        "num_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16 * width,
        "max_position_embeddings": 4096,
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": tied,
        "bos_token_id": 1,
        "eos_token_id": 6,
        "pad_token_id": 0,
        "rope_theta": 1e6,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 512,
        },
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "LICENSE").write_text("licence of the base\n")
    save_tokenizer(folder)
    return folder


SMALL = {
    "vocab_size": 640,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 6,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
}
ARCHITECTURES = {
    "llama": {},
    "qwen3": {},
    "gemma3_text": {"sliding_window": 32, "layer_types": ["sliding_attention", "full_attention"]},
    "exaone4": {"sliding_window": 32, "layer_types": ["sliding_attention", "full_attention"]},
    "hyperclovax": {"logits_scaling": 0.5, "embedding_multiplier": 2.0},
    "phi3": {},
    "gpt_neox": {"rotary_pct": 0.25},
}
"""Model type to what its tiny configuration needs beside ``SMALL``."""


def tiny_of(kind: str, seed: int = 0):
    """A random model of one architecture."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(kind, **{**SMALL, **ARCHITECTURES[kind]})
    return AutoModelForCausalLM.from_config(config).eval()


def save_tiny(kind: str, folder: Path):
    """A checkpoint of one architecture with a tokenizer; gives back the model that it holds."""
    model = tiny_of(kind)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return model
