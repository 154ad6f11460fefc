"""How long an upload waits for a hub that is busy or gone, and when it gives up."""

from __future__ import annotations

from pydantic import Field

from exagirl.record import Record


class Patience(Record):
    """Tries and pauses of one request."""

    tries: int = Field(default=4, ge=1, description="한 요청을 보내는 횟수, 처음까지 세어.")
    first_wait_s: float = Field(default=1.0, ge=0, description="첫 번째 쉼. 다음부터 두 배씩.")
    longest_wait_s: float = Field(
        default=300.0, ge=0, description="허브가 청한 쉼(Retry-After)을 이 초까지만 따른다."
    )
    total_wait_s: float = Field(default=900.0, ge=0, description="올리기 전체에서 쉬는 초의 합.")


class GaveUpError(Exception):
    """The tries or the time ran out; ``fault`` is what the last try met.

    Not one of the errors that huggingface_hub tries again after: what is given up here stays so.
    """

    def __init__(self, fault: Exception, wait_s: float | None = None) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.wait_s = wait_s
