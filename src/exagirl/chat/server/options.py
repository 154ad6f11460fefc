"""How the API is served."""

from __future__ import annotations

from pydantic import Field, SecretStr

from exagirl.chatmodel.sampling import Sampling
from exagirl.record import Record

ADDRESS = r"^(\*|https?://[^\s/]+)$"


class ServeOptions(Record):
    """Where the API listens, who may ask, and how much."""

    host: str = Field(default="127.0.0.1", min_length=1, description="여는 주소.")
    port: int = Field(default=8000, ge=0, le=65535, description="포트. 0이면 빈 것을 고른다.")
    api_key: SecretStr | None = Field(default=None, description="요청이 내야 하는 키.")
    hosts: tuple[str, ...] = Field(
        default=(),
        description=(
            "host 말고도 요청의 Host 헤더에 와도 되는 이름. 앞에 프록시가 있을 때 쓴다. "
            "예: chat.example.com"
        ),
    )
    cors: tuple[str, ...] = Field(
        default=(), description="브라우저에서 부를 수 있는 출처. 예: https://example.com"
    )
    max_body_bytes: int = Field(default=2**20, ge=1, description="요청 본문의 한도(바이트).")
    max_prompt_tokens: int | None = Field(
        default=None, ge=1, description="프롬프트의 한도(토큰). 비우면 모델의 문맥 길이."
    )
    max_tokens: int = Field(default=1024, ge=1, description="답 하나의 한도(토큰).")
    max_queue: int = Field(default=64, ge=0, description="차례를 기다릴 수 있는 요청의 수.")
    drain_s: int = Field(
        default=120, ge=1, description="끌 때 하던 답을 기다리는 가장 긴 시간(초)."
    )
    sampling: Sampling = Field(
        default=Sampling(), description="요청이 말하지 않았을 때 답을 뽑는 법."
    )
