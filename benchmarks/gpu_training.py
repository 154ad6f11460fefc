"""What every switch of LoRA training gives on a CUDA machine: EXAONE's shapes, real lengths.

Run: python benchmarks/gpu_training.py [--shape 2.4B|7.8B|both] [--ways WORD] [--dialogues 96]
                                       [--trl DIR]
     (pip install liger-kernel for its row; pip install --no-deps --target DIR trl for TRL's)
     python benchmarks/gpu_training.py --device cpu --tiny     tries every switch that works there
Claims: at least 3 times the original's tokens a second, and at least 40 % of the matmul rate that
is measured there. Prints a Markdown table for RESULTS.md, one process a row, row by row.

Weights are random, made on the device; nothing is downloaded. A dialogue has the length of one of
the corpus with the full system prompt: its tokens in a small BPE trained on the corpus, stretched
to 0.6 tokens a Hangul letter, which is about what EXAONE's tokenizer takes. Tokens a second leave
padding out. A token costs 4 N + 6 N_lora FLOP: N weights of the base's linear layers (the output
layer whole, wherever it runs), N_lora those of the adapter; attention scores and what checkpointing
computes again are not counted. An optimizer step comes after every 16 dialogues or more. `loss` is
that of 16 dialogues before any learning: rows of one dtype agree.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from corpus_tokens import train_tokenizer
from gpu_rows import (
    DIALOGUES_A_STEP,
    SEED,
    Batch,
    Row,
    attend_varlen,
    batches,
    lengths_of_corpus,
    random_rows,
)
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM

from exagirl.chatmodel.encoding import HIDDEN
from exagirl.chatmodel.reply_loss import reply_loss
from exagirl.training.base_model import give_template
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions
from exagirl.training.train import quiet_libraries

SHAPES = {
    "2.4B": {"layers": 30, "hidden": 2560, "head": 80, "ffn": 7168, "tied": True},
    "7.8B": {"layers": 32, "hidden": 4096, "head": 128, "ffn": 14336, "tied": False},
    "tiny": {"layers": 2, "hidden": 64, "head": 16, "ffn": 128, "tied": True},
}
RATE = 1e-4
CLAIMED_RATIO, CLAIMED_SHARE = 3.0, 0.4


class Way(NamedTuple):
    """One setting of all switches."""

    loss: str = "ours"
    """everywhere | labels | ours (the library's fused one) | liger"""
    rows: str = "one"
    """one | padded (on the right, so causal attention needs no mask) | masked | packed"""
    attention: str = "sdpa"
    """sdpa | flash, efficient, cudnn (its kernels) | eager | flex_attention | varlen"""
    dtype: str = "bfloat16"
    compile: bool = False
    checkpoint: bool = False
    trl: bool = False


ORIGINAL = "TRL, 1 × 16 (the original's way)"
WAYS = {
    ORIGINAL: Way(trl=True, checkpoint=True),
    "the original's settings in our loop": Way(loss="everywhere", checkpoint=True),
    "… without checkpointing": Way(loss="everywhere"),
    "… logits at the labels": Way(loss="labels"),
    "… fused loss, ours": Way(),
    "… fused loss, liger": Way(loss="liger"),
    "padded 16, mask": Way(rows="masked"),
    "padded 16, eager": Way(rows="masked", attention="eager"),
    "padded 16, no mask": Way(rows="padded"),
    "… flash kernel": Way(rows="padded", attention="flash"),
    "… memory-efficient kernel": Way(rows="padded", attention="efficient"),
    "… cuDNN kernel": Way(rows="padded", attention="cudnn"),
    "… compiled": Way(rows="padded", compile=True),
    "packed, mask from positions": Way(rows="packed"),
    "packed, flex_attention": Way(rows="packed", attention="flex_attention"),
    "packed, varlen": Way(rows="packed", attention="varlen"),
    "… and liger": Way(rows="packed", attention="varlen", loss="liger"),
    "… and compiled": Way(rows="packed", attention="varlen", compile=True),
    "… and checkpointing": Way(rows="packed", attention="varlen", checkpoint=True),
    "… in float32 (sdpa, padded)": Way(rows="padded", dtype="float32"),
}
KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}


