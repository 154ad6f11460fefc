"""Good dialogues with one fault put in on purpose, to find out what a judge sees."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal

from exagirl.dialogue.records import Turn
from exagirl.korean.analyser import KiwiAnalyser, analyser
from exagirl.korean.check import check_turn
from exagirl.korean.particles import attach, particle_after
from exagirl.persona.character import Character
from exagirl.record import Record, shipped_yaml

FaultKind = Literal["polite", "chinese", "fact", "josa", "disclosure", "loop", "padding"]
FAULTS: tuple[FaultKind, ...] = (
    *("polite", "chinese", "fact", "josa", "disclosure", "loop", "padding"),
)
SHOWN_TURNS = 6
"""Turns of a dialogue that a judge is shown: three of each side."""
LOOPS = 6
_SWAPS = {"을": "를", "를": "을", "과": "와", "와": "과", "은": "는", "는": "은"}
# The surest first: 은 and 는 also end verbs.
_PARTICLES = tuple(
    re.compile(rf"([가-힣]{{2,}})([{pair}])(?=[ ,.!?~…]|$)") for pair in ("을를", "과와", "은는")
)
_ACTION = re.compile(r"\*[^*\n]*\*")
_SENTENCE = re.compile(r"[^.!?…~\n]*[가-힣][^.!?…~\n]*[.!?…~]*")
_NOUN_TAGS = ("N", "SL", "SN", "XPN", "XSN")


class Planted(Record):
    """A dialogue twice: as it was, and with a fault in its last reply."""

    kind: FaultKind
    scenario: str
    """Which of the dialogues it is; the bootstrap draws these."""
    clean: tuple[Turn, ...]
    faulted: tuple[Turn, ...]


def plant_faults(
    dialogues: Sequence[Sequence[Turn]], character: Character, *, count: int, seed: int
) -> tuple[Planted, ...]:
    """Plant every kind of fault into dialogues, as often as there are fitting ones.

    Args:
        dialogues: Good ones of this character.
        character: Says what level and which facts would be wrong.
        count: How many a kind; no dialogue is used twice for one kind.
        seed: Chooses dialogues and wordings.
    """
    found: list[Planted] = []
    for kind in FAULTS:
        dice = random.Random(f"{seed}/{kind}")
        order = list(range(len(dialogues)))
        dice.shuffle(order)
        mine: list[Planted] = []
        for number in order:
            if len(mine) == count:
                break
            pair = plant(kind, dialogues[number], character, dice)
            if pair is not None:
                clean, faulted = pair
                name = f"planted-{number + 1:03d}"
                mine.append(Planted(kind=kind, scenario=name, clean=clean, faulted=faulted))
        found += mine
    return tuple(found)


def plant(
    kind: FaultKind, turns: Sequence[Turn], character: Character, dice: random.Random
) -> tuple[tuple[Turn, ...], tuple[Turn, ...]] | None:
    """One dialogue without and with a fault of a kind; None where it cannot hold one.

    Only the first turns are kept, up to a reply of the character.
    """
    shown = list(turns[:SHOWN_TURNS])
    while shown and shown[-1].role == "user":
        shown.pop()
    if not shown or not shown[-1].content.strip():
        return None
    if kind == "fact":
        return _break_fact(shown, character, dice)
    broken = _WAYS[kind](shown[-1].content, character, dice)
    if broken is None:
        return None
    return tuple(shown), (*shown[:-1], Turn(role="assistant", content=broken))


@cache
def _book() -> Any:
    source = resources.files("exagirl.evaluation.judging") / "planted.yaml"
    return shipped_yaml(source.read_text("utf-8"))


def _voice(character: Character) -> str:
    return "old" if character.speech.is_old else character.speech.level


def _appended(chapter: str) -> Callable[[str, Character, random.Random], str]:
    def way(reply: str, character: Character, dice: random.Random) -> str:
        return f"{reply} {dice.choice(_book()[chapter][_voice(character)])}"

    return way


def _chinese(reply: str, character: Character, dice: random.Random) -> str:
    del character
    for korean, chinese in _book()["chinese"]:
        if korean in reply:
            return reply.replace(korean, chinese, 1)
    return f"{reply} {dice.choice(_book()['chinese_alone'])}"


def _wrong_josa(reply: str, character: Character, dice: random.Random) -> str | None:
    """Put the other form of a particle that agreed; None where no such place is beyond doubt."""
    del character, dice
    spoken = _ACTION.sub(lambda action: "\n" * len(action[0]), reply)
    for pattern in _PARTICLES:
        for match in pattern.finditer(spoken):
            word, particle = match.groups()
            start, end = match.span(2)
            broken = reply[:start] + _SWAPS[particle] + reply[end:]
            if particle_after(word, particle) == particle and _is_seen(broken):
                return broken
    return None


def _is_seen(reply: str) -> bool:
    """True where the rules find a wrong particle: then it was a particle, and now is none."""
    return any(finding.code == "particle.wrong" for finding in check_turn(reply))


def _looped(reply: str, character: Character, dice: random.Random) -> str | None:
    del character, dice
    sentences = [one.strip() for one in _SENTENCE.findall(_ACTION.sub("\n", reply))]
    said = [one for one in sentences if len(one) > 3]
    return " ".join([reply, *[said[-1]] * LOOPS]) if said else None


def _break_fact(
    shown: Sequence[Turn], character: Character, dice: random.Random
) -> tuple[tuple[Turn, ...], tuple[Turn, ...]]:
    """Ask for something that stands in the card, and answer right and wrong."""
    asked = [_ask_name(character, dice)]
    for fact in character.facts:
        rights = [one for one in fact.answers if _is_noun(one)]
        wrongs = [one for one in fact.contradictions if _is_noun(one)]
        if rights and wrongs:
            asked.append((fact.question, rights[0], dice.choice(wrongs)))
    question, right, wrong = dice.choice(asked)
    begun = (*shown, Turn(role="user", content=question))
    return (
        (*begun, Turn(role="assistant", content=_stated(right, character))),
        (*begun, Turn(role="assistant", content=_stated(wrong, character))),
    )


def _ask_name(character: Character, dice: random.Random) -> tuple[str, str, str]:
    own = (character.name, *character.aliases)
    others = [name for name in _book()["other_names"] if name not in own]
    return _book()["name_question"], character.name, dice.choice(others)


def _stated(word: str, character: Character) -> str:
    if character.speech.is_old:
        return f"{attach(word, '이오')}."
    return f"{attach(word, '이야' if character.speech.level == 'banmal' else '이에요')}."


def _is_noun(text: str) -> bool:
    """True where a text can stand before 이야: nouns and nothing else, as far as can be told."""
    read = analyser()
    if not isinstance(read, KiwiAnalyser):
        return False
    return all(one.tag.startswith(_NOUN_TAGS) for one in read.morphemes(text))


_WAYS: dict[FaultKind, Callable[[str, Character, random.Random], str | None]] = {
    "polite": _appended("polite"),
    "chinese": _chinese,
    "josa": _wrong_josa,
    "disclosure": _appended("disclosure"),
    "loop": _looped,
    "padding": _appended("padding"),
}
