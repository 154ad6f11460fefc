"""What a character is asked: held-out turns, probes, its own facts, long conversations.

Every question is a script: messages up to the first reply, then the user's next lines. A fact is a
branch of a long conversation: the question stands in place of the user's line at its turn.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from exagirl.dialogue.corpus import read_probes
from exagirl.dialogue.records import Probe
from exagirl.evaluation.options import EvaluationOptions
from exagirl.evaluation.probes import fill_names, spread
from exagirl.persona.character import Character
from exagirl.record import Record

Conversation = Sequence[dict[str, str]]
HELDOUT, FACT, DRIFT = "heldout", "fact", "drift"


class Said(Record):
    """One message that a model is given."""

    role: str
    content: str


class Branch(Record):
    """Where a script leaves another: it begins with so many replies of it, and their user lines."""

    scenario: str
    replies: int


class Script(Record):
    """One conversation whose user lines are fixed; the model's own replies stand between them."""

    scenario: str
    kind: str
    """``heldout``, ``fact``, or the kind of a probe."""
    opening: tuple[Said, ...]
    """What is said before the first line, system message first."""
    lines: tuple[str, ...]
    """The user's lines; each is answered."""
    position: int = 1
    """The how manieth reply of the character the first one is."""
    branch: Branch | None = None
    """Where the opening comes from, if from another script; then ``opening`` is empty."""


class Questions(Record):
    """All that every model is asked."""

    scripts: tuple[Script, ...]

    @property
    def replies(self) -> int:
        """How many replies that makes for one model."""
        return sum(len(script.lines) for script in self.scripts)


def choose_questions(
    conversations: Sequence[Conversation],
    character: Character,
    system: str,
    options: EvaluationOptions,
    *,
    seed: int,
) -> Questions:
    """Choose what is asked; the same seed and options ask every model the same.

    Args:
        conversations: Held-out dialogues, system message first; may be empty.
        character: Whose facts are asked.
        system: The character's system prompt, before probes and long conversations.
        options: How much is asked.
        seed: Chooses probes and facts.
    """
    drifts = _drift_scripts(character, system, options, seed)
    return Questions(
        scripts=(
            *drifts,
            *_fact_scripts(character, system, options, drifts, seed),
            *heldout_scripts(conversations)[: options.replies],
            *_probe_scripts(character, system, options, seed),
        )
    )


def heldout_scripts(conversations: Sequence[Conversation]) -> list[Script]:
    """Every place where the character speaks, first turns first; the reference stands before it."""
    scripts: list[tuple[int, int, Script]] = []
    for number, messages in enumerate(conversations):
        position = 0
        for at, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            position += 1
            if at == 0 or messages[at - 1]["role"] != "user":
                continue
            script = Script(
                scenario=heldout_name(number),
                kind=HELDOUT,
                opening=tuple(Said(**one) for one in messages[: at - 1]),
                lines=(messages[at - 1]["content"],),
                position=position,
            )
            scripts.append((position, number, script))
    return [script for _, _, script in sorted(scripts, key=lambda place: place[:2])]


def heldout_name(number: int) -> str:
    """The scenario of a held-out dialogue, counted from 0."""
    return f"{HELDOUT}-{number + 1:03d}"


def _probe_scripts(
    character: Character, system: str, options: EvaluationOptions, seed: int
) -> list[Script]:
    chosen = spread([p for p in read_probes() if p.kind != DRIFT], options.probes, seed, "probes")
    return [_as_script(probe, character, system, len(probe.lines)) for probe in chosen]


def _drift_scripts(
    character: Character, system: str, options: EvaluationOptions, seed: int
) -> list[Script]:
    chosen = spread([p for p in read_probes() if p.kind == DRIFT], options.drifts, seed, "probes")
    return [_as_script(probe, character, system, options.drift_turns) for probe in chosen]


def _fact_scripts(
    character: Character,
    system: str,
    options: EvaluationOptions,
    drifts: Sequence[Script],
    seed: int,
) -> list[Script]:
    """Facts at their turns; they share out the long conversations, so as not to hang on one."""
    numbers = list(range(len(character.facts)))
    if options.facts < len(numbers):
        numbers = sorted(random.Random(f"{seed}/facts").sample(numbers, options.facts))
    scripts = []
    for order, number in enumerate(numbers):
        question = fill_names(character.facts[number].question, character)
        for turn in options.fact_turns:
            parent = drifts[order % len(drifts)].scenario if turn > 1 else ""
            scripts.append(
                Script(
                    scenario=f"{FACT}-{number + 1:02d}",
                    kind=FACT,
                    opening=() if parent else (Said(role="system", content=system),),
                    lines=(question,),
                    position=turn,
                    branch=Branch(scenario=parent, replies=turn - 1) if parent else None,
                )
            )
    return scripts


def _as_script(probe: Probe, character: Character, system: str, turns: int) -> Script:
    return Script(
        scenario=probe.id,
        kind=probe.kind,
        opening=(Said(role="system", content=system),),
        lines=tuple(fill_names(line, character) for line in probe.lines[:turns]),
    )
