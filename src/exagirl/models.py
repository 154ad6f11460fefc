"""Models opened for those who talk to them: teachers, judges, chats. torch is loaded here first."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from pydantic import Field

from exagirl.artifact import RunFolder
from exagirl.chat.backend import Backend
from exagirl.chat.options import reply_room
from exagirl.chat.session import ChatOptions, Member, Session
from exagirl.chat.slot_backend import SlotBackend
from exagirl.chat.url_backend import ChatUrl, UrlBackend
from exagirl.chatmodel.openai_compatible import OpenAICompatibleModel
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatModel, ChatReply, ChatRequest
from exagirl.chatmodel.sampling import Sampling
from exagirl.dataset.chat_template import baked_system
from exagirl.errors import CharacterError, ModelError, RecipeError
from exagirl.job import find_run, need, need_train_extra
from exagirl.persona.character import Character, builtin_names, load_character, read_character
from exagirl.record import Record

CONTEXT_TOKENS = 4096
CHATS = "chats.sqlite"
T = TypeVar("T")


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


class TalkChoice(Record):
    """How a conversation is opened, where the model itself does not say."""

    character: str = Field(
        default="", description="누구와: 내장 캐릭터, YAML, 카드. 비우면 모델이 배운 캐릭터."
    )
    others: tuple[str, ...] = Field(default=(), description="한 방에 더 있을 캐릭터.")
    model: str = Field(default="", description="주소 뒤에 있는 모델의 이름.")
    api_key_env: str = Field(default="", description="주소에 쓸 키가 든 환경 변수의 이름.")
    context_tokens: int = Field(
        default=CONTEXT_TOKENS, ge=256, description="글과 답을 합친 길이(토큰), 많아도."
    )
    sampling: Sampling = Field(default=Sampling(), description="답을 뽑는 법.")


class OpenedTalk(NamedTuple):
    """A model with its character; conversations with it may share it."""

    label: str
    """What was opened, for the screen; no secrets."""
    character: Character
    backend: Backend
    options: ChatOptions
    others: tuple[Member, ...]
    chats: Path
    """The file of conversations with it."""

    def session(self, user: str = "친구") -> Session:
        """A new conversation."""
        return Session(
            self.character, self.backend, user=user, options=self.options, others=self.others
        )


class _Found(NamedTuple):
    """A model, before the conversation."""

    label: str
    backend: Backend
    template: str
    """Its chat template; empty where that is not to be seen."""
    character: Path | None
    window_tokens: int
    chats: Path


def open_chat(folder: RunFolder, *, user: str, seed: int | None = None) -> Session:
    """A session with a run's merged model.

    Raises:
        ArtifactError: The run has no finished model.
    """
    choice = TalkChoice(sampling=Sampling(seed=seed))
    return _opened(_find_in_run(folder, choice), choice).session(user)


def open_talk(name: str, runs: Path, choice: TalkChoice | None = None) -> OpenedTalk:
    """Open whatever can speak for a character.

    Args:
        name: A run's name or folder, a model folder, a ``.gguf`` file, or the address of an
            OpenAI-compatible endpoint.
        runs: Where runs live; conversations with what is no run are kept there.
        choice: What the model does not say of itself.

    Raises:
        ArtifactError: There is no such run, or it has no finished model.
        CharacterError: Nobody says who speaks.
        ExagirlError: The model cannot be opened; the message says why.
    """
    choice = choice or TalkChoice()
    if _is_url(name):
        _need_character(name, choice.character)
        found = _find_url(name, runs, choice)
    elif _is_gguf(name):
        found = _find_gguf(Path(name).expanduser(), runs, choice)
    elif _is_model(name):
        found = _find_folder(Path(name).expanduser().resolve(), runs, choice)
    else:
        found = _find_in_run(find_run(name, runs), choice)
    return _opened(found, choice)


def chats_of(name: str, runs: Path) -> Path:
    """The file where conversations with something stand, which need not exist; opens no model.

    Raises:
        ArtifactError: There is no such run.
    """
    if _is_url(name) or _is_gguf(name):
        return runs / CHATS
    if _is_model(name):
        run = _run_of(Path(name).expanduser().resolve())
        return run.chats / CHATS if run else runs / CHATS
    return find_run(name, runs).chats / CHATS


def _is_url(name: str) -> bool:
    return re.match("https?://", name, re.IGNORECASE) is not None


def _is_gguf(name: str) -> bool:
    return name.lower().endswith(".gguf")


def _is_model(name: str) -> bool:
    return (Path(name).expanduser() / "config.json").is_file()


def _run_of(folder: Path) -> RunFolder | None:
    """The run whose merged model a folder is."""
    run = RunFolder(folder.parent)
    return run if folder == run.model and (run.root / "recipe.yaml").is_file() else None


def _opened(found: _Found, choice: TalkChoice) -> OpenedTalk:
    character = _character_of(found, choice)
    others = tuple(Member(load_character(name), found.backend) for name in choice.others)
    context = max(64, min(found.window_tokens, choice.context_tokens))
    system = baked_system(found.template)
    # A model of ours that is to be somebody else is told so; placeholders it knows all the same.
    is_itself = system is not None and not choice.character
    options = ChatOptions(
        context_tokens=context,
        reply_tokens=reply_room(choice.sampling.max_new_tokens, context),
        system=system if is_itself else None,
        writes_system=not is_itself,
        knows_placeholders=system is not None,
    )
    return OpenedTalk(found.label, character, found.backend, options, others, found.chats)


def _character_of(found: _Found, choice: TalkChoice) -> Character:
    if choice.character:
        return load_character(choice.character)
    return read_character(_need_character(found.label, found.character))


def _need_character(name: str, known: T | None) -> T:
    if not known:
        raise CharacterError(
            f"{name}: 누구와 이야기할지 알 수 없습니다. --character로 골라 주세요. 내장 캐릭터: "
            f"{', '.join(builtin_names())}. 카드나 YAML 파일도 됩니다."
        )
    return known


def _find_in_run(folder: RunFolder, choice: TalkChoice) -> _Found:
    need(folder.model, f"exagirl run {folder.root.name}")
    return _load(folder.model, choice, folder.root.resolve().name, folder.chats / CHATS)


def _find_folder(folder: Path, runs: Path, choice: TalkChoice) -> _Found:
    if run := _run_of(folder):
        return _find_in_run(run, choice)
    return _load(folder, choice, folder.name, runs / CHATS)


def _load(folder: Path, choice: TalkChoice, label: str, chats: Path) -> _Found:
    character, template = folder / "character.yaml", folder / "chat_template.jinja"
    is_known = character.is_file()
    _need_character(str(folder), choice.character or is_known)
    need_train_extra()
    from exagirl.chatmodel.local import LocalModel
    from exagirl.chatmodel.local_slots import SlotModel
    from exagirl.training.train import quiet_libraries

    quiet_libraries()
    model = SlotModel.of(LocalModel.load(folder))
    window = model.context_tokens or choice.context_tokens
    most = reply_room(choice.sampling.max_new_tokens, min(window, choice.context_tokens))
    sampling = choice.sampling.model_copy(update={"max_new_tokens": most})
    try:
        model.prompt_tokens([{"role": "user", "content": "안녕"}])
    except Exception as error:
        raise ModelError(
            f"{folder}: 대화 서식이 없거나 쓸 수 없는 모델입니다({error}). 이름에 Instruct나 "
            "chat이 든 모델, 또는 'exagirl merge'로 만든 모델을 쓰세요."
        ) from error
    return _Found(
        label=label,
        backend=SlotBackend(model, sampling),
        template=template.read_text("utf-8") if template.is_file() else "",
        character=character if is_known else None,
        window_tokens=window,
        chats=chats,
    )


def _find_gguf(path: Path, runs: Path, choice: TalkChoice) -> _Found:
    from exagirl.chat.gguf_backend import GgufBackend

    beside = path.parent / "character.yaml"
    is_known = beside.is_file()
    if path.is_file():
        _need_character(str(path), choice.character or is_known)
    most = reply_room(choice.sampling.max_new_tokens, choice.context_tokens)
    sampling = choice.sampling.model_copy(update={"max_new_tokens": most})
    backend = GgufBackend(path, sampling, context_tokens=choice.context_tokens)
    return _Found(
        label=path.name,
        backend=backend,
        template=backend.template,
        character=beside if is_known else None,
        window_tokens=choice.context_tokens,
        chats=runs / CHATS,
    )


def _find_url(address: str, runs: Path, choice: TalkChoice) -> _Found:
    url = ChatUrl(base_url=address, model=choice.model, api_key_env=choice.api_key_env)
    most = reply_room(choice.sampling.max_new_tokens, choice.context_tokens)
    backend = UrlBackend(url, choice.sampling.model_copy(update={"max_new_tokens": most}))
    return _Found(
        label=f"{backend.model} ({backend.host})",
        backend=backend,
        template="",
        character=None,
        window_tokens=choice.context_tokens,
        chats=runs / CHATS,
    )