def why_not(way: Way, device: str, trl: str) -> str:
    """Why a way cannot run here; empty where it can."""
    if way.trl and not trl:
        return "no --trl"
    if way.loss == "liger" and not (device == "cuda" and find_spec("liger_kernel")):
        return "needs CUDA and liger-kernel"
    if way.attention in ("efficient", "cudnn", "flex_attention") and device != "cuda":
        return "needs CUDA"
    return ""


class Told:
    """A causal language model whose body is told more than its tokens; for `reply_loss`."""

    def __init__(self, plain: Any, told: dict[str, Any]) -> None:
        self.config, self.lm_head = plain.config, plain.lm_head
        self.model = partial(plain.model, **told)


def nats_of(plain: Any, batch: Batch, loss: str) -> torch.Tensor:
    """The loss of a batch, summed over its labels."""
    if loss == "ours":
        told = {n: v for n, v in batch.inputs.items() if n not in ("input_ids", "attention_mask")}
        mask = batch.inputs.get("attention_mask")
        return reply_loss(Told(plain, told), batch.inputs["input_ids"], batch.labels, mask)[0]
    hidden = plain.model(**batch.inputs, use_cache=False).last_hidden_state[:, :-1]
    targets = batch.labels[:, 1:]
    if loss == "liger":
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

        weight, spoken = plain.lm_head.weight, targets != HIDDEN
        fused = LigerFusedLinearCrossEntropyLoss(reduction="sum")
        return fused(weight, hidden[spoken].to(weight.dtype), targets[spoken])
    if loss == "labels":
        hidden, targets = hidden[targets != HIDDEN], targets[targets != HIDDEN]
    logits = plain.lm_head(hidden).flatten(0, -2).float()
    return torch.nn.functional.cross_entropy(
        logits, targets.flatten(), ignore_index=HIDDEN, reduction="sum"
    )


def build(shape: str, way: Way, device: str) -> Any:
    """The random base with its adapter, r = 256 on attention, on the device."""
    facts, tiny = SHAPES[shape], shape == "tiny"
    config = LlamaConfig(
        vocab_size=640 if tiny else 102_400,
        hidden_size=facts["hidden"],
        intermediate_size=facts["ffn"],
        num_hidden_layers=facts["layers"],
        num_attention_heads=4 if tiny else 32,
        num_key_value_heads=2 if tiny else 8,
        head_dim=facts["head"],
        tie_word_embeddings=facts["tied"],
        max_position_embeddings=32_768,
        initializer_range=0.2 if tiny else 0.02,  # large enough that a leak would be seen
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 1e6,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    )
    AttentionInterface.register("varlen", attend_varlen)
    torch.manual_seed(SEED)
    with torch.device(device):
        base = LlamaForCausalLM._from_config(
            config,
            dtype=getattr(torch, way.dtype),
            attn_implementation="sdpa" if way.attention in KERNELS else way.attention,
        )
        rank = 16 if tiny else 256
        model = add_adapter(base, LoraOptions(rank=rank, alpha=rank / 2), SEED).train()
    if way.checkpoint:
        base.enable_input_require_grads()
        base.gradient_checkpointing_enable({"use_reentrant": False})
    if way.compile:
        for layer in base.model.layers:
            layer.compile(dynamic=True)
    return model


def kernel(way: Way) -> AbstractContextManager[Any]:
    """What a step runs under: the chosen kernel, or PyTorch's own choice."""
    if way.attention in KERNELS:
        return sdpa_kernel(KERNELS[way.attention])
    return nullcontext()


def wait(device: str) -> None:
    """Until the device has done all that was asked of it."""
    if device == "cuda":
        torch.cuda.synchronize()


