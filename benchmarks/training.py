"""How fast one LoRA stage learns on a CPU: the original's way (TRL) against ours.

Run: pip install --no-deps --target /tmp/trl trl   (kept out of the project's environment)
     python benchmarks/training.py --trl /tmp/trl [--trl /tmp/another-trl] [--dialogues 500]
                                   [--repeats 3] [--system line|brief|full] [--ways REGEX]
Claims: `train_stage` learns at least 1.7 times as many reply tokens a CPU second as TRL's
SFTTrainer at batch 1 x 16, and at equal data order its loss per token is that of TRL with
`assistant_only_loss` to 1e-3. Prints a Markdown table for RESULTS.md (medians, all ways in one
run, one process and one thread a way); exits 1 when a claim does not hold. Of several TRLs the
first is the one that claims are checked against.

Every way gets the same conversations, the same random Llama with the same fresh adapter (r = 256
on attention), AdamW at a constant rate, and 16 dialogues a step in the same order, the seeded one
of transformers' Trainer. A step of 4 x 4 is cut from the same 16 dialogues. What is timed goes from
messages to the last step, so tokenising is in it on both sides; curves, files and validation are
not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from corpus_tokens import VOCABULARY, corpus, system_prompt, train_tokenizer
from datasets import Dataset
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from exagirl.chatmodel.encoding import HIDDEN, Encoded, encode_conversation
from exagirl.chatmodel.reply_loss import reply_loss, total_loss
from exagirl.dialogue.corpus import read_heldout, subset_names
from exagirl.dialogue.records import Dialogue
from exagirl.progress import Nobody
from exagirl.training.base_model import give_template
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions, StageOptions
from exagirl.training.stage import Student, train_stage
from exagirl.training.train import quiet_libraries

Messages = list[dict[str, str]]
Way = dict[str, Any]
Job = dict[str, Any]
Pupil = tuple[Any, Any]
"""A model with its adapter, and its tokenizer."""
Runs = dict[str, list[dict[str, float]]]

TRL_WAYS: dict[str, Way] = {
    "all tokens, 1 × 16 (the original's way)": {"engine": "trl"},
    "replies only, 1 × 16": {"engine": "trl", "replies": True},
    "all tokens, 1 × 16, checkpointing (its default)": {"engine": "trl", "checkpoint": True},
}
STAGE_WAYS: dict[str, Way] = {
    "train_stage, 1 × 16": {"engine": "stage"},
    "train_stage, 4 × 4": {"engine": "stage", "micro": 4},
}
LOOP_WAYS: dict[str, Way] = {
    "loop, logits everywhere, 1 × 16": {"engine": "loop", "everywhere": True},
    "loop, at labels, 1 × 16": {"engine": "loop"},
    "loop, at labels, 4 × 4 by length": {"engine": "loop", "micro": 4},
}
CLAIMED_RATIO, CLAIMED_DIFFERENCE = 1.7, 1e-3
ROWS_A_STEP, RANK, RATE, SEED = 16, 256, 1e-4, 7
NO_TRL = (
    "Without trl its rows are missing and no claim can be checked. Install it beside the "
    "project: pip install --no-deps --target /tmp/trl trl, then add: --trl /tmp/trl"
)


def short_dialogues(dialogues: Sequence[Dialogue], count: int, system: str) -> list[Messages]:
    """Cut dialogues into pieces of 2 to 4 exchanges; no turn is used twice."""
    dice = random.Random(SEED)
    pieces: list[Messages] = []
    for dialogue in dialogues:
        turns = [turn.model_dump() for turn in dialogue.turns]
        while len(turns) >= 4 and turns[0]["role"] == "user":
            length = 2 * dice.randint(2, 4)
            pieces.append([{"role": "system", "content": system}, *turns[:length]])
            turns = turns[length:]
    if len(pieces) < count:
        sys.exit(f"The corpus gives {len(pieces)} short dialogues, fewer than {count}.")
    return dice.sample(pieces, count)


def prepare(folder: Path, count: int, detail: str) -> dict[str, int]:
    """Write the tokenizer and the conversations that every way reads; say how large they are."""
    system = system_prompt(detail)
    dialogues = corpus()
    texts = [turn.content for d in dialogues for turn in d.turns]
    tokenizer = give_template(train_tokenizer([system, *texts]), system)
    tokenizer.save_pretrained(folder)
    train = short_dialogues(dialogues, count, system)
    heldout = [d for name in subset_names() for d in read_heldout(name)]
    job = {
        "train": train,
        "validation": short_dialogues(heldout, min(40, len(heldout)), system),
        # The first epoch of accelerate's SeedableRandomSampler, which every Trainer here uses.
        "order": torch.randperm(count, generator=torch.Generator().manual_seed(SEED)).tolist(),
    }
    (folder / "job.json").write_text(json.dumps(job, ensure_ascii=False), encoding="utf-8")
    rows = [encode_conversation(tokenizer, messages) for messages in train]
    return {"tokens": sum(len(r.token_ids) for r in rows), "replies": sum(map(labels_of, rows))}


def labels_of(row: Encoded) -> int:
    """How many reply tokens a row has."""
    return sum(label != HIDDEN for label in row.labels)


def fresh_pupil(folder: Path) -> Pupil:
    """The random Llama with a fresh adapter, and the tokenizer."""
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=6,
        pad_token_id=0,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )
    model = add_adapter(LlamaForCausalLM(config), LoraOptions(rank=RANK, alpha=128), SEED)
    return model, AutoTokenizer.from_pretrained(folder)


class Clock(Nobody):
    """The seconds from its making to the last step that it was told of."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        self.seconds: dict[str, float] = {}

    def advance(self, steps: int = 1, note: str = "") -> None:
        """A step is done."""
        del steps, note
        self.seconds["cpu"] = time.process_time() - self._cpu
        self.seconds["wall"] = time.perf_counter() - self._wall


