"""A local model as a teacher: one batch for all who wait, one error for all, an end in time."""

import asyncio
import sqlite3

import pytest
from transformers import AutoTokenizer

from exagirl import pipeline
from exagirl.chatmodel.local import LocalModel
from exagirl.chatmodel.local_teacher import LocalTeacher
from exagirl.chatmodel.options import TeacherOptions
from exagirl.chatmodel.protocol import ChatRequest, Message
from exagirl.dialogue.generate import generate_dialogues
from exagirl.dialogue.order import Order
from exagirl.errors import ModelError, ShortfallError, TeacherError
from exagirl.persona.character import load_character
from exagirl.progress import Nobody
from support.teachers import order
from support.tiny_models import save_exaone, save_tokenizer, tiny_llama

TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ raise_exception('no system, please') }}{% endif %}"
    "[|{{ message.role }}|]{{ message.content }}[|endofturn|]"
    "{% endfor %}{% if add_generation_prompt %}[|assistant|]{% endif %}"
)


class CountedModel(LocalModel):
    """Keeps how many conversations each batch had, and whether one is at work."""

    def __init__(self, model, tokenizer):
        super().__init__(model, tokenizer)
        self.batches = []
        self.at_work = 0

    def complete(self, conversations, sampling, stop=None):
        """Count, and answer."""
        self.batches.append(len(conversations))
        self.at_work += 1
        try:
            return super().complete(conversations, sampling, stop)
        finally:
            self.at_work -= 1


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """A tokenizer whose template takes no system message, as Gemma's did."""
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    loaded = AutoTokenizer.from_pretrained(folder)
    loaded.chat_template = TEMPLATE
    return loaded


@pytest.fixture
def model(tokenizer):
    """A tiny random model."""
    return CountedModel(tiny_llama(tied=False), tokenizer)


def request(text, role="user", **more):
    """A request of one message for a short reply."""
    usual = {"temperature": 0.0, "max_tokens": 16}
    return ChatRequest(messages=(Message(role=role, content=text),), **{**usual, **more})


def ask(model, *requests, batch_size=8):
    """Replies to requests that are made at the same moment; errors stand among them."""

    async def work():
        async with LocalTeacher(model, batch_size) as teacher:
            asked = (teacher.reply(one) for one in requests)
            return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(work())


def test_requests_that_wait_together_are_one_batch(model):
    """The model runs once for all of them."""
    ask(model, *map(request, "가나다"))
    assert model.batches == [3]


def test_no_batch_is_larger_than_the_recipe_says(model):
    """The rest waits for the next one."""
    ask(model, *map(request, "가나다라마"), batch_size=2)
    assert model.batches == [2, 2, 1]


def test_requests_that_are_drawn_otherwise_are_a_batch_of_their_own(model):
    """A batch has one temperature and one limit; the longest-waiting goes first."""
    others = [request("나", temperature=0.5), request("라", max_tokens=17)]
    ask(model, request("가"), *others, request("다"))
    assert model.batches == [2, 1, 1]


def test_each_gets_the_reply_to_its_own_request(model):
    """Short and long prompts side by side are answered as if each had been alone."""
    requests = [request("안녕"), request("오늘 뭐 했어? " * 20), request("책")]
    together = ask(model, *requests)
    assert together == [ask(model, one)[0] for one in requests]
    assert len({reply.content for reply in together}) > 1


def test_a_reply_that_the_limit_cut_says_so(model):
    """finish_reason is ``length``, and every token is counted."""
    [reply] = ask(model, request("안녕"))
    assert (reply.finish_reason, reply.completion_tokens) == ("length", 16)


def test_a_reply_that_the_model_ended_says_so(tokenizer):
    """finish_reason is ``stop``, and the token that ends it is counted."""
    llama = tiny_llama(tied=True)
    llama.generation_config.eos_token_id = list(range(llama.config.vocab_size))
    [reply] = ask(LocalModel(llama, tokenizer), request("안녕"))
    assert (reply.finish_reason, reply.completion_tokens) == ("stop", 1)


