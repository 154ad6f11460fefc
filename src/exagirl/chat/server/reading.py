"""A request's body made into what is asked of the model, or refused."""

from __future__ import annotations

from exagirl.chat.server.backend import Backend, Messages
from exagirl.chat.server.faults import ApiFault, PromptError, too_long, unknown_model
from exagirl.chat.server.options import ServeOptions
from exagirl.chat.server.stream import Ask
from exagirl.chat.server.wire import ChatBody


class Reader:
    """Knows the limits.

    Args:
        backend: Whose prompts are made.
        options: The limits.
        system: The system message of conversations that bring none; empty: none is added.
    """

    def __init__(self, backend: Backend, options: ServeOptions, system: str = "") -> None:
        self._backend = backend
        self._system = system
        self._options = options

    def read(self, body: ChatBody) -> Ask:
        """Check a body and make its prompt; takes a moment where the messages are long.

        Raises:
            ApiFault: 400 for what cannot be answered, 404 for another model.
        """
        if body.model not in (None, self._backend.name):
            raise unknown_model(str(body.model), self._backend.name)
        if body.n not in (None, 1):
            raise ApiFault(400, "n은 1만 됩니다. 여러 답은 요청을 나누어 보내세요.", param="n")
        stops = body.stops
        asked = self._asked_tokens(body)
        try:
            prompt = self._backend.prepare(self._messages(body))
        except PromptError as error:
            raise ApiFault(400, str(error), param="messages") from error
        most = self._room(prompt.tokens, asked)
        given = {
            "temperature": body.temperature,
            "top_p": body.top_p,
            "seed": body.seed,
            "max_new_tokens": most,
        }
        known = {name: value for name, value in given.items() if value is not None}
        sampling = self._options.sampling.model_copy(update=known)
        return Ask(prompt, sampling, stops, client="")

    def _messages(self, body: ChatBody) -> Messages:
        """The messages; ``developer`` is what newer clients call ``system``."""
        messages = [
            {"role": "system" if one.role == "developer" else one.role, "content": one.text}
            for one in body.messages
        ]
        if self._system and all(one["role"] != "system" for one in messages):
            messages.insert(0, {"role": "system", "content": self._system})
        return messages

    def _asked_tokens(self, body: ChatBody) -> int | None:
        asked, field = body.wanted_tokens
        most = self._options.max_tokens
        if asked is not None and asked > most:
            raise ApiFault(
                400, f"{field}은(는) {most:,}까지 됩니다. {asked:,}을(를) 보냈습니다.", param=field
            )
        return asked

    def _room(self, tokens: int | None, asked: int | None) -> int:
        """The most tokens of the reply.

        Raises:
            ApiFault: The prompt, or the prompt with the reply, does not fit.
        """
        options, context = self._options, self._backend.context_tokens
        if tokens is None:
            return asked or options.max_tokens
        if options.max_prompt_tokens is not None and tokens > options.max_prompt_tokens:
            raise too_long(tokens, options.max_prompt_tokens)
        if context is None:
            return asked or options.max_tokens
        if tokens + (asked or 1) > context:
            raise too_long(tokens, context - (asked or 1))
        return asked or min(options.max_tokens, context - tokens)
