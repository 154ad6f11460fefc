"""Models opened for those who talk to them: teachers, judges, chats. torch is loaded here first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Self

from exagirl.artifact import RunFolder
from exagirl.chat.session import Session, speak_locally
from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatModel, ChatReply, ChatRequest
from exagirl.errors import ModelError, RecipeError
from exagirl.job import need, need_train_extra
from exagirl.persona.character import read_character


def open_model(options: TeacherOptions) -> AbstractAsyncContextManager[ChatModel]:
    """An endpoint, or a model in this process, that answers messages.

    Raises:
        RecipeError: It is the bundled teacher, which only knows dialogues by heart.
        MissingExtraError: The libraries for local models are not installed.
        ModelError: The model cannot be loaded.
    """
    if options.kind == "bundled":
        raise RecipeError(
            "kind: bundled는 함께 든 대화만 되풀이하므로 심사나 면접을 할 수 없습니다. kind를 "
            "openai나 local로 바꾸세요."
        )
    if options.kind == "local":
        return open_local_teacher(options)
    return OpenAICompatibleModel(options)


def open_local_teacher(options: TeacherOptions) -> AbstractAsyncContextManager[ChatModel]:
    """Load a ``local`` teacher: a folder, a merged model, or a name on the Hub.

    Raises:
        MissingExtraError: The libraries for models are not installed.
        ModelError: The model cannot be loaded.
    """
    need_train_extra()
    from exagirl.chatmodel.local import LocalModel
    from exagirl.training.base_model import load_base
    from exagirl.training.train import quiet_libraries

    def load() -> LocalModel:
        model, tokenizer = load_base(options.model, "auto")
        if tokenizer.chat_template is None:
            raise ModelError(
                f"{options.model}: 대화 서식이 없는 모델이라 교사가 될 수 없습니다. 이름에 "
                "Instruct나 chat이 든 모델을 쓰세요."
            )
        return LocalModel(model, tokenizer)

    quiet_libraries()
    return open_local_model(load, options.batch_size)


def open_local_model(
    load: Callable[[], Any], batch_size: int
) -> AbstractAsyncContextManager[ChatModel]:
    """Load a model; requests that wait together are answered as one batch."""
    from exagirl.chatmodel.local_teacher import LocalTeacher

    return LocalTeacher(load(), batch_size)


class LateModel:
    """A model that is opened when it is first asked: what was answered before needs none.

    Args:
        opened: Opens it.
    """

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[ChatModel]]) -> None:
        self._open = opened
        self._stack = AsyncExitStack()
        self._model: ChatModel | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Answer one request, as the opened model does."""
        if self._model is None:
            # Loading blocks the loop, so of several who ask at once the first alone opens.
            self._model = await self._stack.enter_async_context(self._open())
        return await self._model.reply(request)


def open_chat(folder: RunFolder, *, user: str, seed: int | None = None) -> Session:
    """A session with a run's merged model.

    Raises:
        ArtifactError: The run has no finished model.
    """
    need_train_extra()
    from exagirl.chatmodel.local import LocalModel, Sampling
    from exagirl.training.train import quiet_libraries

    need(folder.model, f"exagirl run {folder.root.name}")
    quiet_libraries()
    character = read_character(folder.model / "character.yaml")
    backend = speak_locally(LocalModel.load(folder.model), Sampling(seed=seed))
    return Session(character, backend, user=user)
