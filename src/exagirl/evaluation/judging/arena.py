"""The arena: two models answer the same user, and a judge chooses, in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from exagirl.dialogue.records import Turn
from exagirl.errors import MissingExtraError
from exagirl.evaluation.judging.judge import Compared, Judge
from exagirl.evaluation.judging.line import NotAsked, Seat, together
from exagirl.evaluation.judging.options import JudgingOptions
from exagirl.evaluation.judging.rating import NO_PAIRS, Pair, length_controlled, rank
from exagirl.evaluation.judging.scenes import Scene, arena_scenes
from exagirl.evaluation.judging.talker import Talker
from exagirl.evaluation.measuring import Kind, Placed, mean_of, share_of
from exagirl.evaluation.scores import ArenaResult, Ranking, Trouble
from exagirl.progress import Watcher
from exagirl.record import Record


class Fight(Record):
    """Two conversations about the same, and what the judge said."""

    scene: str
    one: str
    other: str
    turns: tuple[Turn, ...]
    """Of the one."""
    other_turns: tuple[Turn, ...]
    compared: Compared


class Fought(Record):
    """What came of the arena."""

    results: tuple[ArenaResult, ...]
    """One for every two models, in the order of the models."""
    ranking: Ranking | None
    """Only for three models and more."""
    fights: tuple[Fight, ...]
    lost: int
    """Pairs for which a conversation or a judgement is missing, because the line failed or the
    budget was spent."""
    troubles: tuple[Trouble, ...] = ()


async def arena(
    models: Sequence[Seat],
    judge: Judge,
    talker: Talker,
    options: JudgingOptions,
    *,
    seed: int,
    watcher: Watcher,
) -> Fought:
    """Let every two models answer the same user turns and judge them in both orders.

    Every model has its own history. A tie is a half, and so is a pair of which the judge says
    something else when the order changes; a pair of which an order could not be read counts
    nowhere but among the unreadable.

    Args:
        models: Two or more.
        judge: Chooses; is not told who said what.
        talker: Asks the models.
        options: How many situations, how long.
        seed: Chooses the situations, and resamples for the intervals.
        watcher: Told about every conversation and every pair.

    Raises:
        TeacherError: A model cannot answer at all; what was answered is kept.
    """
    scenes = arena_scenes(talker.character, options, seed=seed)
    couples = list(combinations(range(len(models)), 2))
    watcher.start("맞대결", len(scenes) * (len(models) + len(couples)))

    async def play(scene: Scene) -> list[Fight | None]:
        talks = await together(_talk(talker, seat, scene, watcher) for seat in models)
        return await together(_fight(at) for at in ((scene, talks, couple) for couple in couples))

    async def _fight(
        at: tuple[Scene, list[tuple[Turn, ...] | None], tuple[int, int]],
    ) -> Fight | None:
        scene, talks, (left, right) = at
        one, other = talks[left], talks[right]
        compared = None if one is None or other is None else await judge.compare(one, other)
        watcher.advance(note=scene.id)
        if one is None or other is None or compared is None:
            return None
        return Fight(
            scene=scene.id,
            one=models[left].name,
            other=models[right].name,
            turns=one,
            other_turns=other,
            compared=compared,
        )

    played = [one for some in await together(play(scene) for scene in scenes) for one in some]
    fights = tuple(one for one in played if one is not None)
    watcher.finish(f"맞대결 {len(fights)}판")
    names = [seat.name for seat in models]
    ranking, troubles = _ranked(names, fights, seed)
    return Fought(
        results=tuple(
            score_fights(names[left], names[right], fights, seed=seed) for left, right in couples
        ),
        ranking=ranking,
        fights=fights,
        lost=len(played) - len(fights) + sum(one.compared.lost > 0 for one in fights),
        troubles=troubles,
    )


def score_fights(one: str, other: str, fights: Sequence[Fight], *, seed: int) -> ArenaResult:
    """Count the fights of two models."""
    ours = [fight for fight in fights if (fight.one, fight.other) == (one, other)]
    pairs = _pairs(ours)
    asked = [
        fight.compared.is_flipped
        for fight in ours
        if fight.compared.value is not None and not fight.compared.is_same
    ]
    return ArenaResult(
        one=one,
        other=other,
        win_rate=mean_of(
            Kind("win_rate", "higher", "share", "arena"),
            [Placed(pair.scenario, pair.value) for pair in pairs],
            seed=seed,
            none=NO_PAIRS,
        ),
        length_controlled=length_controlled(pairs, seed=seed),
        flip_rate=share_of(Kind("flip_rate", "lower", "share", "arena"), asked, none=NO_PAIRS),
        wins=sum(pair.value == 1 for pair in pairs),
        ties=sum(pair.value == 0.5 for pair in pairs),
        losses=sum(pair.value == 0 for pair in pairs),
        unreadable=sum(fight.compared.unreadable for fight in ours),
        refused=sum(fight.compared.refused for fight in ours),
    )


def _pairs(fights: Sequence[Fight]) -> list[Pair]:
    return [
        Pair(
            scenario=fight.scene,
            one=fight.one,
            other=fight.other,
            value=value,
            longer=_length(fight.turns) - _length(fight.other_turns),
        )
        for fight in fights
        if (value := fight.compared.value) is not None
    ]


def _length(turns: Sequence[Turn]) -> int:
    """Characters that the character said."""
    return sum(len(one.content) for one in turns if one.role == "assistant")


def _ranked(
    names: Sequence[str], fights: Sequence[Fight], seed: int
) -> tuple[Ranking | None, tuple[Trouble, ...]]:
    if len(names) < 3:
        return None, ()
    try:
        ranking = rank(names, _pairs(fights), seed=seed)
    except MissingExtraError as error:
        return None, (Trouble(part="arena", message=str(error)),)
    if ranking is None:
        message = "읽을 수 있는 심사가 하나도 없는 모델이 있어 순위를 매기지 못했습니다."
        return None, (Trouble(part="arena", message=message),)
    return ranking, ()


async def _talk(
    talker: Talker, seat: Seat, scene: Scene, watcher: Watcher
) -> tuple[Turn, ...] | None:
    """The conversation of one model; None where the line or the budget ended it."""
    turns: list[Turn] = []
    try:
        for line in scene.lines:
            asked = Turn(role="user", content=line)
            turns += [asked, await talker.answer(seat, [*turns, asked])]
    except NotAsked:
        return None
    finally:
        watcher.advance(note=scene.id)
    return tuple(turns)
