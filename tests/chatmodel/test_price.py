"""What a reply costs, and who knows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.price import BATCH_DISCOUNT, FREE, Price, price_of
from exagirl.chatmodel.protocol import ChatReply

TOKENS = st.integers(0, 1_000_000)
DOLLARS = st.floats(0, 1e-3)


@st.composite
def prices(draw):
    """Prices as endpoints have them: what was at hand never costs more than what was not."""
    fresh = draw(DOLLARS)
    return Price(fresh, draw(st.floats(0, fresh)), draw(DOLLARS))


def teacher(**options):
    """A teacher of the official endpoint."""
    return TeacherOptions.model_validate({"kind": "openai", "model": "gpt-4o-mini", **options})


def test_the_recipes_price_is_for_a_million_tokens():
    """A million tokens in and a million out cost what the recipe says."""
    price = price_of(teacher(price={"input": 2.5, "output": 10}))
    reply = ChatReply(content="", prompt_tokens=1_000_000, completion_tokens=1_000_000)
    assert price.of(reply) == pytest.approx(12.5)


def test_the_recipes_price_counts_before_the_known_one():
    """Who has a contract of their own pays by it."""
    assert price_of(teacher(price={"input": 0, "output": 0})) == FREE


@pytest.mark.parametrize("kind", ["local", "bundled"])
def test_what_runs_at_home_is_free(kind):
    """Nobody sends a bill for it."""
    assert price_of(TeacherOptions(kind=kind, model="gpt-4o")) == FREE


def test_a_model_of_openai_has_a_known_price():
    """Words that it writes cost more than words that it reads, and those at hand cost less."""
    price = price_of(teacher())
    assert 0 < price.cached < price.input < price.output


def test_a_model_that_nobody_knows_has_no_price():
    """None is not nothing: a budget in dollars cannot be kept."""
    assert price_of(teacher(model="exa-unheard-of-9000")) is None


def test_an_endpoint_of_ones_own_has_no_price():
    """A model's name says nothing about what somebody else takes for it."""
    assert price_of(teacher(model="gpt-4o", base_url="http://127.0.0.1:9/v1")) is None


@given(price=prices(), prompt=TOKENS, cached=TOKENS, said=TOKENS, spare=TOKENS)
def test_no_reply_costs_more_than_was_set_aside(price, prompt, cached, said, spare):
    """Whatever was at hand, the most of a request is not below the price of its reply."""
    reply = ChatReply(
        content="", prompt_tokens=prompt, cached_tokens=cached, completion_tokens=said
    )
    assert 0 <= price.of(reply) <= price.most(prompt, said + spare) * (1 + 1e-12)


@given(price=prices(), prompt=TOKENS, more=TOKENS)
def test_tokens_at_hand_beyond_the_prompt_are_not_counted(price, prompt, more):
    """An endpoint that claims more of them than there were takes nothing off the bill."""
    whole = ChatReply(content="", prompt_tokens=prompt, cached_tokens=prompt)
    beyond = whole.model_copy(update={"cached_tokens": prompt + more})
    assert price.of(beyond) == price.of(whole)


@given(price=prices(), prompt=TOKENS, cached=TOKENS, said=TOKENS)
def test_a_batch_costs_its_share(price, prompt, cached, said):
    """Half of every token is half of the bill."""
    reply = ChatReply(
        content="", prompt_tokens=prompt, cached_tokens=cached, completion_tokens=said
    )
    discounted = price.times(BATCH_DISCOUNT).of(reply)
    assert discounted == pytest.approx(price.of(reply) * BATCH_DISCOUNT)
