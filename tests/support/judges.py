"""Judges, interrogators and characters behind one loopback server, each with a will of its own."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.dialogue.corpus import read_heldout
from exagirl.dialogue.records import Turn
from exagirl.evaluation.answers import Answers
from exagirl.evaluation.judging.judged import Case, JudgedParts, judge_models, seat_at
from exagirl.evaluation.judging.line import Seat
from exagirl.evaluation.judging.options import JudgingOptions
from exagirl.evaluation.judging.reading import dimensions
from exagirl.persona.character import load_character
from exagirl.progress import Nobody
from support.chat_server import Answer, Asked, Script, says
from support.teachers import teacher_at

EXA = load_character("exa")
SYSTEM = "너는 엑사야. 이것은 캐릭터 모델만 보는 글이다."
DIALOGUES = tuple(one.turns for one in read_heldout("exa-data"))
BACKOFF_S = (0.01, 0.05)
SMALL = {
    "interviews": 3,
    "interview_turns": 2,
    "drifts": 0,
    "arena_scenarios": 3,
    "arena_turns": 2,
    "certify_pairs": 0,
    "transport_retries": 2,
}


def judging(url: str = "http://127.0.0.1:1/v1", **more: object) -> JudgingOptions:
    """A small order of everything but the certificate."""
    judge = {"kind": "openai", "model": "judge", "base_url": url}
    return JudgingOptions.model_validate({"judge": judge, **SMALL, **more})


def talks_in(text: str) -> list[str]:
    """The conversations that a judge is shown."""
    return text.split("[대화 1]")[1].split("[대화 2]") if "[대화 1]" in text else [text]


def points(score: float, quote: str) -> str:
    """The same score in every dimension, each with the quote."""
    row = {"quote": quote, "reason": "그렇다", "score": score}
    return json.dumps({one.ko: row for one in dimensions()}, ensure_ascii=False)


def quote_from(talk: str) -> str:
    """The last thing that was said."""
    lines = [line for line in talk.strip().split("\n") if line.startswith(("엑사: ", "상대: "))]
    return lines[-1].split(": ", 1)[1]


def choice(winner: object) -> str:
    """A judge's choice."""
    return json.dumps({"reason": "그렇다", "winner": winner}, ensure_ascii=False)


def judge_by(better: Callable[[str, str], int], score: Callable[[str], float]) -> Script:
    """A judge that compares two conversations by one rule and scores one by another.

    What it reads of a conversation ends with a line break.

    Args:
        better: 1 where the first is better, 2 where the second, 0 for a tie.
        score: From 1 to 5.
    """

    def script(asked: Asked) -> Answer:
        talks = [f"{talk.strip()}\n" for talk in talks_in(asked.user)]
        if len(talks) == 2:
            winner = better(*talks)
            return says(choice(str(winner) if winner else "비김"))
        return says(points(score(talks[0]), quote_from(talks[0])))

    return script


def sees(bad: set[str]) -> Script:
    """A judge that knows bad replies by heart, and prefers nothing else."""

    def is_bad(talk: str) -> bool:
        return any(text in talk for text in bad)

    def better(one: str, two: str) -> int:
        return 0 if is_bad(one) == is_bad(two) else 2 if is_bad(one) else 1

    return judge_by(better, lambda talk: 2.5 if is_bad(talk) else 5)


FIRST = judge_by(lambda one, two: 1, lambda talk: 3)
LONGER = judge_by(
    lambda one, two: 0 if len(one) == len(two) else 1 if len(one) > len(two) else 2,
    lambda talk: 5 if len(talk) > 200 else 3,
)


def _taste(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


FANCY = judge_by(lambda one, two: 1 if _taste(one) > _taste(two) else 2, lambda talk: 3)
"""A judge with a taste of its own, whatever stands first."""


def guesses(asked: Asked) -> Answer:
    """A judge that throws dice, the same for the same question."""
    dice = hashlib.sha256(asked.user.encode()).digest()[0]
    return judge_by(lambda one, two: dice % 2 + 1, lambda talk: dice % 5 + 1)(asked)


def nonsense(asked: Asked) -> Answer:
    """A judge that has no opinion."""
    return says("음, 둘 다 나름의 맛이 있네요.")


def declines(asked: Asked) -> Answer:
    """A judge that refuses."""
    return says("죄송하지만 이 요청은 도와드릴 수 없습니다.")


def plays(asked: Asked) -> Answer:
    """A character: 반말 from ``tuned``, long 존댓말 from the others."""
    number = len(asked.body["messages"]) // 2
    if asked.body["model"] == "tuned":
        return says(f"*손을 흔들며* 응, {number}번째 이야기 들었어.")
    return says(f"네, {asked.body['model']}의 {number}번째 말씀을 잘 들었습니다. 더 도와드릴까요?")


def wonders(asked: Asked) -> Answer:
    """An interrogator."""
    return says(f"상대: 그래서 {len(asked.body['messages'])}번은 어떻게 됐어?")


def house(judge: Script, character: Script = plays, interrogator: Script = wonders) -> Script:
    """Everybody behind one address; the name of the model tells them apart."""
    named = {"judge": judge, "interrogator": interrogator}
    return lambda asked: named.get(asked.body["model"], character)(asked)


def judged_at(
    url: str,
    folder: Path,
    *,
    models: tuple[str, ...] = ("base", "tuned"),
    is_asked: bool = False,
    dialogues: tuple[tuple[Turn, ...], ...] = DIALOGUES,
    backoff_s: tuple[float, float] = BACKOFF_S,
    **options: object,
) -> JudgedParts:
    """Everything that a judge can do, at a server; answers are kept in the folder.

    Args:
        url: The server's.
        folder: Where answers stay.
        models: Names of the models that play the character.
        is_asked: Whether an interrogator plays the user.
        dialogues: Good ones, for planting faults.
        backoff_s: How long to wait after a fault of the line.
        **options: In place of the small order's.
    """

    async def run() -> JudgedParts:
        async with AsyncExitStack() as stack:

            async def seat(name: str) -> Seat:
                at = teacher_at(url, model=name)
                opened = await stack.enter_async_context(OpenAICompatibleModel(at))
                return seat_at(at, opened, temperature=0.0)

            asker = {"interrogator": teacher_at(url, model="interrogator")} if is_asked else {}
            case = Case(
                models=tuple([await seat(name) for name in models]),
                judge=await seat("judge"),
                character=EXA,
                system=SYSTEM,
                dialogues=dialogues,
                interrogator=await seat("interrogator") if is_asked else None,
                seed=7,
            )
            answers = stack.enter_context(Answers(folder / "answers.sqlite"))
            return await judge_models(
                case,
                judging(url, **asker, **options),
                answers=answers,
                watcher=Nobody(),
                backoff_s=backoff_s,
            )

    return asyncio.run(run())
