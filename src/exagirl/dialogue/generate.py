"""From a plan to ``dialogues/SUBSET.jsonl``."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

from exagirl.artifact import Manifest, alone, fingerprint, is_complete, read_manifest, seal, unseal
from exagirl.chatmodel.bundled import BundledModel
from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.price import price_of
from exagirl.chatmodel.protocol import ChatModel
from exagirl.dialogue.duplicates import Limits
from exagirl.dialogue.engine import Desk, Engine, Filled
from exagirl.dialogue.journal import Journal, open_journal
from exagirl.dialogue.judge import Judge
from exagirl.dialogue.order import Order, bundled_lines_of
from exagirl.dialogue.outputs import FORMS, count_dialogues, write_dialogues
from exagirl.dialogue.personas import situations
from exagirl.dialogue.plan import exa_topics
from exagirl.dialogue.reader import open_reader
from exagirl.dialogue.reasons import common_reasons
from exagirl.dialogue.records import Slot
from exagirl.dialogue.reparse import Rereader
from exagirl.dialogue.voices import Voice, Voices
from exagirl.errors import MissingExtraError, RecipeError, ShortfallError
from exagirl.owners import at_work
from exagirl.progress import Watcher

JOURNAL = "journal.sqlite"

OpenLocal = Callable[[TeacherOptions], AbstractAsyncContextManager[ChatModel]]
"""Loads a ``local`` teacher; torch lives where the caller has it."""


def no_local_teacher(options: TeacherOptions) -> AbstractAsyncContextManager[ChatModel]:
    """What stands in where nothing can load a model.

    Raises:
        MissingExtraError: Always.
    """
    raise MissingExtraError(
        f"teacher.kind: local({options.model})에는 학습용 라이브러리가 필요합니다. "
        "pip install 'exagirl[train]'"
    )


OpenVoices = Callable[[Journal], AbstractAsyncContextManager[Voices]]


def generate_dialogues(
    order: Order,
    *,
    folder: Path,
    watcher: Watcher,
    open_local: OpenLocal = no_local_teacher,
) -> Manifest:
    """Fill every slot of the plan, or say which stayed open.

    Run again, it goes on from the journal; when nothing changed, it does nothing. Several
    processes may work on one folder: no slot is done twice, and each ends when all are done.

    Raises:
        ShortfallError: Slots stayed open; what was accepted is written all the same.
        TeacherError: The teacher cannot answer at all.
        KeyboardInterrupt: Ctrl-C; what was in flight was waited for, and is written.
    """
    return fill_order(
        order, lambda _: _open_voices(order, open_local), folder=folder, watcher=watcher
    )


def fill_order(
    order: Order,
    open_voices: OpenVoices,
    *,
    folder: Path,
    watcher: Watcher,
    is_patient: bool = True,
) -> Manifest:
    """Fill every slot of an order by whatever voices; the promise of `generate_dialogues`.

    Args:
        order: What is owed.
        open_voices: Opens who is asked, given the journal.
        folder: Where the journal and the dialogues live.
        watcher: Is told how it goes.
        is_patient: Whether the first Ctrl-C waits for what is in flight.
    """
    slots = order.slots()
    check_budget(order)
    inputs = inputs_of(order, slots)
    if is_complete(folder, inputs) and (done := read_manifest(folder)) is not None:
        return done
    prompt = order.prompt()
    mode, name = order.mode(prompt), order.name(prompt)
    unseal(folder)
    with open_journal(folder / JOURNAL, name) as journal, at_work(folder) as owners:
        last = journal.last_attempt()
        _tell_of_other_orders(journal, watcher)
        watcher.start("대화 만들기", len(slots))
        desk = Desk(journal, owners, name)

        async def work() -> Filled:
            left = sum(not journal.is_closed(s.key, fingerprint([name, s])) for s in slots)
            async with open_voices(journal) as voices, open_reader(order, mode, left) as reader:
                engine = Engine(voices, mode, reader, prompt, desk, order.options)
                with _interrupts(engine, watcher, is_patient=is_patient):
                    return await engine.fill(slots, watcher, topic_names())

        try:
            filled = asyncio.run(work())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            with alone(folder):
                write_dialogues(folder, order.options, slots, journal, name)
        with alone(folder):
            return _conclude(order, folder, filled, journal, last, watcher, inputs)


def reread_dialogues(order: Order, *, folder: Path, watcher: Watcher) -> Manifest:
    """Read every raw reply again, after a parser or a check changed; nobody is asked.

    Raises:
        ShortfallError: Slots are open after it; what was accepted is written all the same.
    """
    slots, prompt = order.slots(), order.prompt()
    name = order.name(prompt)
    options = order.options
    unseal(folder)
    with open_journal(folder / JOURNAL, name) as journal, alone(folder):
        watcher.start("받은 답 다시 읽기", len(slots))
        limits = Limits(options.near_dialogue, options.near_opening)
        judge = Judge(options.judge) if options.judge else None
        reread = Rereader(journal, name, order.mode(prompt), limits, judge).read(slots, watcher)
        write_dialogues(folder, options, slots, journal, name)
        missing = len(slots) - reread.accepted
        told = f"새로 받음 {reread.won:,}편, 버림 {reread.lost:,}편"
        if missing:
            raise ShortfallError(
                f"{folder}: 다시 읽었습니다({told}). {len(slots):,}편 가운데 {missing:,}편이 비어 "
                "있습니다. 'exagirl generate'가 남은 것만 교사에게 묻습니다."
            )
        watcher.finish(f"대화 {reread.accepted:,}편 ({told})")
        return seal_dialogues(folder, inputs_of(order, slots), order)


def inputs_of(order: Order, slots: Sequence[Slot]) -> dict[str, str]:
    """What a finished set of dialogues was made from."""
    lines = bundled_lines_of(order) if order.teacher.kind == "bundled" else {}
    return {
        "character": fingerprint(order.character),
        "teacher": fingerprint([order.teacher, order.options.user_teacher, lines]),
        "slots": fingerprint([order.options.mode, *slots]),
    }


def check_budget(order: Order) -> None:
    """Make sure that a budget in dollars can be kept.

    Raises:
        RecipeError: Nobody knows what the teacher costs.
    """
    if order.options.max_dollars is None:
        return
    judge = order.options.judge.teacher if order.options.judge else None
    for options in (order.teacher, order.options.user_teacher, judge):
        if options is not None and price_of(options) is None:
            raise RecipeError(
                f"generation.max_dollars를 지키려면 '{options.model}'의 값을 알아야 합니다. "
                "teacher.price에 백만 토큰의 값을 적어 주세요. 예: "
                "price: {input: 2.5, output: 10}"
            )


def topic_names() -> dict[str, str]:
    """Topics and situations as people call them."""
    names = {topic.id: topic.name for topic in exa_topics()}
    return names | {situation.id: situation.phrase for situation in situations().values()}


def _tell_of_other_orders(journal: Journal, watcher: Watcher) -> None:
    others = journal.other_orders()
    if others:
        watcher.say(
            f"저널에 다른 주문의 대화 {others:,}편이 있습니다(캐릭터, 교사, 지시문이 지금과 다름). "
            "그대로 두고, 이번 주문은 새로 받습니다."
        )


@asynccontextmanager
async def _open_voices(order: Order, open_local: OpenLocal) -> AsyncIterator[Voices]:
    async with contextlib.AsyncExitStack() as stack:

        async def voice(options: TeacherOptions) -> Voice:
            if options.kind == "bundled":
                return Voice(BundledModel(bundled_lines_of(order)), options, price_of(options))
            opened: AbstractAsyncContextManager[ChatModel] = (
                open_local(options) if options.kind == "local" else OpenAICompatibleModel(options)
            )
            return Voice(await stack.enter_async_context(opened), options, price_of(options))

        teacher = await voice(order.teacher)
        user, judge = order.options.user_teacher, order.options.judge
        yield Voices(
            teacher=teacher,
            user=await voice(user) if user else teacher,
            judge=await voice(judge.teacher) if judge else None,
        )


@contextmanager
def _interrupts(engine: Engine, watcher: Watcher, *, is_patient: bool) -> Iterator[None]:
    """The first Ctrl-C waits for what is in flight, the second does not."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    times = 0

    def on_interrupt() -> None:
        nonlocal times
        times += 1
        left = engine.stop()
        if is_patient and times == 1 and left:
            watcher.say(f"보낸 요청 {left}개의 답만 받고 멈춥니다. 바로 멈추려면 한 번 더 Ctrl-C.")
        elif task is not None and (times > 1 or not is_patient):
            task.cancel()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        loop.add_signal_handler(signal.SIGINT, on_interrupt)
    except NotImplementedError:  # Windows: Ctrl-C stops at once
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _conclude(  # noqa: PLR0913 (what a run ends with)
    order: Order,
    folder: Path,
    filled: Filled,
    journal: Journal,
    last: int,
    watcher: Watcher,
    inputs: dict[str, str],
) -> Manifest:
    if filled.why_stopped == "interrupted":
        watcher.say(
            f"대화 {filled.accepted:,}편을 받아 두었습니다. 남은 것 {len(filled.missing):,}편."
        )
        raise KeyboardInterrupt
    if filled.missing:
        raise ShortfallError(_shortfall(order, folder, filled, journal, last))
    watcher.finish(f"대화 {filled.accepted:,}편")
    return seal_dialogues(folder, inputs, order)


