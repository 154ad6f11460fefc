"""What an evaluation says, in records: the content of ``scores.json``, and all that a report shows.

A measure that could not be taken stands there with the reason in its ``note``; none is left out and
none is filled in.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from exagirl.dialogue.records import Turn
from exagirl.record import Record

FORMAT = 1
"""Of ``scores.json``; goes up when a reader of the old form would misread the new."""

Layer = Literal["rules", "facts", "likelihood", "interview", "arena"]
Better = Literal["higher", "lower", "range"]
"""``range``: neither; the character's own range in ``reference`` is right."""
Unit = Literal["share", "bits", "points", "count", "ratio"]


class Finding(Record):
    """Something that a rule found in a reply."""

    code: str
    message: str
    excerpt: str = ""
    severity: Literal["error", "warning", "info"] = "warning"


class Reply(Record):
    """One reply of one model, and what it answered."""

    model: str
    scenario: str
    """Id of the held-out dialogue or the probe that it belongs to; the bootstrap draws these."""
    kind: str
    """``heldout``, or the kind of the probe."""
    position: int
    """The how manieth reply of the character in its conversation, from 1."""
    before: tuple[Turn, ...]
    """The conversation up to here, without the system prompt; the last turn is the user's."""
    text: str
    is_cut: bool = False
    """True where the limit of tokens ended it."""
    findings: tuple[Finding, ...] = ()

    @property
    def asked(self) -> str:
        """What the user said last."""
        return self.before[-1].content


class Measure(Record):
    """One number with its 95 % interval."""

    name: str
    """A key such as ``level``; a report has its words for it."""
    layer: Layer
    unit: Unit
    better: Better
    value: float | None
    """None where nothing could be measured; ``note`` says why."""
    low: float | None = None
    high: float | None = None
    count: int = 0
    """How many replies, sentences or dialogues it was measured on."""
    reference: tuple[float, float] | None = None
    """The range that is right for this character."""
    note: str = ""
    """In Korean: why there is no value, or what to keep in mind."""


class Drift(Record):
    """One measure over the turns of long conversations."""

    name: str
    at: tuple[int, ...]
    """Turns of the character, from 1."""
    measures: tuple[Measure, ...]
    """One for each of them."""


class ModelScores(Record):
    """All that was measured of one model."""

    name: str
    """``base``, ``tuned``, or the name of another run or model."""
    label: str
    """What people read."""
    digest: str
    """A hash of the model's files, or what is known of an endpoint."""
    measures: tuple[Measure, ...]
    drift: tuple[Drift, ...] = ()
    findings: dict[str, int] = Field(default_factory=dict)
    """Code to the number of replies that have it."""
    replies: int = 0
    empty_replies: int = 0

    def measure(self, name: str) -> Measure | None:
        """The measure of a name, if it is there."""
        return next((one for one in self.measures if one.name == name), None)


class Change(Record):
    """What changed from one model to another in one measure."""

    name: str
    of: str
    against: str
    """The model that it is compared with, mostly ``base``."""
    difference: float | None
    low: float | None = None
    high: float | None = None
    verdict: Literal["better", "worse", "same", "unknown"]
    """``same`` where the interval of the difference holds 0."""


class JudgeCertificate(Record):
    """How far a judge can be trusted, from faults that were planted on purpose."""

    judge: str
    is_trusted: bool
    reason: str
    """In Korean."""
    detection: dict[str, Measure]
    """Kind of fault to the share that the judge found."""
    false_alarms: Measure
    flip_rate: Measure
    """Pairs on which it changed its mind with the order."""
    length_preference: Measure
    """How often it preferred the padded one of two equal replies; 0.5 is none."""
    unreadable: int
    refused: int
    asked: int


class ArenaResult(Record):
    """One model against another, judged in both orders."""

    one: str
    other: str
    win_rate: Measure
    """Of ``one``; a tie or a change of mind counts a half."""
    length_controlled: Measure
    flip_rate: Measure
    wins: int
    ties: int
    losses: int
    unreadable: int
    refused: int


class Ranking(Record):
    """Bradley–Terry strengths of more than two models."""

    names: tuple[str, ...]
    strengths: tuple[Measure, ...]


class Quote(Record):
    """A reply worth reading."""

    why: Literal["best", "worst"]
    reply: Reply
    score: float
    """What it was chosen by, higher is better."""


class Trouble(Record):
    """Something that kept a part of the evaluation from being done; said, never swallowed."""

    part: str
    """``facts``, ``interview``, ``arena`` …"""
    message: str
    """In Korean: what happened, and what to do."""


class EvaluationPart(Record):
    """What others add to an evaluation, such as judges."""

    measures: dict[str, tuple[Measure, ...]] = Field(default_factory=dict)
    """A model's name to more measures of it."""
    drift: dict[str, tuple[Drift, ...]] = Field(default_factory=dict)
    """A model's name to more lines of it over the turns."""
    quotes: tuple[Quote, ...] = ()
    arena: tuple[ArenaResult, ...] = ()
    ranking: Ranking | None = None
    certificate: JudgeCertificate | None = None
    troubles: tuple[Trouble, ...] = ()
    repeat: dict[str, Any] = Field(default_factory=dict)
    is_whole: bool = True
    """False where something could not be asked: the same command then asks for the rest."""


class Evaluation(Record):
    """The whole of ``scores.json``."""

    format: int = FORMAT
    run: str
    character: str
    level: Literal["banmal", "polite"] | None
    """The character's speech level."""
    models: tuple[ModelScores, ...]
    changes: tuple[Change, ...] = ()
    arena: tuple[ArenaResult, ...] = ()
    ranking: Ranking | None = None
    certificate: JudgeCertificate | None = None
    quotes: tuple[Quote, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    repeat: dict[str, Any] = Field(default_factory=dict)
    """Everything needed to do it again: hashes, seeds, versions, options, prompts."""

    def model(self, name: str) -> ModelScores | None:
        """The scores of a name, if they are there."""
        return next((one for one in self.models if one.name == name), None)
