"""What this machine can do, and whether a recipe fits it."""

from __future__ import annotations

from pathlib import Path

from exagirl.dialogue.plan import plan_slots
from exagirl.persona.system_prompt import estimate_tokens, render_system_prompt
from exagirl.recipe import LoadedRecipe, load_recipe, shipped_names
from exagirl.training.memory.diagnose import Diagnosis, weigh_base, weigh_recipe
from exagirl.training.memory.machine import key_names, look_around
from exagirl.training.memory.work import Workload, plan_work


def diagnose(loaded: LoadedRecipe | None, runs: Path) -> Diagnosis:
    """What this machine can do, and whether a recipe fits it; nothing is downloaded or written.

    Raises:
        ModelError: The recipe's base or its LoRA targets cannot be read.
    """
    if loaded is None:
        machine = look_around(runs)
        shipped = [load_recipe(name) for name in shipped_names()]
        return Diagnosis(
            machine=machine,
            bases=tuple(
                weigh_base(one.recipe.name, one.recipe.training, _workload(one), machine.devices[0])
                for one in shipped
            ),
        )
    recipe = loaded.recipe
    judge = recipe.generation.judge
    asked = (recipe.teacher, recipe.generation.user_teacher, judge.teacher if judge else None)
    machine = look_around(runs, key_names(teacher for teacher in asked if teacher))
    found = weigh_recipe(recipe.name, recipe.training, _workload(loaded), machine)
    return Diagnosis(
        machine=machine, recipe=found, unknown_base=None if found else recipe.training.base
    )


def _workload(loaded: LoadedRecipe) -> Workload:
    recipe, dataset = loaded.recipe, loaded.recipe.dataset
    return plan_work(
        recipe.training,
        plan_slots(recipe.generation, recipe.seed),
        system_tokens=estimate_tokens(
            render_system_prompt(loaded.character, detail=dataset.system_prompt)
        ),
        train_share=1.0 if dataset.heldout == "bundled" else 1 - dataset.validation_share,
    )
