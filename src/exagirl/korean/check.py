"""One entry for every check of a turn."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

from exagirl.korean.action_checks import action_spots
from exagirl.korean.breaks import (
    break_spots,
    forbidden_spots,
    label_spots,
    layout_spots,
    user_action_spots,
)
from exagirl.korean.findings import Finding, Spot, as_finding
from exagirl.korean.normalise import CONTROL, DECOMPOSED, INVISIBLE, REPLACEMENT, SURROGATE
from exagirl.korean.particle_errors import particle_spots
from exagirl.korean.repetition import history_spots, loop_spots, sentence_spots
from exagirl.korean.rules import Rules
from exagirl.korean.script import emoji_spots, script_spots
from exagirl.korean.speech_checks import level_spots
from exagirl.korean.turn import TurnText

__all__ = ["Finding", "Rules", "check_turn"]

_NO_RULES = Rules()
_REPORTED = 20


def check_turn(
    turn: str,
    rules: Rules = _NO_RULES,
    history: Sequence[str] = (),
    *,
    speaker: Literal["assistant", "user"] = "assistant",
) -> list[Finding]:
    """Find what is wrong with one turn of a dialogue.

    Args:
        turn: What is said, ``*actions*`` included.
        rules: What the character asks of a turn.
        history: The turns before it, oldest first, whoever said them.
        speaker: Whose turn it is. A user may write as they like: only labels, broken text, stray
            scripts, markers, loops and ``rules.user_level`` are checked.

    Returns:
        The findings in order of their place; none for a turn without fault. Places count in
        ``turn`` as it was given. An error means that the turn should not be kept, a warning that a
        person should look.
    """
    read = TurnText(turn)
    if not read.text.strip():
        spots = [Spot("text.empty", 0, len(read.text))]
    elif speaker == "user":
        spots = [*_user_spots(read, rules)]
    else:
        spots = [*_character_spots(read, rules, history)]
    found = [
        as_finding(spot, read.text[spot.start : spot.end], read.place(spot.start, spot.end))
        for spot in _outermost(spots)
    ]
    found += _given_findings(read)
    return sorted(found, key=lambda finding: (finding.start, finding.end, finding.code))


def _character_spots(turn: TurnText, rules: Rules, history: Sequence[str]) -> Iterator[Spot]:
    """Run every check that holds for a character's turn."""
    yield from label_spots(turn, rules, is_user=False)
    yield from action_spots(turn, rules)
    yield from script_spots(turn, rules)
    yield from emoji_spots(turn, rules)
    yield from layout_spots(turn)
    yield from break_spots(turn, rules)
    yield from user_action_spots(turn)
    yield from forbidden_spots(turn, rules)
    yield from loop_spots(turn)
    yield from sentence_spots(turn)
    yield from history_spots(turn, history)
    yield from particle_spots(turn)
    if rules.level:
        yield from level_spots(turn, rules.level)
    if rules.max_length_chars is not None and len(turn.text) > rules.max_length_chars:
        yield Spot("text.long", 0, len(turn.text), fix=str(rules.max_length_chars))


def _user_spots(turn: TurnText, rules: Rules) -> Iterator[Spot]:
    """Run the checks that hold for a user's turn."""
    yield from label_spots(turn, rules, is_user=True)
    yield from (spot for spot in action_spots(turn, _NO_RULES) if spot.code != "action.brackets")
    for spot in script_spots(turn, rules):
        # A user may well be a learner who writes in their own language.
        yield spot._replace(severity="warning")
    yield from loop_spots(turn)
    if rules.user_level:
        for spot in level_spots(turn, rules.user_level):
            yield spot._replace(severity="warning")


def _outermost(spots: list[Spot]) -> list[Spot]:
    """Keep one spot of several with the same code that overlap: the longest of the gravest.

    Of each code, no more than the first twenty are kept: nobody reads more, and a broken text may
    hold a hundred thousand.
    """
    if len(spots) <= 1:
        return spots
    by_code: dict[str, list[Spot]] = {}
    for spot in spots:
        by_code.setdefault(spot.code, []).append(spot)
    return [spot for same in by_code.values() for spot in _apart(same)[:_REPORTED]]


def _apart(spots: list[Spot]) -> list[Spot]:
    """Keep spots of one code that do not overlap."""
    kept: list[Spot] = []
    for spot in sorted(spots, key=lambda spot: spot.start):
        if not kept or spot.start >= kept[-1].end:
            kept.append(spot)
        elif _weight(spot) > _weight(kept[-1]):
            kept[-1] = spot
    return kept


def _weight(spot: Spot) -> tuple[bool, int]:
    """Weigh a spot: errors before warnings, longer before shorter."""
    return spot.severity != "warning", spot.end - spot.start


def _given_findings(turn: TurnText) -> list[Finding]:
    """Find what normalising took away, at its place in the turn as it was given."""
    if turn.normal.origins is None:
        return []
    return [
        as_finding(Spot(code, *match.span()), "", match.span())
        for code, pattern in (
            ("text.broken", SURROGATE),
            ("text.broken", REPLACEMENT),
            ("text.broken", CONTROL),
            ("text.invisible", INVISIBLE),
            ("text.decomposed", DECOMPOSED),
        )
        for match in islice(pattern.finditer(turn.given), _REPORTED)
    ]
