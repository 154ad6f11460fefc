"""What merging costs at the true size of EXAONE 3.5: memory, and time beside copying the files.

Run: python benchmarks/export.py [--model 2.4b|7.8b] [--repeats 3] [--folder DIR] [--no-peft]
Claims: `merge_adapter` of an adapter with r = 256 on attention needs at most 1.5 GB of memory, its
verification included, and without its verification at most 2.5 times as long as copying the same
files and syncing them. Prints a Markdown table for RESULTS.md (medians; in every repeat all ways
after one another, one process a way); exits 1 when a claim does not hold.

The checkpoint is random, in the names, shapes, dtype (bfloat16) and sharding of the published one,
written tensor by tensor; the adapter is float32, as training saves it. Beside it: peft's
merge_and_unload and save_pretrained. Every way ends when its files are on the disk. Memory is the
process's largest resident set, torch itself included (some 220 MB). Needs three times the model's
size on the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import torch
from corpus_tokens import system_prompt, train_tokenizer

from exagirl.export.merge import Baked, merge_adapter
from exagirl.export.safetensors_stream import Planned
from exagirl.export.tensor_writer import write_tensors
from exagirl.training.exaone_layout import exaone_name
from exagirl.training.train import quiet_libraries

RANK, SHARD_BYTES, SEED = 256, 5_000_000_000, 7
VOCABULARY, HEAD_COUNT, KEY_HEADS = 102_400, 32, 8
SIZES = {
    "2.4b": {"layers": 30, "hidden": 2560, "head": 80, "inner": 7168, "tied": True},
    "7.8b": {"layers": 32, "hidden": 4096, "head": 128, "inner": 14336, "tied": False},
}
CLAIMED_GB, CLAIMED_RATIO = 1.5, 2.5
Shapes = dict[str, tuple[int, ...]]


def base_shapes(size: dict[str, int]) -> Shapes:
    """The tensors of EXAONE 3.5, under its own names."""
    wide, inner, table = size["hidden"], size["inner"], (VOCABULARY, size["hidden"])
    shapes: Shapes = {"model.embed_tokens.weight": table}
    for layer in range(size["layers"]):
        start = f"model.layers.{layer}."
        shapes |= {f"{start}{norm}_layernorm.weight": (wide,) for norm in NORMS}
        shapes |= {f"{start}self_attn.{n}.weight": s for n, s in attention_shapes(size).items()}
        shapes |= {f"{start}mlp.{name}_proj.weight": (inner, wide) for name in ("gate", "up")}
        shapes[f"{start}mlp.down_proj.weight"] = (wide, inner)
    shapes["model.norm.weight"] = (wide,)
    if not size["tied"]:
        shapes["lm_head.weight"] = table
    return {exaone_name(name): shape for name, shape in shapes.items()}


NORMS = ("input", "post_attention")


def attention_shapes(size: dict[str, int]) -> dict[str, tuple[int, int]]:
    """The four layers that the adapter sits on."""
    wide, queries, keys = size["hidden"], HEAD_COUNT * size["head"], KEY_HEADS * size["head"]
    return {
        "q_proj": (queries, wide),
        "k_proj": (keys, wide),
        "v_proj": (keys, wide),
        "o_proj": (wide, queries),
    }


def write_base(folder: Path, size: dict[str, int]) -> None:
    """A random checkpoint; only one tensor is in memory."""
    folder.mkdir(parents=True)
    shards: list[Shapes] = [{}]
    for name, shape in base_shapes(size).items():
        if 2 * sum(map(torch.Size.numel, map(torch.Size, shards[-1].values()))) > SHARD_BYTES - 1e9:
            shards.append({})
        shards[-1][name] = shape
    dice = torch.Generator().manual_seed(SEED)
    places = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        plans = {name: Planned(dtype="BF16", shape=shape) for name, shape in shard.items()}
        write_tensors(folder / file, plans, ([random_weight(s, dice)] for s in shard.values()))
        places |= dict.fromkeys(shard, file)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {
        "model_type": "exaone",
        "architectures": ["ExaoneForCausalLM"],
        "activation_function": "silu",
        "vocab_size": VOCABULARY,
        "hidden_size": size["hidden"],
        "intermediate_size": size["inner"],
        "num_layers": size["layers"],
        "num_attention_heads": HEAD_COUNT,
        "num_key_value_heads": KEY_HEADS,
        "head_dim": size["head"],
        "max_position_embeddings": 32_768,
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": bool(size["tied"]),
        "bos_token_id": 1,
        "eos_token_id": 6,
        "pad_token_id": 0,
        "rope_theta": 1e6,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "LICENSE").write_text("licence\n")
    train_tokenizer([system_prompt("full")]).save_pretrained(folder)


def random_weight(shape: tuple[int, ...], dice: torch.Generator) -> torch.Tensor:
    """Norms near one, everything else small."""
    if len(shape) == 1:
        return torch.ones(shape, dtype=torch.bfloat16)
    # Random bits of a small range are ten times as quick as normal numbers.
    return torch.rand(shape, generator=dice, dtype=torch.float32).sub_(0.5).mul_(0.07).bfloat16()


def write_adapter(folder: Path, size: dict[str, int]) -> None:
    """A random adapter of r = 256 on attention, in float32."""
    folder.mkdir(parents=True)
    dice = torch.Generator().manual_seed(SEED + 1)
    shapes: Shapes = {}
    for layer in range(size["layers"]):
        for name, (rows, columns) in attention_shapes(size).items():
            start = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            shapes |= {f"{start}.lora_A.weight": (RANK, columns)}
            shapes |= {f"{start}.lora_B.weight": (rows, RANK)}

    def tensors() -> Iterator[list[torch.Tensor]]:
        for shape in shapes.values():
            yield [torch.randn(shape, generator=dice) * 0.01]

    plans = {name: Planned(dtype="F32", shape=shape) for name, shape in shapes.items()}
    write_tensors(folder / "adapter_model.safetensors", plans, tensors())
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 128}
    config |= {"target_modules": list(attention_shapes(size)), "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def copy(base: Path, adapter: Path, out: Path) -> None:
    """Copy the base's files and sync them."""
    del adapter
    out.mkdir()
    for file in base.iterdir():
        shutil.copyfile(file, out / file.name)


