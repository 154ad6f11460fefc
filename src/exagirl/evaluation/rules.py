"""Scores that need no judge: what can be counted in replies."""

from __future__ import annotations

from collections.abc import Sequence

from exagirl.evaluation.intervals import Share, wilson
from exagirl.korean.actions import split_actions
from exagirl.korean.check import Rules, check_turn
from exagirl.korean.speech import speech_level
from exagirl.record import Record

MARKUP = "markup."


class RuleScores(Record):
    """What was counted over replies."""

    level: Share
    """Replies in the character's own speech level, among those whose level shows; none counted
    where the rules name no level."""
    actions: Share
    """Replies with at least one action and no fault in the markup."""
    in_role: Share
    """Replies without any finding of severity error."""
    mean_characters: float


def score_replies(replies: Sequence[str], rules: Rules) -> RuleScores:
    """Count over replies, against the character's own rules."""
    levels = [level for reply in replies if (level := speech_level(reply)) != "none"]
    return RuleScores(
        level=wilson(levels.count(rules.level), len(levels)) if rules.level else wilson(0, 0),
        actions=wilson(sum(_acts_well(reply, rules) for reply in replies), len(replies)),
        in_role=wilson(sum(_is_in_role(reply, rules) for reply in replies), len(replies)),
        mean_characters=sum(map(len, replies)) / max(1, len(replies)),
    )


def _acts_well(reply: str, rules: Rules) -> bool:
    if not any(part.kind == "action" for part in split_actions(reply)):
        return False
    return not any(finding.code.startswith("action.") for finding in check_turn(reply, rules))


def _is_in_role(reply: str, rules: Rules) -> bool:
    return not any(finding.severity == "error" for finding in check_turn(reply, rules))
