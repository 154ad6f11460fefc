"""Markers of actions that do not fit together, and actions that the rules refuse."""

import re
from collections.abc import Iterator

from exagirl.korean.findings import Finding, Severity, Spot, as_finding
from exagirl.korean.rules import Rules
from exagirl.korean.turn import TurnText

_BOLD = re.compile(r"(?<![*\\])\*{2,3}(?=[^*\s])[^*\n]{1,300}\*{2,3}(?!\*)")
_EMPTY = re.compile(r"(?<![*\\\w])\*(?:[ \t]*\*)+(?!\w)")
_FACE = re.compile(
    r"\(\*[^*()\n가-힣]{0,12}\*?\)|\*[\^ㅡ'`´▽ω.oO_-]{1,8}\*|\^\*\^|\\\*|(?<=\d)\s?\*\s?(?=\d)"
)
_BULLET = re.compile(r"(?m)^[ \t]*\*[ \t]+")
_BRACKETS = re.compile(
    r"\([^()\n]{0,40}(?:며|면서|는다|[간긴깐끈낀난는단된둔든린란런룬른만민반본빈뜬산선순슨신안운은인잔준진찬춘친킨튼편푼핀한흔]다)[.…]?\)"
)
_CODE = re.compile(r"```[^`]{0,4000}```|`[^`\n]{1,300}`|https?://\S{1,500}")


def action_spots(turn: TurnText, rules: Rules) -> Iterator[Spot]:
    """Find faulty markers, and too many or too few actions."""
    if "*" in turn.text:
        yield from _marker_spots(turn)
    if "(" in turn.text:
        for match in _BRACKETS.finditer(turn.text):
            yield Spot("action.brackets", *match.span())
    yield from _rule_spots(turn, rules)


def action_findings(text: str, rules: Rules | None = None) -> list[Finding]:
    """Give the findings on the actions of a turn alone."""
    turn = TurnText(text)
    return [
        as_finding(spot, turn.text[spot.start : spot.end], turn.place(spot.start, spot.end))
        for spot in action_spots(turn, rules or Rules())
    ]


def _marker_spots(turn: TurnText) -> Iterator[Spot]:
    """Find bold, empty, nested and lonely markers."""
    nested = _nested(turn)
    yield from nested
    rest = _blanked(turn.text, _CODE)
    for code, pattern in (("action.bold", _BOLD), ("action.empty", _EMPTY)):
        for match in pattern.finditer(rest):
            yield Spot(code, *match.span())
        rest = _blanked(rest, pattern)
    for start, end in turn.actions:
        rest = rest[:start] + " " * (end - start) + rest[end:]
    rest = _blanked(_blanked(rest, _FACE), _BULLET)
    if not nested:
        yield from _lonely(rest)


def _lonely(rest: str) -> Iterator[Spot]:
    """Find asterisks that are left over; within a word (김*수) or all alone they may be meant."""
    for match in re.finditer(r"\*+", rest):
        before, after = rest[match.start() - 1 : match.start()], rest[match.end() : match.end() + 1]
        is_mask = before.isalnum() and not after.isspace()
        is_apart = not before.strip() and not after.strip()
        severity: Severity | None = "warning" if is_mask or is_apart else None
        yield Spot("action.unbalanced", *match.span(), severity=severity)


def _nested(turn: TurnText) -> list[Spot]:
    """Find ``*a *b* c*``: an action that closes after a blank, and one that opens before one."""
    found = []
    for one, two in zip(turn.actions, turn.actions[1:], strict=False):
        closes_late = turn.text[one[1] - 2].isspace() and not turn.text[one[0] + 1].isspace()
        opens_early = turn.text[two[0] + 1].isspace() and not turn.text[two[1] - 2].isspace()
        between = turn.text[one[1] : two[0]]
        if closes_late and opens_early and between == between.strip():
            found.append(Spot("action.nested", one[0], two[1]))
    return found


def _rule_spots(turn: TurnText, rules: Rules) -> Iterator[Spot]:
    """Hold the amount of action against the rules."""
    if rules.actions == "require" and not turn.actions:
        yield Spot("action.missing", 0, len(turn.text))
    if rules.actions == "forbid":
        for start, end in turn.actions:
            yield Spot("action.forbidden", start, end)
    if rules.max_action_share < 1.0 and turn.actions:
        acted = sum(end - start for start, end in turn.actions)
        if acted > rules.max_action_share * len(turn.text):
            yield Spot("action.share", *turn.actions[0])


def _blanked(text: str, pattern: re.Pattern[str]) -> str:
    """Blank out what a pattern finds; same length."""
    return pattern.sub(lambda match: " " * len(match[0]), text)
