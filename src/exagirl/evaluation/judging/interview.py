"""The interview: somebody talks with the character, and a judge scores the conversation."""

from __future__ import annotations

from collections.abc import Sequence

from exagirl.dialogue.records import Turn
from exagirl.evaluation.intervals import Interval
from exagirl.evaluation.judging.judge import Judge
from exagirl.evaluation.judging.line import NotAsked, Seat, together
from exagirl.evaluation.judging.options import JudgingOptions
from exagirl.evaluation.judging.reading import Points, Silence, dimensions, stands_in
from exagirl.evaluation.judging.scenes import DRIFT, Scene, interview_scenes
from exagirl.evaluation.judging.talker import Talker
from exagirl.evaluation.measuring import Kind, Placed, mean_of, taken
from exagirl.evaluation.probes import fill_names
from exagirl.evaluation.scores import Drift, Finding, Measure, Quote, Reply
from exagirl.persona.character import Character
from exagirl.progress import Watcher
from exagirl.record import Record

GOOD = 4.0
"""From this score on, what a judge says of a reply is praise."""
NONE = "읽을 수 있는 심사가 없습니다."


class Part(Record):
    """A stretch of a conversation, and what the judge said of it."""

    start: int
    """Number of its first reply, from 1."""
    end: int
    """Number of its last reply."""
    said: Points | Silence


class Interview(Record):
    """One model in one situation."""

    model: str
    scene: Scene
    turns: tuple[Turn, ...]
    """The conversation as far as it came; the character's words as the model wrote them."""
    parts: tuple[Part, ...]
    is_short: bool = False
    """True where the interrogator fell silent before the end."""
    is_lost: bool = False
    """True where the line or the budget ended it; then it is not judged."""

    @property
    def empty_replies(self) -> int:
        """How often the character said nothing."""
        return sum(one.role == "assistant" and not one.content.strip() for one in self.turns)


class Interviewed(Record):
    """What came of all interviews."""

    interviews: tuple[Interview, ...]
    measures: dict[str, tuple[Measure, ...]]
    """By model: a mean a dimension, and how many judgements could not be read or were refused."""
    drift: dict[str, tuple[Drift, ...]]
    """By model: every dimension along the long conversations."""
    quotes: tuple[Quote, ...]
    """Of every model, the reply behind its best and its worst score."""


async def interview(
    models: Sequence[Seat],
    judge: Judge,
    talker: Talker,
    options: JudgingOptions,
    *,
    seed: int,
    watcher: Watcher,
) -> Interviewed:
    """Interview every model in the same situations and have each conversation judged.

    Args:
        models: Who plays the character.
        judge: Scores what was said; is not told who said it.
        talker: Asks the models, and the interrogator where there is one.
        options: How many situations, how long.
        seed: Chooses the situations, and resamples for the intervals.
        watcher: Told about every interview.

    Raises:
        TeacherError: A model cannot answer at all; what was answered is kept.
    """
    scenes = interview_scenes(talker.character, options, seed=seed)
    room = _Room(judge, talker, options)
    watcher.start("면접", len(models) * len(scenes))
    done = await together(room.hold(seat, scene, watcher) for seat in models for scene in scenes)
    watcher.finish(f"면접 {len(done)}건")
    mine = {seat.name: [one for one in done if one.model == seat.name] for seat in models}
    return Interviewed(
        interviews=tuple(done),
        measures={name: _measures(some, seed) for name, some in mine.items()},
        drift={name: _drift(some, seed) for name, some in mine.items()},
        quotes=tuple(quote for some in mine.values() for quote in _quotes(some, talker.character)),
    )


class _Room:
    """Where interviews are held."""

    def __init__(self, judge: Judge, talker: Talker, options: JudgingOptions) -> None:
        self._judge, self._talker, self._options = judge, talker, options

    async def hold(self, seat: Seat, scene: Scene, watcher: Watcher) -> Interview:
        """Talk, then judge."""
        turns: list[Turn] = []
        is_lost = False
        try:
            while len(turns) < 2 * scene.turns and (line := await self._talker.say(scene, turns)):
                asked = Turn(role="user", content=line)
                turns += [asked, await self._talker.answer(seat, [*turns, asked])]
        except NotAsked:
            is_lost = True
        parts = [] if is_lost else await self._appraise(scene, turns)
        watcher.advance(note=scene.id)
        return Interview(
            model=seat.name,
            scene=scene,
            turns=tuple(turns),
            parts=tuple(parts),
            is_short=not is_lost and len(turns) < 2 * scene.turns,
            is_lost=is_lost,
        )

    async def _appraise(self, scene: Scene, turns: Sequence[Turn]) -> list[Part]:
        """Have a conversation judged, a long one in stretches; where all replies are empty, not."""
        replies = len(turns) // 2
        window = self._options.drift_window if scene.kind == DRIFT else scene.turns
        spans = [
            (start, min(start + window, replies))
            for start in range(0, replies, window)
            if any(one.content for one in turns[2 * start + 1 : 2 * (start + window) : 2])
        ]
        said = await together(self._judge.score(turns[2 * start : 2 * end]) for start, end in spans)
        return [
            Part(start=start + 1, end=end, said=one)
            for (start, end), one in zip(spans, said, strict=True)
        ]


