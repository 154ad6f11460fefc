"""What the tests of the generating engine ask for, and what a teacher may say."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from exagirl.artifact import fingerprint
from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.price import price_of
from exagirl.dialogue.engine import Desk, Engine, Filled
from exagirl.dialogue.journal import open_journal
from exagirl.dialogue.mode import Script, Simulation
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.reader import InlineReader
from exagirl.dialogue.records import Dialogue, Slot
from exagirl.dialogue.teacher_prompt import TeacherPrompt
from exagirl.dialogue.voices import Voice, Voices
from exagirl.owners import at_work
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
    usual = {"workers": 2, "turns": [1, 2], "few_shots": 0, "subsets": subsets}
    # The teachers of these tests say the same to everybody.
    alike = {"near_dialogue": None, "near_opening": None}
    return GenerationOptions.model_validate({**usual, **alike, **more})


def slots(count: int) -> list[Slot]:
    """Slots with prompts of their own."""
    return [
        Slot(subset="exa-data", topic="daily", index=n, phrase=f"{n}번째 이야기", turns=2)
        for n in range(count)
    ]


@asynccontextmanager
async def engine_at(
    url: str,
    folder: Path,
    *,
    options: GenerationOptions | None = None,
    teacher: dict[str, object] | None = None,
    order_name: str = "teacher",
    backoff_s: tuple[float, float] = (0.01, 0.05),
    reader: type[InlineReader] = InlineReader,
):
    """An engine of real parts whose teacher is a server; its journal stays in the folder."""
    asked = options or order()
    how = teacher_at(url, **(teacher or {}))
    async with AsyncExitStack() as stack:

        async def voice(of: TeacherOptions) -> Voice:
            model = await stack.enter_async_context(OpenAICompatibleModel(of))
            return Voice(model, of, price_of(of))

        main = await voice(how)
        judge = await voice(asked.judge.teacher) if asked.judge else None
        user = await voice(asked.user_teacher) if asked.user_teacher else main
        journal = stack.enter_context(open_journal(folder / "journal.sqlite", order_name))
        owners = stack.enter_context(at_work(folder))
        prompt = TeacherPrompt(load_character("exa"), 0, is_json=how.output == "json")
        script = Script(prompt, is_json=how.output == "json")
        mode = Simulation(prompt) if asked.mode == "simulation" else script
        desk = Desk(journal, owners, order_name)
        voices = Voices(main, user, judge)
        yield Engine(voices, mode, reader(mode), prompt, desk, asked, backoff_s)


def fill(url: str, folder: Path, wanted: list[Slot], **more) -> Filled:
    """Let an engine with real parts fill slots from a server."""

    async def work() -> Filled:
        async with engine_at(url, folder, **more) as engine:
            return await engine.fill(wanted, Nobody())

    return asyncio.run(work())


def accepted(folder: Path, wanted: list[Slot], order_name: str = "teacher") -> list[Dialogue]:
    """What the journal has accepted for slots, in their order."""
    with open_journal(folder / "journal.sqlite", order_name) as journal:
        found = [journal.accepted(s.key, fingerprint([order_name, s])) for s in wanted]
    return [dialogue for dialogue in found if dialogue is not None]


RECIPE = """
name: tiny
character: exa
seed: 7
teacher: {{kind: openai, model: tiny, base_url: "{url}", api_key_env: {key_env}}}
generation:
  workers: {workers}
  turns: [1, 2]
  few_shots: 0
  near_dialogue: null
  near_opening: null
  subsets:
    exa-data: {{plan: exa, dialogues: {dialogues}}}
training:
  base: nothing-that-is-loaded
  stages: [{{name: character, data: exa-data}}]
"""


def write_recipe_of(url: str, folder: Path, *, dialogues: int = 10, workers: int = 2) -> Path:
    """A recipe whose teacher is a loopback server, for the command line."""
    path = folder / "recipe.yaml"
    path.write_text(
        RECIPE.format(url=url, key_env=KEY_ENV, dialogues=dialogues, workers=workers), "utf-8"
    )
    return path