def matmul_rate(dtype: torch.dtype, device: str) -> float:
    """FLOP a second of a large square product; the median of ten."""
    size = 8192 if device == "cuda" else 512
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    rates = []
    for _ in range(13):
        wait(device)
        started = time.perf_counter()
        left @ right
        wait(device)
        rates.append(2 * size**3 / (time.perf_counter() - started))
    return statistics.median(rates[3:])


def cost_a_token(model: Any) -> float:
    """4 N + 6 N_lora FLOP."""
    adapter = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    linear = sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "lora_" not in name
    )
    return 4.0 * linear + 6.0 * adapter


def timed(model: Any, found: Sequence[Batch], way: Way, device: str, repeats: int) -> list[float]:
    """Tokens a second of each pass over the batches, after one that is not counted."""
    plain = model.get_base_model()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0, fused=True)
    low = torch.autocast(device, torch.bfloat16, enabled=way.dtype == "bfloat16")
    rates = []
    for _ in range(repeats + 1):
        wait(device)
        started, waiting = time.perf_counter(), 0
        for number, batch in enumerate(found):
            with kernel(way):
                with low:
                    loss = nats_of(plain, batch, way.loss) / batch.replies
                loss.backward()
            waiting += batch.dialogues
            if waiting >= DIALOGUES_A_STEP or number == len(found) - 1:
                optimizer.step()
                optimizer.zero_grad()
                waiting = 0
        wait(device)
        rates.append(sum(batch.tokens for batch in found) / (time.perf_counter() - started))
    return rates[1:]


def timed_trl(model: Any, rows: Sequence[Row], trl: str, device: str) -> list[float]:
    """TRL's own loop on rows that are tokens already; every step but the first one counts."""
    sys.path.append(trl)
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    ends: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            wait(device)
            ends.append(time.perf_counter())

    arguments = SFTConfig(
        output_dir="/tmp/gpu_training_trl",
        per_device_train_batch_size=1,
        gradient_accumulation_steps=DIALOGUES_A_STEP,
        num_train_epochs=1,
        max_length=None,
        train_sampling_strategy="sequential",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=device == "cpu",
    )
    tokens = [{"input_ids": row.ids.tolist(), "labels": row.ids.tolist()} for row in rows]
    # It asks its tokenizer for the pad token; nothing is tokenised.
    tokenizer = give_template(train_tokenizer(["안녕"], vocabulary=300), "")
    SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(tokens),
        processing_class=tokenizer,
        callbacks=[Clock()],
    ).train()
    sizes = [len(row.ids) for row in rows]
    steps = [sum(sizes[i : i + DIALOGUES_A_STEP]) for i in range(0, len(rows), DIALOGUES_A_STEP)]
    return [sum(steps[1:]) / (ends[-1] - ends[0])]


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """One way on one shape, in a process of its own."""
    quiet_libraries()
    way, device, shape = Way(*job["way"]), job["device"], job["shape"]
    rows = random_rows(job["runs"], 640 if shape == "tiny" else 102_400)
    found: dict[str, Any] = {"matmul": matmul_rate(getattr(torch, way.dtype), device)}
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    model = build(shape, way, device)
    found["cost"] = cost_a_token(model)
    if way.trl:
        found["rates"] = timed_trl(model, rows, job["trl"], device)
    else:
        form = "varlen" if way.attention == "varlen" else way.rows
        few = list(batches(rows[:DIALOGUES_A_STEP], form, job["capacity"], device))
        low = torch.autocast(device, torch.bfloat16, enabled=way.dtype == "bfloat16")
        with torch.no_grad(), low, kernel(way):
            nats = sum(nats_of(model.get_base_model(), b, way.loss).item() for b in few)
        found["loss"] = nats / sum(batch.replies for batch in few)
        every = list(batches(rows, form, job["capacity"], device))
        found["rates"] = timed(model, every, way, device, job["repeats"])
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found["bytes"] = torch.cuda.max_memory_allocated() if device == "cuda" else resident
    return found


