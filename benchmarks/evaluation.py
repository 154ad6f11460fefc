"""How long the full report of a run takes, and whether the tuned model beats its base.

Run: python benchmarks/evaluation.py RUN_FOLDER ['{"drift_turns": 10}']
RUN_FOLDER is what 'exagirl run quickstart' left: recipe, dataset and merged model; the JSON, if
any, goes over the recipe's evaluation options. Answers are asked anew, in a folder of their own;
one judge-free report of base and tuned is made.
Claims: under 4 minutes on two free cores; the tuned model beats its base on banmal share, action
form and bits a character, with intervals that do not overlap. Prints Markdown; exits 1 when a
claim fails.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exagirl.artifact import RunFolder, read_manifest, versions
from exagirl.dataset.build import read_messages
from exagirl.evaluation.evaluate import Candidate, Hooks, Place, Subject, measure_models
from exagirl.evaluation.options import EvaluationOptions
from exagirl.evaluation.report.write import write_report
from exagirl.evaluation.scores import Evaluation, Measure
from exagirl.persona.system_prompt import render_system_prompt
from exagirl.progress import Nobody
from exagirl.recipe import LoadedRecipe, load_recipe

MINUTES = 4
MUST_BEAT = ("level", "action_form", "bits_per_character")


class Stages(Nobody):
    """Remembers how long every piece of work took."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}
        self._title, self._started = "", 0.0

    def start(self, title: str, total: int | None = None) -> None:
        """A piece of work begins."""
        self._title, self._started = f"{title} ({total})", time.perf_counter()

    def finish(self, summary: str = "") -> None:  # noqa: ARG002 (a watcher's word)
        """It ends."""
        self.took[self._title] = time.perf_counter() - self._started
        print(f"{self._title}: {self.took[self._title]:.1f} s", file=sys.stderr, flush=True)


def candidates(loaded: LoadedRecipe, run: RunFolder, system: str) -> Mapping[str, Candidate]:
    """The base under the character's template, and the merged model."""
    from exagirl.chatmodel.local import LocalModel
    from exagirl.training.base_model import give_template, load_base

    def base() -> LocalModel:
        model, tokenizer = load_base(loaded.recipe.training.base, loaded.recipe.training.dtype)
        return LocalModel(model, give_template(tokenizer, system))

    manifest = read_manifest(run.model)
    if manifest is None:
        sys.exit(f"{run.model}: no merged model")
    return {
        "base": Candidate(label="학습 전", digest=loaded.recipe.training.base, load=base),
        "tuned": Candidate(
            label="학습 후", digest=manifest.digest, load=lambda: LocalModel.load(run.model)
        ),
    }


def evaluate(run: RunFolder, changed: Mapping[str, Any], stages: Stages) -> Evaluation:
    """The full report without judges, in a folder that goes away."""
    loaded = load_recipe(str(run.root))
    recipe = loaded.recipe
    detail = recipe.dataset.system_prompt
    system = render_system_prompt(loaded.character, detail=detail)
    options = EvaluationOptions.model_validate({**recipe.evaluation.model_dump(), **changed})
    subset = recipe.evaluation.data or recipe.training.stages[-1].data
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "evaluation", Path(folder) / "answers.sqlite", {})
        subject = Subject(
            run=recipe.name,
            character=loaded.character,
            system=system,
            detail=detail,
            conversations=read_messages(run.dataset, subset, "validation"),
            options=options,
            seed=recipe.seed,
        )
        return measure_models(
            candidates(loaded, run, system),
            subject,
            place,
            watcher=stages,
            hooks=Hooks(report=lambda scores, _part, out: write_report(scores, out)),
        )


def cell(measure: Measure | None) -> str:
    """A value with its interval."""
    if measure is None or measure.value is None:
        return "–"
    if measure.low is None or measure.high is None:
        return f"{measure.value:.3f}"
    return f"{measure.value:.3f} ({measure.low:.3f}–{measure.high:.3f})"


def beats(base: Measure | None, tuned: Measure | None) -> bool:
    """True where the tuned interval lies wholly on the better side."""
    sides = [one for one in (base, tuned) if one and one.low is not None and one.high is not None]
    if len(sides) < 2:
        return False
    low, high = sides if sides[0].better == "higher" else sides[::-1]
    return bool(low.high < high.low)


def main() -> int:
    """Measure once and print the tables."""
    run = RunFolder(Path(sys.argv[1]))
    changed = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    stages = Stages()
    started = time.perf_counter()
    evaluation = evaluate(run, changed, stages)
    minutes = (time.perf_counter() - started) / 60
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    load = os.getloadavg()[1]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f}")
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    print("\n| work | seconds |\n|---|---|")
    for title, seconds in stages.took.items():
        print(f"| {title} | {seconds:.1f} |")
    print(f"| **everything** | **{minutes * 60:.1f}** |\n\npeak memory {memory:.1f} GB\n")
    base, tuned = evaluation.models[0], evaluation.models[-1]
    verdicts = {change.name: change.verdict for change in evaluation.changes}
    print("| measure | base | tuned | n | verdict |\n|---|---|---|---|---|")
    for one in tuned.measures:
        other = base.measure(one.name)
        row = f"| {one.name} | {cell(other)} | {cell(one)} | {one.count} "
        print(row + f"| {verdicts.get(one.name, '')} |")
    missed = [name for name in MUST_BEAT if not beats(base.measure(name), tuned.measure(name))]
    for name in missed:
        print(f"\nMISSED: the intervals of {name} overlap, or it is worse")
    if minutes > MINUTES:
        print(f"\nMISSED: {minutes:.1f} minutes, but {MINUTES} were claimed")
    return 1 if missed or minutes > MINUTES else 0


if __name__ == "__main__":
    sys.exit(main())
