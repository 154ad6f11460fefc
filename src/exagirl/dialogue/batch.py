"""Dialogues over the Batch API of OpenAI: half the price, within a day."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from pydantic import Field

from exagirl.artifact import Manifest, file_faults, make_folder
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.price import BATCH_DISCOUNT, price_of
from exagirl.dialogue.batch_model import GATHER_S, MAX_REQUESTS, POLL_S, BatchModel, Pace, Role
from exagirl.dialogue.generate import fill_order
from exagirl.dialogue.journal import Journal
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.order import Order
from exagirl.dialogue.voices import Voice, Voices
from exagirl.errors import ArtifactError, RecipeError
from exagirl.progress import Watcher

LOCK = ".batch.lock"


class _AtOnce(GenerationOptions):
    """Options without a pace: all that can go out together is asked together.

    The number of workers is left out where an order is handed to the process that reads replies.
    """

    workers: int = Field(default=MAX_REQUESTS, exclude=True)

    @classmethod
    def of(cls, options: GenerationOptions) -> Self:
        """The same options but for the pace."""
        pace = {"workers", "requests_per_minute", "tokens_per_minute"}
        return cls.model_validate(options.model_dump(exclude=pace))


def generate_by_batch(
    order: Order,
    *,
    folder: Path,
    watcher: Watcher,
    poll_s: float = POLL_S,
    gather_s: float = GATHER_S,
) -> Manifest:
    """Fill every slot over the Batch API; the promise of `generate_dialogues`.

    Ctrl-C stops at once; batches that were sent go on at the endpoint, and the same command
    collects them.

    Raises:
        RecipeError: The teacher, the judge or the mode does not go with batches.
        ArtifactError: Another process waits for the batches of this folder.
    """
    judge = order.options.judge.teacher if order.options.judge else None
    for options in (order.teacher, judge):
        if options is not None and options.kind != "openai":
            raise RecipeError(
                f"--batch는 교사와 심사 모델의 kind가 openai일 때만 쓸 수 있습니다({options.kind})."
            )
    if order.options.mode != "script":
        raise RecipeError(
            "--batch는 generation.mode: script에서만 쓸 수 있습니다. simulation은 한 마디마다 "
            "답을 기다려야 합니다."
        )
    name = order.name(order.prompt())
    pace = Pace(poll_s, gather_s)

    def open_voices(journal: Journal) -> AbstractAsyncContextManager[Voices]:
        def model(options: TeacherOptions, role: Role) -> BatchModel:
            return BatchModel(options, role, name, journal, watcher.say, pace)

        return _open_voices(order, model)

    with _only_here(folder):
        return fill_order(
            order._replace(options=_AtOnce.of(order.options)),
            open_voices,
            folder=folder,
            watcher=watcher,
            is_patient=False,
        )


@asynccontextmanager
async def _open_voices(
    order: Order, model: Callable[[TeacherOptions, Role], BatchModel]
) -> AsyncIterator[Voices]:
    async with contextlib.AsyncExitStack() as stack:

        async def voice(options: TeacherOptions, role: Role) -> Voice:
            price = price_of(options)
            return Voice(
                await stack.enter_async_context(model(options, role)),
                options,
                price.times(BATCH_DISCOUNT) if price else None,
            )

        teacher = await voice(order.teacher, "teacher")
        judge = order.options.judge
        yield Voices(teacher, teacher, await voice(judge.teacher, "judge") if judge else None)


@contextmanager
def _only_here(folder: Path) -> Iterator[None]:
    """One process at a time: two would each take the other's batches for lost."""
    make_folder(folder)
    with file_faults(folder):
        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise ArtifactError(
                f"{folder}: 다른 exagirl이 이 폴더의 배치를 기다리고 있습니다. 그쪽이 끝난 뒤에 "
                "다시 실행하거나, 그쪽을 멈추세요."
            ) from None
    try:
        yield
    finally:
        lock.release()
