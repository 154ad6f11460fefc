"""Any endpoint that speaks OpenAI's chat completions, streamed."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any

import httpx2
from pydantic import Field

from exagirl.chat.backend import Messages
from exagirl.chat.dice import Dice
from exagirl.chatmodel.sampling import Sampling
from exagirl.chatmodel.secrets import hide
from exagirl.errors import ExagirlError
from exagirl.persona.system_prompt import estimate_tokens
from exagirl.record import Record

OPENAI = "api.openai.com"
OPENAI_KEY = "OPENAI_API_KEY"
ROLES = ("system", "user", "assistant")
FRAME_TOKENS = 4
"""What an endpoint's template may write around a message."""
TOLD_CHARS = 300
LISTED = 10
SEEDS = 2**31
"""Some endpoints take no larger seed."""
_POLL_S = 0.05
_NEW_NAME = "max_completion_tokens"

Open = Callable[[], Any]


class EndpointError(ExagirlError):
    """The model behind the conversation did not answer; what came before is kept."""


class ChatUrl(Record):
    """Where replies come from."""

    base_url: str = Field(pattern=r"^https?://\S+$", description="주소(…/v1).")
    model: str = Field(default="", description="그곳에서 부르는 모델 이름. 하나뿐이면 비워도 된다.")
    api_key_env: str = Field(
        default="",
        description="키가 든 환경 변수의 이름. OpenAI만 비우면 OPENAI_API_KEY를 쓴다.",
    )
    timeout_s: float = Field(default=120.0, gt=0, description="조각 하나를 기다리는 시간(초).")
    extra: dict[str, Any] = Field(default_factory=dict, description="요청에 더할 값.")


