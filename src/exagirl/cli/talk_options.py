"""Options of the verbs that open a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from exagirl.chat.room import MAX_CAST
from exagirl.chat.session import ChatError
from exagirl.chatmodel.sampling import Sampling
from exagirl.models import TalkChoice

USER = "친구"
TEMPERATURE = Sampling().temperature

SpeakerArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN|MODEL|URL",
        help="실행, 모델 폴더, GGUF 파일, 또는 OpenAI 호환 주소(http://…/v1).",
    ),
]
CharacterOption = Annotated[
    str, typer.Option("--character", help="누구와: 내장 이름, YAML, 카드. 남의 모델에 쓴다.")
]
OthersOption = Annotated[
    list[str] | None, typer.Option("--with", help="한 방에 더 부를 캐릭터. 셋까지 되풀이.")
]
ModelOption = Annotated[str, typer.Option("--model", help="주소 뒤의 모델 이름.")]
KeyOption = Annotated[str, typer.Option("--api-key-env", help="주소에 쓸 키가 든 환경 변수.")]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="같은 씨앗이면 같은 답.")]
TemperatureOption = Annotated[
    float, typer.Option("--temperature", min=0, max=2, help="높을수록 자유롭게.")
]
ContextOption = Annotated[
    int, typer.Option("--context", min=256, help="글과 답을 합친 길이(토큰), 많아도.")
]


def choice_of(  # noqa: PLR0913 (as many as a person may type)
    *,
    character: str,
    others: Sequence[str] | None,
    model: str,
    api_key_env: str,
    seed: int | None,
    temperature: float,
    context: int,
) -> TalkChoice:
    """What was typed.

    Raises:
        ChatError: Too many are to be in one room.
    """
    if len(others or ()) >= MAX_CAST:
        raise ChatError(f"한 방에는 {MAX_CAST}명까지 들어올 수 있습니다. --with는 셋까지입니다.")
    return TalkChoice(
        character=character,
        others=tuple(others or ()),
        model=model,
        api_key_env=api_key_env,
        context_tokens=context,
        sampling=Sampling(seed=seed, temperature=temperature),
    )