def seal_dialogues(folder: Path, inputs: dict[str, str], order: Order) -> Manifest:
    """Declare the dialogues whole; the journal and reports may go on changing."""
    counts = {name: count_dialogues(folder, name) for name in order.options.subsets}
    return seal(
        folder,
        "dialogues",
        inputs,
        notes={"dialogues": counts},
        leave_out=(JOURNAL, "report.html", *FORMS),
    )


def _shortfall(order: Order, folder: Path, filled: Filled, journal: Journal, last: int) -> str:
    """Why slots stayed open, with the commonest reasons and an example of each."""
    total = filled.accepted + len(filled.missing)
    head = (
        f"{folder}: 대화 {total:,}편 가운데 {len(filled.missing):,}편을 채우지 못했습니다"
        f"(예: {filled.missing[0]})."
    )
    if filled.why_stopped == "budget":
        spent = journal.spent()
        return (
            f"{head} 정한 예산을 다 썼습니다(답 {spent.attempts:,}개, ${spent.dollars:.2f}). "
            "generation.max_attempts나 max_dollars를 늘린 뒤 같은 명령을 다시 실행하면 이어 갑니다."
        )
    reasons = common_reasons(journal.connection, last)
    told = "".join(
        f"\n  - {one.code} {one.times}번: {one.message}\n    예: {one.example}" for one in reasons
    )
    if filled.why_stopped.startswith("yield:"):
        topic = filled.why_stopped.removeprefix("yield:")
        share = f"{order.options.min_yield:.0%}"
        return (
            f"{head} '{topic_names().get(topic, topic)}' 주제에서 합격한 답이 {share}도 되지 않아 "
            f"일찍 멈췄습니다. 흔한 까닭:{told}\n교사의 모델이나 지시문을 살피세요. 그래도 "
            "계속하려면 generation.min_yield를 0으로 두세요."
        )
    return (
        f"{head} 흔한 까닭:{told or ' 연결이 끊김'}\n같은 명령을 다시 실행하면 남은 것만 다시 "
        "시도합니다."
    )
