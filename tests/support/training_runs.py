"""Run folders with a small dataset, to train a tiny model on; also as a program that dies.

Run: python -m support.training_runs ROOT OPTIONS.json STEPS   (kills itself after so many steps)
"""

import json
import os
import random
import signal
import sys
from pathlib import Path

from exagirl.artifact import RunFolder, seal
from exagirl.progress import Nobody
from exagirl.training.options import LoraOptions, StageOptions, TrainingOptions
from exagirl.training.train import Training, train_stages

SYSTEM = "너는 엑사다. 말투: 반말"
WORDS = (
    *("안녕", "오늘", "뭐", "했어", "나는", "책을", "읽고"),
    *("있었어", "안경을", "고쳐", "쓰며", "너는", "말투", "반말"),
)


def talk(seed, exchanges):
    """A conversation of nonsense, system message first; the seed decides what is said."""
    dice = random.Random(seed)

    def line():
        return " ".join(dice.choices(WORDS, k=dice.randint(2, 9)))

    messages = [{"role": "system", "content": SYSTEM}]
    for _ in range(exchanges):
        messages.append({"role": "user", "content": line()})
        messages.append({"role": "assistant", "content": f"*{line()}* {line()}"})
    return messages


def talks(name, count):
    """Conversations of one to three exchanges."""
    return [talk(f"{name}/{number}", 1 + number % 3) for number in range(count)]


def write_dataset(folder, subsets):
    """A sealed dataset: subset name to its ``train`` and ``validation`` conversations."""
    import datasets

    datasets.disable_progress_bars()
    folder.mkdir(parents=True, exist_ok=True)
    for subset, splits in subsets.items():
        for split, conversations in splits.items():
            path = folder / subset / f"{split}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = {"messages": conversations}
            datasets.Dataset.from_dict(rows).to_parquet(str(path))
    seal(folder, "dataset", {})


def make_run(root, **sizes):
    """A run folder whose subsets have so many training conversations, and three to validate."""
    run = RunFolder(Path(root))
    subsets = {
        name: {"train": talks(name, count), "validation": talks(f"{name}/held out", 3)}
        for name, count in sizes.items()
    }
    write_dataset(run.dataset, subsets)
    return run


def options(base, *stages, **more):
    """Training in float32, with dropout, so that the random numbers count too."""
    facts = {
        "base": str(base),
        "dtype": "float32",
        "max_length": 512,
        "lora": LoraOptions(rank=4, alpha=8, dropout=0.1),
        "checkpoint_every": 2,
        "stages": stages or (stage(),),
    }
    return TrainingOptions(**facts | more)


def stage(**more):
    """Twelve steps over one subset, validated three times."""
    facts = {
        "name": "general",
        "data": "talks",
        "steps": 12,
        "learning_rate": 0.01,
        "batch_size": 2,
        "gradient_accumulation": 2,
        "warmup_ratio": 0.25,
        "validate_every": 5,
    }
    return StageOptions(**facts | more)


def train(run, chosen, watcher=None):
    """Train all stages of a run."""
    return train_stages(Training(chosen, run, SYSTEM, 7, watcher or Nobody()))


def metrics(run, name="general"):
    """The rows of a stage's ``metrics.jsonl``."""
    text = (run.adapter(name) / "metrics.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


class Heard(Nobody):
    """Remembers what it was told."""

    def __init__(self):
        self.said, self.notes, self.started, self.finished = [], [], [], []

    def start(self, title, total=None):
        """Remember a piece of work."""
        self.started.append((title, total))

    def advance(self, steps=1, note=""):
        """Remember how far it is."""
        self.notes.append((steps, note))

    def finish(self, summary=""):
        """Remember how it ended."""
        self.finished.append(summary)

    def say(self, line):
        """Remember a line."""
        self.said.append(line)


class Killer(Nobody):
    """Kills its own process after so many steps, as SIGKILL from outside would."""

    def __init__(self, steps):
        self._left = steps

    def advance(self, steps=1, note=""):
        """Count the steps of training, which carry a rate."""
        if "토큰/초" in note:
            self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Impatient(Heard):
    """Presses Ctrl-C after so many steps."""

    def __init__(self, steps):
        super().__init__()
        self._left = steps

    def advance(self, steps=1, note=""):
        """Count the steps of training, which carry a rate."""
        super().advance(steps, note)
        self._left -= "토큰/초" in note
        if self._left == 0:
            raise KeyboardInterrupt


def main():
    """Train a run folder by the options of a file; dies after so many steps."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    chosen = TrainingOptions.model_validate_json(Path(sys.argv[2]).read_text("utf-8"))
    train(RunFolder(Path(sys.argv[1])), chosen, Killer(int(sys.argv[3])))


if __name__ == "__main__":
    main()