def merge(base: Path, adapter: Path, out: Path) -> None:
    """The library, without its verification."""
    merge_adapter(base, adapter, out, baked=Baked(default_system=SYSTEM), verify=False)


def merge_and_verify(base: Path, adapter: Path, out: Path) -> None:
    """The library as a run calls it."""
    merge_adapter(base, adapter, out, baked=Baked(default_system=SYSTEM))


def merge_with_peft(base: Path, adapter: Path, out: Path) -> None:
    """The usual way: load everything, merge, save everything."""
    from peft import PeftModel

    from exagirl.training.base_model import load_base

    model, tokenizer = load_base(base, "bfloat16")
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged.save_pretrained(out)
    tokenizer.save_pretrained(out)


SYSTEM = system_prompt("full")
WAYS: dict[str, Callable[[Path, Path, Path], None]] = {
    "copying the base's files": copy,
    "merge_adapter, verify=False": merge,
    "merge_adapter, verified": merge_and_verify,
    "peft merge_and_unload + save_pretrained": merge_with_peft,
}
COPY, MERGE, VERIFIED, PEFT = WAYS


def measure(folder: Path, way: str) -> None:
    """One way, in a process of its own; prints seconds and memory as JSON."""
    quiet_libraries()
    out = folder / "out"
    wall, cpu = time.perf_counter(), time.process_time()
    WAYS[way](folder / "base", folder / "adapter", out)
    for file in out.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**seconds, "gigabytes": peak_bytes() / 1e9}))


def peak_bytes() -> int:
    """The largest resident set of this process.

    Linux counts a parent's into ``ru_maxrss`` of the program that it starts, but not into VmHWM.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run_ways(folder: Path, ways: list[str], repeats: int) -> dict[str, dict[str, float]]:
    """Every way once, then every way again; medians."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    for repeat in range(repeats):
        for way in ways:
            command = [sys.executable, __file__, "--measure", way, "--folder", folder]
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
            shutil.rmtree(folder / "out", ignore_errors=True)
            shutil.rmtree(folder / ".out.partial", ignore_errors=True)
            if done.returncode:
                print(f"{way}: failed ({done.returncode})\n{done.stderr[-1500:]}", file=sys.stderr)
                continue
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{repeat + 1}/{repeats} {way}: {found[way][-1]}", file=sys.stderr, flush=True)
    return {
        way: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for way, runs in found.items()
        if runs
    }


def report(found: dict[str, dict[str, float]], size_bytes: int) -> int:
    """Print the table; 1 where a claim does not hold or could not be checked."""
    if COPY not in found:
        print("No claim was checked: copying failed.")
        return 1
    copied = found[COPY]["wall"]
    print("| way | seconds | times copying | GB/s | CPU seconds | peak GB |")
    print("|---|---|---|---|---|---|")
    for way, one in found.items():
        print(
            f"| {way} | {one['wall']:.1f} | {one['wall'] / copied:.2f} | "
            f"{size_bytes / 1e9 / one['wall']:.2f} | {one['cpu']:.1f} | {one['gigabytes']:.2f} |"
        )
    if MERGE not in found or VERIFIED not in found:
        print("\nNo claim was checked: merging failed.")
        return 1
    ratio = found[MERGE]["wall"] / copied
    memory = max(found[way]["gigabytes"] for way in (MERGE, VERIFIED))
    print(f"\nmerging / copying: {ratio:.2f} (claim: ≤ {CLAIMED_RATIO})")
    print(f"memory, verification included: {memory:.2f} GB (claim: ≤ {CLAIMED_GB})")
    print(f"verification: {found[VERIFIED]['wall'] - found[MERGE]['wall']:.1f} s more")
    return 0 if ratio <= CLAIMED_RATIO and memory <= CLAIMED_GB else 1


def main() -> int:
    """Write the checkpoint, measure every way and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=tuple(SIZES), default="2.4b")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files go; a temporary folder")
    parser.add_argument("--no-peft", action="store_true", help="leave peft out: it needs memory")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.folder, chosen.measure)
        return 0
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        write_base(folder / "base", SIZES[chosen.model])
        write_adapter(folder / "adapter", SIZES[chosen.model])
        size = sum(file.stat().st_size for file in (folder / "base").iterdir())
        versions = ", ".join(f"{p} {version(p)}" for p in ("torch", "transformers", "peft"))
        print(f"{versions}, {torch.get_num_threads()} threads")
        print(f"EXAONE 3.5 {chosen.model}, {size / 1e9:.2f} GB; medians of {chosen.repeats}\n")
        ways = [way for way in WAYS if way != PEFT or not chosen.no_peft]
        return report(run_ways(folder, ways, chosen.repeats), size)


if __name__ == "__main__":
    sys.exit(main())
