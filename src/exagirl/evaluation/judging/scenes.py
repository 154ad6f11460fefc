"""What characters are put through: situations of the shipped probes, short and long."""

from __future__ import annotations

from exagirl.dialogue.corpus import read_probes
from exagirl.dialogue.records import Probe
from exagirl.evaluation.judging.options import JudgingOptions
from exagirl.evaluation.probes import fill_names, spread
from exagirl.persona.character import Character
from exagirl.record import Record

DRIFT = "drift"


class Scene(Record):
    """One situation; every model goes through the same ones."""

    id: str
    kind: str
    """The kind of the probe."""
    about: str
    """What it looks at, in Korean."""
    lines: tuple[str, ...]
    """What the user says, names filled in; an interrogator keeps to the first one only."""
    turns: int
    """How often the character answers."""


def interview_scenes(
    character: Character, options: JudgingOptions, *, seed: int
) -> tuple[Scene, ...]:
    """Situations of the interview: short ones of every kind, then long conversations."""
    probes = read_probes()
    short = spread([one for one in probes if one.kind != DRIFT], options.interviews, seed, "scenes")
    long = spread([one for one in probes if one.kind == DRIFT], options.drifts, seed, "scenes")
    is_scripted = options.interrogator is None
    return (
        *(as_scene(one, character, options.interview_turns, is_scripted) for one in short),
        *(as_scene(one, character, options.drift_turns, is_scripted) for one in long),
    )


def arena_scenes(character: Character, options: JudgingOptions, *, seed: int) -> tuple[Scene, ...]:
    """Situations of the arena, whose user lines are fixed, of every kind in turn."""
    chosen = spread(read_probes(), options.arena_scenarios, seed, "scenes")
    return tuple(as_scene(one, character, options.arena_turns, True) for one in chosen)


def as_scene(probe: Probe, character: Character, turns: int, is_scripted: bool) -> Scene:
    """A probe with names in it; a script has no more turns than lines."""
    lines = tuple(fill_names(line, character) for line in probe.lines)
    return Scene(
        id=probe.id,
        kind=probe.kind,
        about=fill_names(probe.about, character),
        lines=lines[:turns],
        turns=min(turns, len(lines)) if is_scripted else turns,
    )
