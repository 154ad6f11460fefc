"""A teacher that replays lines it was given."""

from __future__ import annotations

from collections.abc import Mapping

from exagirl.chatmodel.protocol import ChatReply, ChatRequest
from exagirl.errors import TeacherError


class BundledModel:
    """Answers a request with the line that stands under its topic key."""

    def __init__(self, lines: Mapping[str, str]) -> None:
        self._lines = lines

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Look the line up.

        Raises:
            TeacherError: No line stands under this key.
        """
        line = self._lines.get(request.topic_key)
        if line is None:
            raise TeacherError(
                f"함께 든 대화에는 {request.topic_key}이(가) 없습니다. 레시피에서 이 서브셋의 "
                "dialogues를 줄이거나, teacher를 kind: openai로 바꾸세요."
            )
        return ChatReply(content=line)