def _measures(interviews: Sequence[Interview], seed: int) -> tuple[Measure, ...]:
    """A mean a dimension, and what had to be left out of it."""
    left_out = {
        why: sum(
            isinstance(part.said, Silence) and part.said.why == why
            for one in interviews
            for part in one.parts
        )
        for why in ("unreadable", "refused", "lost")
    }
    lost = left_out["lost"] + sum(one.is_lost for one in interviews)
    empty = sum(one.empty_replies for one in interviews)
    told = [
        f"{words} {count}건"
        for words, count in (
            ("읽을 수 없는 심사", left_out["unreadable"]),
            ("거절한 심사", left_out["refused"]),
            ("묻지 못한 것", lost),
            ("빈 답", empty),
        )
        if count
    ]
    note = f"셈에서 뺀 것: {', '.join(told)}." if told else ""
    means = [
        mean_of(
            Kind(f"interview.{dimension.name}", "higher", "points", "interview"),
            [
                Placed(one.scene.id, part.said.by_name[dimension.name].score)
                for one in interviews
                for part in one.parts
                if isinstance(part.said, Points)
            ],
            seed=seed,
            none=f"{NONE} {note}".strip(),
            note=note,
        )
        for dimension in dimensions()
    ]
    asked = sum(len(one.parts) for one in interviews)
    counts = [
        taken(
            Kind(f"interview.{why}", "lower", "count", "interview"),
            Interval(value=float(left_out[why]), count=asked),
        )
        for why in ("unreadable", "refused")
    ]
    return (*means, *counts)


def _drift(interviews: Sequence[Interview], seed: int) -> tuple[Drift, ...]:
    """Every dimension along the long conversations; nothing where there are none."""
    long = [one for one in interviews if one.scene.kind == DRIFT]
    ends = sorted({part.end for one in long for part in one.parts})
    if not ends:
        return ()
    return tuple(
        Drift(
            name=f"interview.{dimension.name}",
            at=tuple(ends),
            measures=tuple(
                mean_of(
                    Kind(f"interview.{dimension.name}", "higher", "points", "interview"),
                    [
                        Placed(one.scene.id, part.said.by_name[dimension.name].score)
                        for one in long
                        for part in one.parts
                        if part.end == end and isinstance(part.said, Points)
                    ],
                    seed=seed,
                    none=NONE,
                )
                for end in ends
            ),
        )
        for dimension in dimensions()
    )


def _quotes(interviews: Sequence[Interview], character: Character) -> list[Quote]:
    """The replies behind the best and the worst score, where the judge quoted the character."""
    found = [
        quote for one in interviews for part in one.parts for quote in _quoted(one, part, character)
    ]
    if not found:
        return []
    ranked = sorted(found, key=lambda one: one.score)
    return [
        ranked[0].model_copy(update={"why": "worst"}),
        ranked[-1].model_copy(update={"why": "best"}),
    ]


def _quoted(one: Interview, part: Part, character: Character) -> list[Quote]:
    if isinstance(part.said, Silence):
        return []
    quotes = []
    for name, point in part.said.by_name.items():
        for at in range(2 * part.start - 1, 2 * part.end, 2):
            if not stands_in(point.quote, fill_names(one.turns[at].content, character)):
                continue
            finding = Finding(
                code=f"interview.{name}",
                message=point.reason,
                excerpt=point.quote,
                severity="info" if point.score >= GOOD else "warning",
            )
            reply = Reply(
                model=one.model,
                scenario=one.scene.id,
                kind=one.scene.kind,
                position=(at + 1) // 2,
                before=one.turns[:at],
                text=one.turns[at].content,
                findings=(finding,),
            )
            quotes.append(Quote(why="worst", reply=reply, score=part.said.mean))
            break
    return quotes
