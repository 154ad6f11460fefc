"""What the loss of one training step costs on the quickstart's base, way by way.

Run: python benchmarks/loss.py
Claim: the fused loss is not slower than the output layer at the labels alone, and needs less
memory; both beat logits everywhere. Prints a Markdown table for RESULTS.md (medians of three, one
process a way, all ways in one run).
"""

import json
import resource
import statistics
import subprocess
import sys
import time

WAYS = {
    "logits everywhere": {"way": "everywhere"},
    "logits at the labels": {"way": "labels"},
    "fused, float32": {"way": "fused", "dtype": "float32"},
    "fused, dropout 0.05": {"way": "fused", "dropout": 0.05},
    "fused, attention only": {"way": "fused", "targets": "attention"},
    "fused (what the quickstart does)": {"way": "fused"},
}
TOKENS, LABELS, STEPS = 450, 190, 4


def measure(way: str, dtype: str = "bfloat16", dropout: float = 0.0, targets: str = "") -> None:
    """One way, in a process of its own; prints tokens a second of each step and peak memory."""
    import torch
    from transformers import AutoModelForCausalLM

    from exagirl.chatmodel.reply_loss import reply_loss
    from exagirl.training.base_model import fetch_base
    from exagirl.training.lora import add_adapter
    from exagirl.training.options import LoraOptions
    from exagirl.training.train import quiet_libraries

    quiet_libraries()
    folder = fetch_base("gemma3-270m")
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    options = LoraOptions(rank=32, alpha=32, dropout=dropout, targets=targets or "attention+mlp")
    model = add_adapter(base, options, seed=0).train()
    ids = torch.randint(10, 200_000, (1, TOKENS), generator=torch.Generator().manual_seed(0))
    labels = torch.full_like(ids, -100)
    labels[:, -LABELS:] = ids[:, -LABELS:]
    rates = []
    for _ in range(STEPS):
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            if way == "fused":
                nats, count = reply_loss(model, ids, labels, torch.ones_like(ids))
                loss = nats / count
            elif way == "labels":
                keep = torch.arange(TOKENS - LABELS - 1, TOKENS - 1)
                logits = model(input_ids=ids, logits_to_keep=keep, use_cache=False).logits
                loss = torch.nn.functional.cross_entropy(logits[0].float(), ids[0, -LABELS:])
            else:
                loss = model(input_ids=ids, labels=labels, use_cache=False).loss
        loss.backward()
        rates.append(TOKENS / (time.perf_counter() - started))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"rates": rates[1:], "loss": loss.item(), "gigabytes": peak}))


def main() -> int:
    """Measure every way and print the table; 1 where the claim does not hold."""
    found = {}
    for name, options in WAYS.items():
        command = [sys.executable, __file__, json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
    slowest = statistics.median(found["logits everywhere"]["rates"])
    print("| way | tokens/s | ratio | peak GB | loss |\n|---|---|---|---|---|")
    for name, one in found.items():
        rate = statistics.median(one["rates"])
        row = (
            f"{rate:.0f}",
            f"{rate / slowest:.2f}",
            f"{one['gigabytes']:.1f}",
            f"{one['loss']:.3f}",
        )
        print(f"| {name} | {' | '.join(row)} |")
    fused, labels = (found[n] for n in ("fused (what the quickstart does)", "logits at the labels"))
    return 0 if fused["gigabytes"] <= labels["gigabytes"] else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(**json.loads(sys.argv[1]))
    else:
        sys.exit(main())