def line(name: str, found: dict[str, Any], original: float) -> str:
    """One row of the table."""
    if "why" in found:
        return f"| {name} | – | – | – | – | – | {found['why']} |"
    rate = statistics.median(found["rates"])
    share = rate * found["cost"] / found["matmul"]
    times = f"{rate / original:.2f}" if original else "–"
    loss = f"{found['loss']:.4f}" if "loss" in found else "all tokens"
    spread = f"{min(found['rates']):,.0f} – {max(found['rates']):,.0f}"
    gigabytes = found["bytes"] / 1e9
    return f"| {name} | {rate:,.0f} | {times} | {share:.0%} | {gigabytes:.1f} | {loss} | {spread} |"


def table(shape: str, common: dict[str, Any], names: Sequence[str]) -> bool:
    """Measure and print the ways on one shape; whether the claims hold."""
    columns = ("way", "tokens/s", "ratio", "of matmul", "peak GB", "loss", "spread or why not")
    print(f"\n### {shape}\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    original, against, best, share = 0.0, "nothing", 0.0, 0.0
    for name in names:
        way = WAYS[name]
        found = {"why": why_not(way, common["device"], common["trl"])}
        if not found["why"]:
            job = json.dumps({**common, "shape": shape, "way": way})
            command = [sys.executable, __file__, "--measure"]
            done = subprocess.run(command, input=job, capture_output=True, text=True, check=False)
            answer = done.stdout.splitlines()[-1:] if done.returncode == 0 else []
            last = (done.stderr.strip().splitlines() or ["no word"])[-1].replace("|", "/")
            found = json.loads(answer[0]) if answer else {"why": last[:160]}
        if "rates" in found:
            rate = statistics.median(found["rates"])
            if not original and name in list(WAYS)[:2]:
                original, against = rate, name
            best, share = max(best, rate), max(share, rate * found["cost"] / found["matmul"])
        print(line(name, found, original), flush=True)
    print(f"\nbest / {against}: {best / original if original else 0:.2f} (claim: ≥ 3)")
    print(f"largest share of the matmul rate: {share:.0%} (claim: ≥ 40 %)")
    return bool(original) and best / original >= CLAIMED_RATIO and share >= CLAIMED_SHARE


def main() -> int:
    """Measure every way on every shape."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a toy shape, to try the switches")
    parser.add_argument("--shape", choices=("2.4B", "7.8B", "both"), default="both")
    parser.add_argument("--ways", default="", help="only the ways whose name holds this word")
    parser.add_argument("--dialogues", type=int, default=96)
    parser.add_argument("--capacity", type=int, default=16_384, help="tokens of a pack")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trl", default="", help="a folder with trl in it")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(json.load(sys.stdin))))
        return 0
    if chosen.device == "cuda" and not torch.cuda.is_available():
        print("No CUDA device here: nothing was measured. To try the switches: --device cpu --tiny")
        return 1
    if chosen.device == "cpu" and not chosen.tiny:
        parser.error("--device cpu needs --tiny: the true shapes are for a GPU")
    names = [name for name in WAYS if chosen.ways in name]
    runs = lengths_of_corpus(chosen.dialogues, chosen.capacity)
    tokens = sum(size for row in runs for _, size in row)
    replies = sum(size for row in runs for spoken, size in row if spoken)
    where = torch.cuda.get_device_name() if chosen.device == "cuda" else "CPU (a trial, no figures)"
    longest = max(sum(size for _, size in row) for row in runs)
    print(f"{where}, torch {torch.__version__}")
    print(f"{len(runs)} dialogues, {tokens:,} tokens, {replies:,} in replies, longest {longest}")
    common = {name: getattr(chosen, name) for name in ("device", "trl", "capacity", "repeats")}
    shapes = ["2.4B", "7.8B"] if chosen.shape == "both" else [chosen.shape]
    shapes = ["tiny"] if chosen.tiny else shapes
    held = [table(shape, {**common, "runs": runs}, names) for shape in shapes]
    return 0 if all(held) or chosen.tiny else 1


if __name__ == "__main__":
    sys.exit(main())
