"""What a reply costs."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import genai_prices

from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatReply

BATCH_DISCOUNT = 0.5
"""Source: OpenAI's Batch API, half the price of the same request asked at once."""


class Price(NamedTuple):
    """US dollars a token."""

    input: float
    cached: float
    """For a prompt token that the endpoint had at hand."""
    output: float

    def of(self, reply: ChatReply) -> float:
        """What a reply cost, in US dollars."""
        cached = min(reply.cached_tokens, reply.prompt_tokens)
        fresh = reply.prompt_tokens - cached
        return fresh * self.input + cached * self.cached + reply.completion_tokens * self.output

    def times(self, share: float) -> Price:
        """A price that is a share of this one."""
        return Price(self.input * share, self.cached * share, self.output * share)

    def most(self, prompt_tokens: int, max_tokens: int) -> float:
        """The most that a request can cost, in US dollars."""
        return prompt_tokens * self.input + max_tokens * self.output


FREE = Price(0.0, 0.0, 0.0)


def price_of(options: TeacherOptions) -> Price | None:
    """The price of a teacher; None where nobody knows it.

    The recipe's ``price`` counts first. Without one a local or bundled teacher is free, OpenAI's
    models have the price that the library ``genai-prices`` knew when it was installed (it asks
    nobody), and an endpoint of one's own has none.
    """
    if options.price is not None:
        million = options.price.input / 1e6
        return Price(million, million, options.price.output / 1e6)
    if options.kind != "openai":
        return FREE
    if options.base_url is not None:
        return None
    try:
        return _known(options.model)
    except LookupError:
        return None


def _known(model: str) -> Price:
    def dollars(**tokens: int) -> float:
        usage = genai_prices.Usage(**tokens)
        found = genai_prices.calc_price(usage, model_ref=model, provider_id="openai")
        return float(found.total_price / Decimal(sum(tokens.values())))

    many = 1000
    whole = dollars(input_tokens=many)
    half = genai_prices.Usage(input_tokens=many, cache_read_tokens=many)
    cached = genai_prices.calc_price(half, model_ref=model, provider_id="openai").total_price
    return Price(whole, float(cached / Decimal(many)), dollars(output_tokens=many))