def learn_with_trl(pupil: Pupil, job: Job, clock: Clock, **options: Any) -> float:
    """TRL's SFTTrainer on messages; returns the mean loss of its steps."""
    from trl import SFTConfig, SFTTrainer  # from the folder given with --trl

    arguments = SFTConfig(
        output_dir=job["output"],
        per_device_train_batch_size=1,
        gradient_accumulation_steps=ROWS_A_STEP,
        num_train_epochs=1,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        max_length=None,
        assistant_only_loss=options.get("replies", False),
        gradient_checkpointing=options.get("checkpoint", False),
        bf16=False,
        seed=SEED,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    rows = Dataset.from_list([{"messages": messages} for messages in job["train"]])
    trainer = SFTTrainer(
        model=pupil[0], args=arguments, train_dataset=rows, processing_class=pupil[1]
    )
    outcome = trainer.train()
    clock.advance()
    return float(outcome.training_loss)


def learn_with_stage(pupil: Pupil, job: Job, clock: Clock, **options: Any) -> float:
    """The library's own stage, called as a recipe would."""
    micro = options.get("micro", 1)
    stage = StageOptions(
        name="benchmark",
        data="corpus",
        learning_rate=RATE,
        scheduler="constant",
        batch_size=micro,
        gradient_accumulation=ROWS_A_STEP // micro,
    )
    conversations = {"train": job["train"], "validation": job["validation"][:1]}
    student = Student(*pupil, 4096)
    folder = Path(job["output"])
    outcome = train_stage(student, stage, conversations, seed=SEED, folder=folder, watcher=clock)
    return outcome.train_loss


def learn_in_a_loop(pupil: Pupil, job: Job, clock: Clock, **options: Any) -> float:
    """A small loop on accelerate; the dialogues of a step are sorted by length and cut."""
    model, tokenizer = pupil
    encoded = [encode_conversation(tokenizer, messages) for messages in job["train"]]
    rows = [encoded[position] for position in job["order"]]
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    accelerator = Accelerator(cpu=True)
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0, fused=True)
    model, optimizer = accelerator.prepare(model.train(), optimizer)
    losses = []
    for start in range(0, len(rows), ROWS_A_STEP):
        step = sorted(rows[start : start + ROWS_A_STEP], key=lambda row: len(row.token_ids))
        count = sum(map(labels_of, step))
        total = torch.zeros(())
        for batch in batches(step, options.get("micro", 1)):
            nats = summed_loss(model, batch, everywhere=options.get("everywhere", False)) / count
            accelerator.backward(nats)
            total += nats.detach()
        accelerator.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total.item())
        clock.advance()
    return statistics.fmean(losses)


def batches(rows: Sequence[Encoded], size: int) -> Iterator[dict[str, torch.Tensor]]:
    """Rows padded on the right, ``size`` at a time."""

    def padded(pieces: Iterable[Sequence[int]], filler: int) -> torch.Tensor:
        tensors = [torch.tensor(piece) for piece in pieces]
        return pad_sequence(tensors, batch_first=True, padding_value=filler)

    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        yield {
            "input_ids": padded((row.token_ids for row in part), 0),
            "labels": padded((row.labels for row in part), HIDDEN),
            "attention_mask": padded(([1] * len(row.token_ids) for row in part), 0),
        }


def summed_loss(model: Any, batch: dict[str, torch.Tensor], *, everywhere: bool) -> torch.Tensor:
    """Nats over the labels of a batch, with logits at every position or only at the labels."""
    if not everywhere:
        return reply_loss(model, batch["input_ids"], batch["labels"], batch["attention_mask"])[0]
    logits = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
    ).logits
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1),
        batch["labels"][:, 1:].flatten(),
        ignore_index=HIDDEN,
        reduction="sum",
    )


ENGINES: dict[str, Callable[..., float]] = {
    "trl": learn_with_trl,
    "stage": learn_with_stage,
    "loop": learn_in_a_loop,
}


