"""How a conversation is held."""

from __future__ import annotations

from pydantic import Field

from exagirl.record import Record


class ChatOptions(Record):
    """How a conversation is held."""

    context_tokens: int = Field(
        default=4096, ge=64, description="모델에게 한 번에 주는 글과 답을 합친 길이(토큰)."
    )
    reply_tokens: int = Field(
        default=256, ge=0, description="그 가운데 답을 위해 남겨 두는 길이(토큰)."
    )
    max_chars: int = Field(default=4000, ge=1, description="한마디의 길이(글자), 많아도.")
    max_reply_chars: int = Field(default=8000, ge=1, description="답 하나의 길이(글자), 많아도.")
    knows_placeholders: bool = Field(
        default=True,
        description="모델이 {유저}를 그대로 쓰도록 배웠는지. false면 이름을 채워서 준다.",
    )
    gives_greeting: bool = Field(
        default=False, description="첫인사를 모델에게도 보여 준다. 우리 모델은 사람이 먼저 말한다."
    )
    system: str | None = Field(
        default=None,
        description=(
            "모델이 배운 시스템 프롬프트. 비우면 모델의 대화 틀에 든 것을 쓰고, 덧붙일 것이 있을 "
            "때만 캐릭터 기록으로 만든다."
        ),
    )
    writes_system: bool = Field(
        default=False, description="덧붙일 것이 없어도 시스템 프롬프트를 늘 보낸다(남의 모델)."
    )
    resamples: bool = Field(
        default=False,
        description=(
            "답이 배역을 벗어나면 한 번 다시 뽑는다. 첫 답은 다 나온 뒤에야 보인다. 이어 쓰는 말은 "
            "보지 않는다."
        ),
    )
    remembers: bool = Field(
        default=True, description="밀려난 대화를 모델이 스스로 간추려 둔다. 밀려났을 때만 한다."
    )
    memory_tokens: int = Field(default=300, ge=0, description="떠올린 기억의 길이(토큰), 많아도.")
    memory_s: float = Field(default=60.0, gt=0, description="간추리는 데 쓰는 시간(초), 많아도.")

    @property
    def prompt_tokens(self) -> int:
        """The most tokens that a prompt may have."""
        return max(32, self.context_tokens - self.reply_tokens)

    def with_reply_tokens(self, wanted: int) -> ChatOptions:
        """The same with room for a reply of so many tokens, a quarter of the context at most."""
        room = reply_room(wanted, self.context_tokens)
        return self.model_copy(update={"reply_tokens": room})


def reply_room(wanted: int, context_tokens: int) -> int:
    """Tokens of a context that are left free for a reply: as wanted, a quarter at most."""
    return min(wanted, context_tokens // 4)
