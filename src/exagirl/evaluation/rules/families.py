"""Which findings belong together: a reply has a fault of a family, or it has not.

A code counts from the severity that stands beside it: a lone Kana letter (a warning) is no leak,
a banmal sentence among polite ones (a warning too) is a slip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

Severity = Literal["error", "warning", "info"]

_GRAVITY: dict[Severity, int] = {"info": 0, "warning": 1, "error": 2}

#: Family to its codes, each with the least severity that counts.
FAMILIES: Mapping[str, Mapping[str, Severity]] = {
    "level_slips": {"speech.polite": "error", "speech.banmal": "warning"},
    "script_leaks": {
        "script.hanja": "error",
        "script.kana": "error",
        "script.cyrillic": "error",
        "script.foreign": "error",
        "script.latin": "error",
        "script.share": "warning",
    },
    "labels": {"label.speaker": "error", "label.user": "error", "label.token": "error"},
    "loops": {"repeat.loop": "warning", "repeat.sentence": "warning"},
    "echo": {"repeat.history": "warning"},
    "disclosure": {"break.ai": "error"},
    "role_breaks": {
        "break.refusal": "warning",
        "break.meta": "warning",
        "break.user_action": "warning",
    },
    "assistant_speak": {
        "break.assistant": "warning",
        "break.list": "warning",
        "break.heading": "error",
        "break.table": "error",
        "break.code": "warning",
    },
    "josa": {"particle.wrong": "warning"},
    "action_faults": {
        "action.unbalanced": "error",
        "action.empty": "error",
        "action.nested": "error",
        "action.bold": "error",
        "action.brackets": "warning",
    },
    "emoji": {"script.emoji": "error", "script.emoticon": "warning"},
    "forbidden_words": {"word.forbidden": "error"},
}


class Found(Protocol):
    """A finding, of ``korean`` or of the scores."""

    @property
    def code(self) -> str:
        """Such as ``label.user``."""

    @property
    def severity(self) -> Severity:
        """How grave it is."""


def has_fault(findings: Iterable[Found], family: str) -> bool:
    """Tell whether one of the findings counts for a family.

    Raises:
        KeyError: There is no such family.
    """
    least = FAMILIES[family]
    return any(
        finding.code in least and _GRAVITY[finding.severity] >= _GRAVITY[least[finding.code]]
        for finding in findings
    )