def measure(folder: Path, way: Way) -> None:
    """One way, in a process of its own; prints seconds, losses and peak memory as JSON."""
    quiet_libraries()
    torch.set_num_threads(1)
    learn = ENGINES[way.pop("engine")]
    if "trl" in way:
        sys.path.append(way.pop("trl"))
        from trl import SFTTrainer  # noqa: F401  (loading it is no part of training)
    pupil = fresh_pupil(folder)
    job = json.loads((folder / "job.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as output:
        clock = Clock()
        loss = learn(pupil, {**job, "output": output}, clock, **way)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    rows = [encode_conversation(pupil[1], messages) for messages in job["validation"]]
    after = total_loss(pupil[0].eval(), rows).per_token
    print(json.dumps({**clock.seconds, "loss": loss, "after": after, "megabytes": peak}))


def run_ways(folder: Path, ways: dict[str, Way], repeats: int) -> Runs:
    """Every way once, then every way again, so that a busy minute does not hit one way alone."""
    calm = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    env = {**os.environ, **calm}
    found: Runs = {name: [] for name in ways}
    for repeat in range(repeats):
        for name, way in ways.items():
            command = [sys.executable, __file__, "--measure", json.dumps(way), "--folder", folder]
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
            if done.returncode:
                print(f"{name}: failed\n{done.stderr[-1500:]}", file=sys.stderr)
                continue
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{repeat + 1}/{repeats} {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    return {name: runs for name, runs in found.items() if runs}


def report(found: Runs, replies: int) -> int:
    """Print the table; 1 where a claim does not hold or could not be checked."""
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in found.items()
    }
    rate = {name: replies / one["cpu"] for name, one in middle.items()}
    original, same_labels = (
        next((name for name in middle if name.endswith(way)), "") for way in list(TRL_WAYS)[:2]
    )
    print(
        "| way | reply tokens / CPU s | ratio | least – most | reply tokens / wall s"
        " | training loss | held-out reply loss | peak MB |\n|---|---|---|---|---|---|---|---|"
    )
    for name, one in middle.items():
        ratio = f"{rate[name] / rate[original]:.2f}" if original else "–"
        spread = sorted(replies / run["cpu"] for run in found[name])
        print(
            f"| {name} | {rate[name]:.0f} | {ratio} | {spread[0]:.0f} – {spread[-1]:.0f}"
            f" | {replies / one['wall']:.0f} | {one['loss']:.4f} | {one['after']:.4f}"
            f" | {one['megabytes']:.0f} |"
        )
    ours = [name for name in STAGE_WAYS if name in middle]
    if not ours or not original or not same_labels:
        print("\nNo claim was checked: a side is missing.")
        return 1
    best = max(rate[name] for name in ours) / rate[original]
    difference = max(abs(middle[name]["loss"] - middle[same_labels]["loss"]) for name in ours)
    print(f"\ntrain_stage / the original's way: {best:.2f} (claim: ≥ {CLAIMED_RATIO})")
    print(f"largest difference of loss from TRL on replies: {difference:.1e} (claim: ≤ 1e-3)")
    return 0 if best >= CLAIMED_RATIO and difference <= CLAIMED_DIFFERENCE else 1


def trl_ways(folder: str) -> dict[str, Way]:
    """The ways of the TRL that is installed in a folder."""
    found = [d.version for d in distributions(path=[folder]) if d.name == "trl"]
    if not found:
        sys.exit(f"{folder}: no trl there. {NO_TRL}")
    return {f"TRL {found[0]}, {name}": {**way, "trl": folder} for name, way in TRL_WAYS.items()}


def main() -> int:
    """Measure every way and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trl", action="append", default=[], help="a folder with trl in it")
    parser.add_argument("--dialogues", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--system", choices=("line", "brief", "full"), default="line")
    parser.add_argument("--ways", default="", help="only ways whose names match")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.folder, json.loads(chosen.measure))
        return 0
    if not chosen.trl:
        print(NO_TRL, file=sys.stderr)
    ways = {name: way for trl in chosen.trl for name, way in trl_ways(trl).items()}
    ways = {
        n: w for n, w in {**ways, **STAGE_WAYS, **LOOP_WAYS}.items() if re.search(chosen.ways, n)
    }
    with tempfile.TemporaryDirectory() as folder:
        size = prepare(Path(folder), chosen.dialogues, chosen.system)
        print(
            ", ".join(f"{p} {version(p)}" for p in ("torch", "transformers", "peft", "accelerate"))
        )
        print(
            f"{chosen.dialogues} dialogues, system prompt: {chosen.system}, {size['tokens']:,} "
            f"tokens, {size['replies']:,} of them in replies; medians of {chosen.repeats}\n"
        )
        return report(run_ways(Path(folder), ways, chosen.repeats), size["replies"])


if __name__ == "__main__":
    sys.exit(main())
