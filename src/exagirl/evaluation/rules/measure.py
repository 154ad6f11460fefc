"""Everything that rules can say of the replies of one model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from pydantic import Field

from exagirl.evaluation.buckets import TURNS, bucket_of
from exagirl.evaluation.measuring import Taken
from exagirl.evaluation.rules.counted import (
    Measured,
    action_rate,
    fault_measures,
    hangul,
    level,
    reply_measures,
    violations,
)
from exagirl.evaluation.rules.reading import ReadReply, read_reply
from exagirl.evaluation.rules.reference import reference_of
from exagirl.evaluation.rules.style import style_measures
from exagirl.evaluation.scores import Drift, Measure, Reply
from exagirl.persona.character import Character
from exagirl.record import Record

#: What is followed over the turns of a conversation.
_FOLLOWED: tuple[Callable[[Measured], Taken], ...] = (
    level,
    violations,
    action_rate,
    hangul,
)


class RuleReport(Record):
    """What rules say of one model."""

    measures: tuple[Measure, ...]
    """Always the same names in the same order; one that could not be taken says why."""
    values: dict[str, dict[str, tuple[float, ...]]] = Field(default_factory=dict)
    """Measure to scenario to the values that it is the mean of, for a paired bootstrap; those of
    diversity and voice, which are no means, are not there."""
    drift: tuple[Drift, ...] = ()
    """The main shares by turn; a point holds the replies from its turn up to the next point."""
    findings: dict[str, int] = Field(default_factory=dict)
    """Code to the number of replies that have it, most frequent first."""
    replies: tuple[Reply, ...] = ()
    """As they were given, in their order, with their findings."""
    empty_replies: int = 0

    def measure(self, name: str) -> Measure:
        """The measure of a name.

        Raises:
            KeyError: There is none.
        """
        return {one.name: one for one in self.measures}[name]


def measure_rules(
    replies: Sequence[Reply], character: Character, *, seed: int, references: Sequence[str] = ()
) -> RuleReport:
    """Count what can be counted in the replies of one model.

    An empty reply counts wherever replies are counted: as a violation, without action, with no
    Hangul, of length 0.

    Args:
        replies: All of one model, of any kind, in any order.
        character: Whom they should sound like.
        seed: Of the bootstrap and the samples.
        references: Replies whose lengths are right, such as those of held-out dialogues; those of
            the card where there are none.

    Raises:
        ValueError: The replies are of more than one model.
    """
    models = {reply.model for reply in replies}
    if len(models) > 1:
        raise ValueError(f"replies of several models: {sorted(models)}")
    rules = character.check_rules()
    measured = Measured(
        read=tuple(read_reply(reply, rules) for reply in replies),
        character=character,
        reference=reference_of(character, references),
        seed=seed,
    )
    checked = tuple(one.reply for one in measured.read)
    codes = Counter(code for reply in checked for code in {one.code for one in reply.findings})
    everything = (
        *reply_measures(measured),
        *fault_measures(measured),
        *style_measures(measured),
    )
    return RuleReport(
        measures=tuple(one.measure for one in everything),
        values={one.measure.name: dict(one.values) for one in everything if one.values},
        drift=_drift(measured),
        findings=dict(sorted(codes.items(), key=lambda item: (-item[1], item[0]))),
        replies=checked,
        empty_replies=sum(one.is_empty for one in measured.read),
    )


def _drift(measured: Measured) -> tuple[Drift, ...]:
    """The followed measures at every turn that has replies."""
    at: dict[int, list[ReadReply]] = {}
    for one in measured.read:
        at.setdefault(bucket_of(one.reply.position, TURNS), []).append(one)
    turns = tuple(sorted(at))
    parts = [measured._replace(read=tuple(at[turn])) for turn in turns]
    return tuple(
        Drift(name=points[0].name, at=turns, measures=points)
        for measure in _FOLLOWED
        if (points := tuple(measure(part).measure for part in parts))
    )
