"""Is a parsed dialogue fit for its slot?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from exagirl.dialogue.duplicates import likeness, trigrams
from exagirl.dialogue.records import Role, Slot, Turn
from exagirl.korean.check import Rules, check_turn
from exagirl.korean.spoken import PLACEHOLDER
from exagirl.record import Record

COPIED = 0.6
"""Likeness of 3-grams from which a line counts as taken from an example."""
_COPIED_CHARS = 20
"""Shorter lines (잘 자!, 다녀왔어?) may stand in any two dialogues."""

_BRACES = re.compile(r"\{\{?[^{}\n]{0,30}\}\}?")
_USER = re.compile(r"\{\s*(?:유저|user)\s*\}", re.IGNORECASE)
# Where a writer left a name open: [이름], (이름), ○○, OO야. ㅇㅇ alone means yes.
_BLANK = re.compile(
    r"[\[(<](?:이름|유저|사용자|캐릭터|name|user)[\])>]|[○◯]{2}|(?<![A-Za-z])OO(?=[가-힣\s])"
)


class Rejection(Record):
    """Why a reply was refused; the message goes back to the teacher."""

    code: str
    message: str
    is_whole: bool = True
    """False where only the last line of a simulated conversation is refused."""


def check_dialogue(turns: Sequence[Turn], rules: Rules) -> Rejection | None:
    """Check every turn; the first error refuses the dialogue.

    Returns:
        None where the dialogue is fit.
    """
    said: list[str] = []
    for position, turn in enumerate(turns):
        rejection = check_line(turn.content, turn.role, rules, said)
        if rejection is not None:
            who = "human" if turn.role == "user" else "gpt"
            told = f"{who}{position // 2 + 1}: {rejection.message}"
            return rejection.model_copy(update={"message": told})
        said.append(turn.content)
    return None


def check_line(
    content: str, role: Role, rules: Rules, said: Sequence[str] = ()
) -> Rejection | None:
    """Check one turn: the language, then the placeholders."""
    for finding in check_turn(content, rules, said, speaker=role):
        if finding.severity == "error":
            return Rejection(code=finding.code, message=finding.message)
    return _check_placeholders(content, role)


def _check_placeholders(content: str, role: Role) -> Rejection | None:
    """A name stands open only where a chat fills it in, and only the character calls the user."""
    for match in _BRACES.finditer(content):
        if not PLACEHOLDER.fullmatch(match[0]):
            return Rejection(
                code="placeholder.unknown",
                message=f"'{match[0]}'은 쓸 수 없는 자리표시다. 사람은 {{유저}}라고만 쓴다.",
            )
    if blank := _BLANK.search(content):
        return Rejection(
            code="placeholder.blank",
            message=f"'{blank[0]}'처럼 이름을 비워 두지 않는다. 사람은 {{유저}}라고 쓴다.",
        )
    if role == "user" and _USER.search(content):
        return Rejection(
            code="placeholder.user",
            message="사람의 말에 {유저}가 있다. {유저}는 캐릭터가 사람을 부를 때만 쓴다.",
        )
    return None


def check_count(turns: Sequence[Turn], slot: Slot) -> Rejection | None:
    """Refuse a dialogue that is clearly shorter or longer than was ordered.

    A fifth more or less is taken, and one exchange in any case.
    """
    wanted, found = slot.turns, len(turns) // 2
    slack = max(1, wanted // 5)
    if abs(found - wanted) <= slack:
        return None
    return Rejection(
        code="turn-count",
        message=f"한쪽이 {found}번씩 말했다. {wanted}번씩 말해야 한다.",
    )


def check_copies(turns: Sequence[Turn], examples: Sequence[Sequence[Turn]]) -> Rejection | None:
    """Refuse a line that was taken from an example of the prompt."""
    shown = [_grams(turn.content) for example in examples for turn in example]
    together = frozenset[str]().union(*shown)
    for position, turn in enumerate(turns):
        grams = _grams(turn.content)
        # Most lines share little with all examples together; only the others are compared.
        if not grams or len(grams & together) < COPIED * len(grams):
            continue
        if any(likeness(grams, line) >= COPIED for line in shown):
            who = "human" if turn.role == "user" else "gpt"
            return Rejection(
                code="copied",
                message=f"{who}{position // 2 + 1}: 보기 대화의 문장을 옮겼다. 새로 쓴다.",
            )
    return None


@lru_cache(maxsize=4096)
def _grams(content: str) -> frozenset[str]:
    """What a line is compared by; nothing for a line that may stand in any two dialogues."""
    return frozenset(trigrams(content)) if len(content) >= _COPIED_CHARS else frozenset()
