"""What an order would take is told before anybody is asked, and nothing is written for it."""

import pytest

from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import Message
from exagirl.dialogue.estimate import EXCHANGE_TOKENS, JUDGED_TOKENS, RENDERED, estimate
from exagirl.dialogue.options import GenerationOptions
from exagirl.dialogue.plan import plan_slots
from exagirl.dialogue.voices import prompt_tokens
from exagirl.errors import RecipeError
from support.chat_server import ChatServer, in_turn, says
from support.modes import exa_order, generate, talks
from support.teachers import GOOD, order, teacher_at

PRICED = {"kind": "openai", "model": "x", "price": {"input": 2.5, "output": 10}}
FREE = {"kind": "local", "model": "somewhere"}
GPT = {"kind": "openai", "model": "gpt-4o"}
UNKNOWN = {"kind": "openai", "model": "x", "base_url": "http://127.0.0.1:1/v1"}


def ordered(teacher=PRICED, **more):
    """An order of 엑사's."""
    usual = {"subsets": {"exa-data": {"plan": "exa", "dialogues": 60}}, "few_shots": 0}
    options = GenerationOptions.model_validate({**usual, **more})
    return exa_order(TeacherOptions.model_validate(teacher), options)


def weigh(folder, teacher=PRICED, **more):
    """What an order of 엑사's would take."""
    return estimate(ordered(teacher, **more), folder)


def test_a_script_is_one_request_a_slot(tmp_path):
    """Every prompt is counted as it would be sent, every exchange as it was measured."""
    made = ordered()
    found = estimate(made, tmp_path)
    slots, prompt = made.slots(), made.prompt()
    assert found.slots == tuple(slots)
    assert (found.filled, found.requests) == (0, 60)
    assert found.prompt_tokens == sum(prompt_tokens(prompt.messages(slot)) for slot in slots)
    assert found.completion_tokens == EXCHANGE_TOKENS * sum(slot.turns for slot in slots)


def test_a_script_costs_its_tokens(tmp_path):
    """The recipe's price, a million tokens."""
    found = weigh(tmp_path)
    expected = found.prompt_tokens * 2.5e-6 + found.completion_tokens * 10e-6
    assert found.dollars == pytest.approx(expected)


def test_a_simulation_is_two_requests_an_exchange(tmp_path):
    """And each holds what was said before it, so that long talks take more than many short ones."""
    short = weigh(tmp_path, mode="simulation", turns=[2, 2])
    long = weigh(tmp_path, mode="simulation", turns=[8, 8])
    assert (short.requests, long.requests) == (60 * 4, 60 * 16)
    assert short.completion_tokens == 60 * 2 * EXCHANGE_TOKENS
    assert long.prompt_tokens > 4 * short.prompt_tokens


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_simulation_is_weighed_as_it_is_held(tmp_path, turns):
    """The requests that a server sees are as many; their prompts are of the estimate's size."""
    options = order(mode="simulation", turns=[turns, turns])
    with ChatServer(talks) as server:
        made = exa_order(teacher_at(server.url), options)
        found = estimate(made, tmp_path)
        generate(tmp_path, made)
    assert found.requests == len(server.asked)
    sent = [tuple(map(Message.model_validate, asked.body["messages"])) for asked in server.asked]
    # The lines of the test are shorter than what was measured.
    assert found.prompt_tokens == pytest.approx(sum(map(prompt_tokens, sent)), rel=0.2)


def test_gpt_4o_has_a_price(tmp_path):
    """Nobody is asked for it; an order of sixty costs some cents."""
    assert 0.01 < weigh(tmp_path, GPT).dollars < 1


def test_the_price_of_an_unknown_endpoint_is_none(tmp_path):
    """Rather than nothing: the tokens are told all the same."""
    found = weigh(tmp_path, UNKNOWN)
    assert found.dollars is None
    assert found.prompt_tokens > 0


@pytest.mark.parametrize("teacher", [FREE, {"kind": "bundled"}])
def test_what_runs_here_costs_nothing(tmp_path, teacher):
    """A local model and the bundled lines."""
    assert weigh(tmp_path, teacher).dollars == 0


def test_a_user_teacher_has_a_price_of_its_own(tmp_path):
    """Half of what is said is said by the user; a free one costs nothing."""
    both = weigh(tmp_path, mode="simulation")
    user_free = weigh(tmp_path, mode="simulation", user_teacher=FREE)
    character_free = weigh(tmp_path, FREE, mode="simulation", user_teacher=PRICED)
    assert user_free.dollars + character_free.dollars == pytest.approx(both.dollars)
    assert 0 < character_free.dollars < user_free.dollars


