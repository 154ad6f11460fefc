"""What the tests of the generating engine ask for, and what a teacher may say."""

import asyncio
from pathlib import Path

from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.chatmodel.options import TeacherOptions
from exagirl.dialogue.engine import Engine, Filled, Teacher
from exagirl.dialogue.journal import open_journal
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.records import Slot
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.persona.character import load_character
from exagirl.progress import Nobody

KEY_ENV = "EXAGIRL_TEST_KEY"
GOOD = (
    "human1: 오늘 비 와?\n"
    "gpt1: *창밖을 내다보며* 응, 조금씩 내려. 우산은 챙겼어?\n"
    "human2: 아니 깜빡함\n"
    "gpt2: 그럼 현관에 있는 거 들고 가. *우산을 건넨다*"
)
WRONG_ORDER = "human1: 오늘 비 와?\ngpt2: 응, 조금씩 내려."
POLITE = "human1: 오늘 비 와?\ngpt1: 네, 지금 비가 내리고 있어요. 우산을 챙기세요."


def teacher_at(url: str, **more: object) -> TeacherOptions:
    """A teacher behind a loopback server."""
    return TeacherOptions.model_validate(
        {"kind": "openai", "model": "tiny", "base_url": url, "api_key_env": KEY_ENV, **more}
    )


def order(**more: object) -> GenerationOptions:
    """Three dialogues of 엑사, asked for by two workers."""
    subsets = {"exa-data": {"plan": "exa", "dialogues": 3}}
    return GenerationOptions.model_validate({"workers": 2, "subsets": subsets, **more})


def slots(count: int) -> list[Slot]:
    """Slots with prompts of their own."""
    return [
        Slot(subset="exa-data", topic="daily", index=n, phrase=f"{n}번째 이야기", turns=2)
        for n in range(count)
    ]


def fill(
    url: str,
    folder: Path,
    wanted: list[Slot],
    *,
    identity: str = "teacher",
    options: GenerationOptions | None = None,
) -> Filled:
    """Let an engine with real parts fill slots from a server; its journal stays in the folder."""

    async def work() -> Filled:
        async with OpenAICompatibleModel(teacher_at(url)) as model:
            with open_journal(folder / "journal.sqlite") as journal:
                engine = Engine(
                    model,
                    Teacher(identity=identity),
                    TeacherPrompt(load_character("exa")),
                    journal,
                    options or order(),
                    backoff_s=(0.01, 0.05),
                )
                return await engine.fill(wanted, Nobody())

    return asyncio.run(work())
