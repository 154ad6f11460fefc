"""What is asked of a judge, how often, and when a judge is believed."""

from __future__ import annotations

from pydantic import Field

from exagirl.chatmodel.options import TeacherOptions
from exagirl.record import Record


class JudgingOptions(Record):
    """Interview, arena and the certifying of the judge."""

    judge: TeacherOptions = Field(description="심사할 모델. 잴 모델과 다른 모델이 좋다.")
    interrogator: TeacherOptions | None = Field(
        default=None,
        description="면접에서 사람 역할을 할 모델. 비우면 질문지의 말을 그대로 건넨다.",
    )
    judge_temperature: float = Field(default=0.0, ge=0, le=2, description="심사의 표본 온도.")
    tries: int = Field(
        default=2, ge=1, le=5, description="읽을 수 없는 심사가 오면 같은 것을 몇 번까지 물을지."
    )
    interviews: int = Field(default=12, ge=0, le=1000, description="면접에서 쓸 상황의 수.")
    interview_turns: int = Field(default=3, ge=1, le=20, description="상황마다 캐릭터가 답할 횟수.")
    drifts: int = Field(default=1, ge=0, le=100, description="면접에서 나눌 긴 대화의 수.")
    drift_turns: int = Field(default=20, ge=1, le=20, description="긴 대화에서 답할 횟수.")
    drift_window: int = Field(
        default=5, ge=1, le=20, description="긴 대화를 몇 번의 답씩 끊어 심사할지."
    )
    arena_scenarios: int = Field(
        default=30,
        ge=0,
        le=1000,
        description="맞대결에서 쓸 상황의 수. 100이면 이긴 몫이 ±6%p, 200이면 ±4.5%p 안에 든다.",
    )
    arena_turns: int = Field(default=3, ge=1, le=20, description="맞대결 상황마다 답할 횟수.")
    certify_pairs: int = Field(
        default=4, ge=0, le=100, description="심사를 시험할 때 흠의 종류마다 만들 짝의 수."
    )
    threshold: float = Field(
        default=0.7, ge=0, le=1, description="심은 흠 가운데 적어도 이만큼 찾아야 심사를 믿는다."
    )
    max_flips: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="차례를 바꾸면 달리 고르는 짝이 이보다 많으면 못 믿는다.",
    )
    max_false_alarms: float = Field(
        default=0.2, ge=0, le=1, description="멀쩡한 대화를 이보다 많이 나무라면 못 믿는다."
    )
    max_length_preference: float = Field(
        default=0.7, ge=0.5, le=1, description="늘려 쓴 답을 이보다 많이 고르면 못 믿는다."
    )
    max_silence: float = Field(
        default=0.2, ge=0, le=1, description="읽을 수 없거나 거절한 심사가 이보다 많으면 못 믿는다."
    )
    workers: int = Field(default=4, ge=1, le=256, description="한꺼번에 묻는 수.")
    requests_per_minute: int | None = Field(
        default=None, ge=1, description="1분에 보낼 요청의 수. 비우면 한도가 없다."
    )
    transport_retries: int = Field(
        default=5, ge=0, le=100, description="연결이 끊기거나 서버가 바쁠 때 다시 물을 횟수."
    )
    max_calls: int | None = Field(
        default=None, ge=1, description="이번 실행에서 물을 수 있는 횟수. 받아 둔 답은 세지 않는다."
    )