def test_a_judge_is_asked_once_a_dialogue(tmp_path):
    """Its requests, tokens and dollars are in the estimate."""
    plain = weigh(tmp_path)
    judged = weigh(tmp_path, judge={"teacher": PRICED})
    assert judged.requests - plain.requests == 60
    assert judged.completion_tokens - plain.completion_tokens == 60 * JUDGED_TOKENS
    assert judged.prompt_tokens - plain.prompt_tokens > plain.completion_tokens
    assert judged.dollars > plain.dollars


@pytest.mark.parametrize("more", [{"judge": {"teacher": UNKNOWN}}, {"user_teacher": UNKNOWN}])
def test_one_unknown_price_makes_the_whole_unknown(tmp_path, more):
    """A sum without it would be too low."""
    assert weigh(tmp_path, PRICED, mode="simulation", **more).dollars is None


def test_slots_in_the_journal_are_not_counted_again(tmp_path):
    """What would be asked is what is left."""
    with ChatServer(in_turn(says(GOOD))) as server:
        small = exa_order(teacher_at(server.url, price={"input": 1, "output": 1}), order())
        generate(tmp_path, small)
        whole = estimate(small, tmp_path)
        larger = small._replace(
            options=order(subsets={"exa-data": {"plan": "exa", "dialogues": 5}})
        )
        rest = estimate(larger, tmp_path)
    assert (whole.filled, whole.requests, whole.prompt_tokens, whole.dollars) == (3, 0, 0, 0)
    assert rest.filled + rest.requests == 5
    assert rest.filled == len(set(small.slots()) & set(larger.slots()))


def test_another_order_in_the_journal_does_not_count(tmp_path):
    """Another teacher's dialogues are not this one's."""
    with ChatServer(in_turn(says(GOOD))) as server:
        made = exa_order(teacher_at(server.url), order())
        generate(tmp_path, made)
        other = made._replace(teacher=teacher_at(server.url, model="other"))
        assert estimate(other, tmp_path).requests == 3


def test_nothing_is_written_where_no_journal_stands(tmp_path):
    """Not even the folder is made."""
    weigh(tmp_path / "runs" / "x" / "dialogues")
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_stands_is_not_changed(tmp_path):
    """Read, and left as it was."""
    with ChatServer(in_turn(says(GOOD))) as server:
        made = exa_order(teacher_at(server.url), order())
        generate(tmp_path, made)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    estimate(made, tmp_path)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_nobody_is_asked(tmp_path):
    """An estimate needs no key and no line."""
    with ChatServer(in_turn(says(GOOD))) as server:
        weigh(tmp_path, {**UNKNOWN, "base_url": server.url, "api_key_env": "EXAGIRL_NO_SUCH_KEY"})
        assert server.asked == []


def test_every_prompt_that_was_rendered_is_another(tmp_path):
    """As many different ones as were looked at."""
    found = weigh(tmp_path)
    assert (found.rendered, found.distinct_prompts) == (60, 60)


@pytest.mark.parametrize("dialogues", [499, 500, 501, 999, 3000])
def test_of_a_long_plan_so_many_prompts_are_rendered(tmp_path, dialogues):
    """At most five hundred, and at least half of that."""
    found = weigh(tmp_path, subsets={"gf": {"plan": "gf-persona", "dialogues": dialogues}})
    assert min(dialogues, RENDERED) / 2 <= found.rendered <= RENDERED
    assert found.distinct_prompts == found.rendered
    assert found.requests == dialogues


def test_topics_and_turns_are_counted_in_the_order_of_the_plan(tmp_path):
    """What a person looks at before an order goes out."""
    found = weigh(tmp_path)
    slots = plan_slots(ordered().options, seed=7)
    assert list(found.topics()) == list(dict.fromkeys((s.subset, s.topic) for s in slots))
    assert sum(found.topics().values()) == sum(found.turns().values()) == 60


def test_an_order_that_cannot_be_held_is_told(tmp_path):
    """Bundled lines cannot talk; the plan says so, as generating would."""
    with pytest.raises(RecipeError, match="simulation"):
        weigh(tmp_path, {"kind": "bundled"}, mode="simulation")
