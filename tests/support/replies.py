"""Replies as a model might give them, for the evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from exagirl.dialogue.records import Turn
from exagirl.evaluation.scores import Reply


def reply(
    text: str,
    *,
    asked: str = "뭐 해?",
    earlier: Sequence[str] = (),
    scenario: str = "s1",
    kind: str = "heldout",
    position: int | None = None,
    is_cut: bool = False,
    model: str = "tuned",
) -> Reply:
    """One reply.

    Args:
        text: What was replied.
        asked: The user's last turn.
        earlier: The character's turns before, each after a turn of the user.
        scenario: The dialogue or probe.
        kind: ``heldout``, or the kind of the probe.
        position: Counts the earlier turns where it is left out.
        is_cut: Whether the limit of tokens ended it.
        model: Whose it is.
    """
    before = [
        turn
        for said in earlier
        for turn in (Turn(role="user", content="응"), Turn(role="assistant", content=said))
    ]
    return Reply(
        model=model,
        scenario=scenario,
        kind=kind,
        position=position or len(earlier) + 1,
        before=(*before, Turn(role="user", content=asked)),
        text=text,
        is_cut=is_cut,
    )
