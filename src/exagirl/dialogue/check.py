"""Is a parsed dialogue fit for its slot?"""

from __future__ import annotations

from collections.abc import Sequence

from exagirl.dialogue.records import Turn
from exagirl.korean.check import Rules, check_turn
from exagirl.record import Record


class Rejection(Record):
    """Why a dialogue was refused; the message goes back to the teacher."""

    code: str
    message: str


def check_dialogue(turns: Sequence[Turn], rules: Rules) -> Rejection | None:
    """Check every turn; the first error refuses the dialogue.

    Returns:
        None where the dialogue is fit.
    """
    history: list[str] = []
    for position, turn in enumerate(turns):
        findings = check_turn(turn.content, rules, history, speaker=turn.role)
        for finding in findings:
            if finding.severity == "error":
                who = "human" if turn.role == "user" else "gpt"
                return Rejection(
                    code=finding.code, message=f"{who}{position // 2 + 1}: {finding.message}"
                )
        history.append(turn.content)
    return None