class UrlBackend:
    """Speaks through an endpoint.

    Args:
        url: Where.
        sampling: How replies are drawn; a repetition penalty is not among OpenAI's options.

    Raises:
        EndpointError: The address is none, the key is missing, or the model is not named and
            cannot be chosen.
    """

    def __init__(self, url: ChatUrl, sampling: Sampling) -> None:
        import openai

        host = _host(url.base_url)
        self.host = host
        self._url = url
        self._sampling = sampling
        self.key = _key(url, host)
        """Goes nowhere but to the endpoint; empty where none is needed."""
        self._dice = Dice()
        self._limit_name = "max_tokens"
        # What the machine's proxy settings say must not stand before an address of one's own.
        self._client = openai.OpenAI(
            api_key=self.key or "none",
            base_url=url.base_url,
            max_retries=0,
            timeout=url.timeout_s,
            http_client=openai.DefaultHttpx2Client(trust_env=not is_own(host)),
        )
        self.model = url.model or self._only_model()

    @property
    def sampling(self) -> Sampling:
        """How replies are drawn."""
        return self._sampling

    def with_sampling(
        self, sampling: Sampling, *, extra: dict[str, Any] | None = None
    ) -> UrlBackend:
        """The same connections with other dice; closing either closes both.

        Args:
            sampling: How replies are drawn.
            extra: Put in place of the values that requests carry beside; None leaves them.
        """
        other = copy(self)
        other._sampling = sampling
        if extra is not None:
            other._url = self._url.model_copy(update={"extra": extra})
        return other

    def prompt_tokens(self, messages: Messages) -> list[int]:
        """About as many numbers as the prompt has tokens: only the endpoint could count them."""
        return [
            ROLES.index(message["role"])
            for message in messages
            for _ in range(FRAME_TOKENS + estimate_tokens(message["content"]))
        ]

    def speak(self, messages: Messages, stop: Event) -> Iterator[str]:
        """Yield a reply; setting ``stop`` ends it at once, even while the endpoint is silent.

        Raises:
            EndpointError: It could not be asked, refused, or broke off.
        """
        seed = self._seed(messages)
        return self.pieces(lambda: self._ask(messages, seed), stop)

    def write_on(self, prompt: str, stop: Event) -> Iterator[str]:
        """Yield what follows a plain text, where the endpoint completes such.

        Raises:
            EndpointError: It could not be asked, refused, or broke off.
        """
        seed = self._seed([{"role": "prompt", "content": prompt}])
        asked = self._drawn(seed) | {"max_tokens": self._sampling.max_new_tokens}
        return self.pieces(lambda: self._client.completions.create(prompt=prompt, **asked), stop)

    def pieces(self, begin: Open, stop: Event) -> Iterator[str]:
        """Yield the texts of a stream; a thread waits for them, so that a stop is heard."""
        line: Queue[str | Exception | None] = Queue()
        gone = Event()

        def listen() -> None:
            try:
                self._listen(begin, gone, line)
                line.put(None)
            except Exception as error:  # noqa: BLE001 (told in the reader's thread)
                line.put(error)

        Thread(target=listen, daemon=True, name="exagirl-url").start()
        try:
            while not stop.is_set():
                with suppress(Empty):
                    piece = line.get(timeout=_POLL_S)
                    if piece is None:
                        return
                    if isinstance(piece, Exception):
                        raise self._fault(piece) from piece
                    yield piece
        finally:
            gone.set()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _listen(self, begin: Open, gone: Event, line: Queue[str | Exception | None]) -> None:
        finish = ""
        with begin() as stream:
            for chunk in stream:
                if gone.is_set():
                    return
                for choice in chunk.choices[:1]:
                    delta = getattr(choice, "delta", None)
                    text = delta.content if delta else getattr(choice, "text", "")
                    finish = choice.finish_reason or finish
                    if text:
                        line.put(text)
        if not finish:
            raise EndpointError(f"{self.host}: 답이 끝나기 전에 연결이 끊겼습니다.")

    def _seed(self, messages: Messages) -> int | None:
        seed = self._dice.seed(messages, self._sampling.seed)
        return None if seed is None else seed % SEEDS

    def _ask(self, messages: Messages, seed: int | None) -> Any:
        import openai

        create: Any = self._client.chat.completions.create
        asked = self._drawn(seed) | {"messages": messages}
        most = self._sampling.max_new_tokens
        try:
            return create(**asked, **{self._limit_name: most})
        except openai.BadRequestError as error:
            if self._limit_name == _NEW_NAME or _NEW_NAME not in str(error.body):
                raise
            # Newer models know the limit by another name only.
            self._limit_name = _NEW_NAME
            return create(**asked, **{self._limit_name: most})

    def _drawn(self, seed: int | None) -> dict[str, Any]:
        sampling = self._sampling
        asked: dict[str, Any] = {
            "model": self.model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stream": True,
            "extra_body": self._url.extra,
        }
        if seed is not None:
            asked["seed"] = seed
        return asked

    def _only_model(self) -> str:
        import openai

        try:
            found = [model.id for model in self._client.models.list().data]
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            raise self._fault(error) from error
        if len(found) == 1:
            return found[0]
        names = f"있는 모델: {', '.join(found[:LISTED])}." if found else "모델 목록이 비었습니다."
        raise EndpointError(f"{self.host}: --model로 모델을 골라 주세요. {names}")

    def _fault(self, error: Exception) -> Exception:
        """What went wrong, in words that say what to do."""
        import openai

        if isinstance(error, EndpointError):
            return error
        if not isinstance(error, openai.APIStatusError):
            told = hide(str(error), [self.key])[:TOLD_CHARS]
            if isinstance(error, openai.APITimeoutError):
                told = f"{self._url.timeout_s:g}초 동안 답이 없음"
            elif isinstance(error, openai.APIConnectionError):
                told = "연결할 수 없음"
            return EndpointError(
                f"{self.host}: 답하지 못했습니다({told or type(error).__name__}). 서버가 켜져 "
                "있고 주소가 맞는지 확인하세요."
            )
        status = error.status_code
        body = error.body if isinstance(error.body, dict) else {}
        told = hide(str(body.get("message", "")), [self.key])[:TOLD_CHARS]
        if status in (401, 403):
            which = self._url.api_key_env or "--api-key-env로 알려 준 환경 변수"
            return EndpointError(
                f"{self.host}: 키가 받아들여지지 않았습니다(HTTP {status}). {which}의 키를 "
                "확인하세요."
            )
        if status == 404:
            return EndpointError(
                f"{self.host}: 그런 주소나 모델이 없습니다(HTTP 404). 주소(보통 …/v1로 끝남)와 "
                f"--model({self._url.model or '비어 있음'})을 확인하세요. {told}".strip()
            )
        if status in (408, 409, 425, 429) or status >= 500:
            return EndpointError(
                f"{self.host}: 지금은 답할 수 없다고 합니다(HTTP {status}). {told}".strip()
            )
        return EndpointError(f"{self.host}: 요청이 거절되었습니다(HTTP {status}). {told}".strip())


def is_own(host: str) -> bool:
    """True for this machine and for the network at home, where no key is asked for."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local")) or "." not in host
    return address.is_private or address.is_loopback


def _host(address: str) -> str:
    try:
        host = httpx2.URL(address).host
        host.encode("idna")
    except (httpx2.InvalidURL, UnicodeError):
        host = ""
    if not host:
        raise EndpointError(f"{address}: 주소가 아닙니다. 예: http://127.0.0.1:8000/v1")
    return host


def _key(url: ChatUrl, host: str) -> str:
    """The key, which goes nowhere but to the endpoint that it was named for."""
    name = url.api_key_env or (OPENAI_KEY if host == OPENAI else "")
    if not name:
        return ""
    key = os.environ.get(name, "").strip()
    if not (key and key.isascii() and key.isprintable()):
        raise EndpointError(f"환경 변수 {name}에 키가 없습니다. 'export {name}=…'로 넣어 주세요.")
    if url.base_url.startswith("http://") and not is_own(host):
        raise EndpointError(f"{host}: 암호 없는 연결로는 키를 보내지 않습니다. https로 써 주세요.")
    return key
