"""What goes over the line: OpenAI's chat completions, as far as they are answered here.

Source: the API reference of OpenAI, "Create chat completion"; fields that are not named here are
ignored, as OpenAI's own server and its likes do.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from exagirl.chat.marks import without_marks
from exagirl.chat.server.backend import Piece
from exagirl.chat.server.faults import ApiFault

MOST_STOPS = 4
MAX_STOP_CHARS = 200
BIGGEST_SEED = 2**63
DONE = b"data: [DONE]\n\n"
_LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x7F, 0x85, 0x2028, 0x2029)}


def _is_whole(text: str) -> str:
    """Half a letter, as an escape of JSON can write it, goes into no prompt and over no line."""
    text.encode()
    return text


Text = Annotated[str, AfterValidator(_is_whole)]


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Part(_Asked):
    """A part of a message; only text is read."""

    type: str
    text: Text | None = None


class AskedMessage(_Asked):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[Part] | None = None

    @property
    def text(self) -> str:
        """Its words; what looks like a model's own marks stays text, as in a chat.

        Raises:
            ApiFault: There is something else than text.
        """
        if self.content is None or isinstance(self.content, str):
            return without_marks(self.content or "")
        if any(part.type != "text" for part in self.content):
            raise ApiFault(400, "글(type: text)만 읽을 수 있습니다.", param="messages")
        return without_marks("".join(part.text or "" for part in self.content))


class StreamOptions(_Asked):
    """What else a stream tells."""

    include_usage: bool | None = None


class ChatBody(_Asked):
    """A request for a reply."""

    model: Text | None = None
    """There is one; who writes a request by hand need not name it."""
    messages: list[AskedMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: int | None = None
    seed: Annotated[int, Field(ge=-BIGGEST_SEED, lt=BIGGEST_SEED)] | None = None
    stop: Text | list[Text] | None = None

    @property
    def stops(self) -> list[str]:
        """The stop strings.

        Raises:
            ApiFault: They are too many, too long, or empty.
        """
        stops = [self.stop] if isinstance(self.stop, str) else list(self.stop or ())
        if len(stops) > MOST_STOPS or any(not 0 < len(one) <= MAX_STOP_CHARS for one in stops):
            raise ApiFault(
                400,
                f"stop에는 1~{MAX_STOP_CHARS}자인 글을 {MOST_STOPS}개까지 넣을 수 있습니다.",
                param="stop",
            )
        return stops

    @property
    def wanted_tokens(self) -> tuple[int | None, str]:
        """The most tokens of the reply, and the field that says so."""
        if self.max_completion_tokens is not None:
            return self.max_completion_tokens, "max_completion_tokens"
        return self.max_tokens, "max_tokens"


class KnownTokens(BaseModel):
    """What of the prompt was not read again."""

    cached_tokens: int


class Usage(BaseModel):
    """What a reply took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: KnownTokens


class SaidMessage(BaseModel):
    """The reply."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """The one choice."""

    index: int = 0
    message: SaidMessage
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class ChatAnswer(BaseModel):
    """A whole reply."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class ModelCard(BaseModel):
    """One model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "exagirl"


class ModelList(BaseModel):
    """The models; there is one."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Health(BaseModel):
    """How the server is."""

    status: Literal["ok", "draining"]
    running: int
    waiting: int


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    """A refusal."""

    error: ErrorBody


class ChunkWriter:
    """Writes the events of one stream; what is the same in all of them is written once."""

    def __init__(self, *, reply_id: str, created: int, model: str, with_usage: bool) -> None:
        head = {
            "id": reply_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._head = _json(head)[:-1]
        self._with_usage = with_usage
        self._tail = ',"usage":null}\n\n' if with_usage else "}\n\n"

    def delta(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        """A piece of the reply."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return f'data: {self._head},"choices":[{_json(choice)}]{self._tail}'.encode()

    def end(self, usage: Usage) -> bytes:
        """The end; before it what it took, in a chunk without a choice, where that was asked."""
        if not self._with_usage:
            return DONE
        told = usage.model_dump_json()
        return f'data: {self._head},"choices":[],"usage":{told}}}\n\n'.encode() + DONE

    @staticmethod
    def fault(fault: ApiFault) -> bytes:
        """An error in the middle of a stream."""
        return f"data: {_json(fault.body)}\n\n".encode()


def usage_of(last: Piece) -> Usage:
    """What a reply took, by its last piece."""
    return Usage(
        prompt_tokens=last.prompt_tokens,
        completion_tokens=last.completion_tokens,
        total_tokens=last.prompt_tokens + last.completion_tokens,
        prompt_tokens_details=KnownTokens(cached_tokens=last.known_tokens),
    )


def _json(value: Any) -> str:
    """JSON on what every client takes for one line."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return written.translate(_LINE_ENDS)