def test_the_tokens_of_a_prompt_are_counted_without_padding(model):
    """A short prompt beside a long one costs what it costs alone."""
    short, long = ask(model, request("안녕"), request("안녕" * 50))
    assert short.prompt_tokens == len(model.prompt_tokens([{"role": "user", "content": "안녕"}]))
    assert long.prompt_tokens > short.prompt_tokens


def test_a_seed_repeats_and_another_does_not(model):
    """The same requests with the same seeds are answered alike."""
    drawn = [ask(model, request("안녕", temperature=1.0, seed=seed))[0] for seed in (1, 2, 1)]
    assert drawn[0] == drawn[2] != drawn[1]


def test_an_error_reaches_everyone_in_its_batch(model):
    """A template that takes no system message is told in its own words; the next batch goes on."""
    faults = [request(text, role="system") for text in "가나"]
    *refused, reply = ask(model, *faults, request("다", max_tokens=17))
    assert [type(error) for error in refused] == [TeacherError, TeacherError]
    assert "no system, please" in str(refused[0])
    assert reply.completion_tokens == 17


def test_an_error_of_any_kind_is_told(tokenizer):
    """A model that does not know the tokenizer's tokens raises what no list of errors names."""
    llama = tiny_llama(tied=True)
    llama.resize_token_embeddings(8)
    [error] = ask(LocalModel(llama, tokenizer), request("안녕"))
    assert isinstance(error, TeacherError)
    assert "로컬 교사" in str(error)


def test_closing_ends_a_reply_in_the_middle(model):
    """After the block no thread works, and what was begun is no reply."""

    async def work():
        async with LocalTeacher(model, 8) as teacher:
            asking = asyncio.create_task(teacher.reply(request("안녕", max_tokens=3000)))
            while not model.at_work:
                await asyncio.sleep(0.01)
        at_work = model.at_work
        return at_work, await asyncio.gather(asking, return_exceptions=True)

    at_work, [ended] = asyncio.run(work())
    assert at_work == 0
    assert isinstance(ended, asyncio.CancelledError)


def test_closing_lets_go_of_who_waits(model):
    """A request that no batch has taken yet does not hang."""

    async def work():
        async with LocalTeacher(model, 8) as teacher:
            asking = asyncio.create_task(teacher.reply(request("안녕")))
            await asyncio.sleep(0)
        return await asyncio.gather(asking, return_exceptions=True)

    [ended] = asyncio.run(work())
    assert isinstance(ended, asyncio.CancelledError)
    assert model.batches == []


def test_nobody_works_for_who_has_gone(model):
    """A request that was cancelled while it waited is left out."""

    async def work():
        async with LocalTeacher(model, 1) as teacher:
            asking = [asyncio.create_task(teacher.reply(request(text))) for text in "가나다"]
            while not model.at_work:
                await asyncio.sleep(0.001)
            asking[1].cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    asyncio.run(work())
    assert model.batches == [1, 1]


def test_a_local_teacher_goes_the_way_of_every_teacher(tmp_path, exaone_base):
    """Its replies are journalled; random weights write no dialogue, and that is told."""
    teacher = TeacherOptions(kind="local", model=str(exaone_base), max_tokens=16, batch_size=2)
    ordered = Order(load_character("exa"), teacher, order(rejected_retries=0), 7)
    with pytest.raises(ShortfallError, match="3편 가운데 3편"):
        generate_dialogues(
            ordered,
            folder=tmp_path,
            watcher=Nobody(),
            open_local=pipeline.open_local_teacher,
        )
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    query = "SELECT min(prompt_tokens) > 0, min(completion_tokens) > 0, count(*) FROM attempts"
    assert connection.execute(query).fetchall() == [(1, 1, 3)]
    connection.close()


def test_a_base_without_a_template_is_no_teacher(tmp_path):
    """The message names the model and says which to take."""
    base = save_exaone(tmp_path / "plain")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = None
    (base / "chat_template.jinja").unlink()
    tokenizer.save_pretrained(base)
    with pytest.raises(ModelError, match="plain.*Instruct"):
        pipeline.open_local_teacher(TeacherOptions(kind="local", model=str(base)))
