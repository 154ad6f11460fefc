"""Replies that run side by side say what each would say alone."""

import pytest

from exagirl.chatmodel.local import LocalModel, Sampling
from exagirl.chatmodel.local_rows import Speech
from exagirl.chatmodel.local_slots import READ_TOKENS, SlotModel
from support.tiny_chat import chat_tokenizer
from support.tiny_models import tiny_llama, tiny_of

TALKS = [[{"role": "user", "content": "안녕! " * (at % 5 + 1) + f"{at}번"}] for at in range(9)]
KINDS = {"llama": lambda: tiny_llama(tied=True), "gemma3": lambda: tiny_of("gemma3_text")}


@pytest.fixture(scope="module", params=KINDS)
def local(request, tmp_path_factory):
    """A tiny model; one kind looks through a sliding window in every other layer."""
    return LocalModel(KINDS[request.param](), chat_tokenizer(tmp_path_factory.mktemp("talk")))


def sampled(at, temperature):
    """Replies of different lengths."""
    return Sampling(max_new_tokens=10 + 3 * at, temperature=temperature)


def speak(model, talks, temperature, *, steps_between=0):
    """What each talk is told; each begins some steps after the one before."""
    told, names = {}, {}

    def step():
        for piece in model.advance():
            at = names[piece.ticket]
            told[at] = told.get(at, "") + piece.text

    for at, talk in talks:
        names[model.join(model.prompt_tokens(talk), sampled(at, temperature), seed=at)] = at
        for _ in range(steps_between):
            step()
    while not model.is_idle:
        step()
    return told


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("steps_between", [0, 2, 7])
def test_a_reply_does_not_depend_on_its_neighbours(local, temperature, steps_between):
    """However many steps lie between the beginnings, and whoever ends before."""
    talks = list(enumerate(TALKS))
    together = speak(SlotModel.of(local), talks, temperature, steps_between=steps_between)
    for one in talks:
        assert speak(SlotModel.of(local), [one], temperature)[one[0]] == together[one[0]]


def test_the_likeliest_reply_is_that_of_transformers(local):
    """Token by token, penalty and all."""
    together = speak(SlotModel.of(local), list(enumerate(TALKS)), 0.0)
    for at, talk in enumerate(TALKS):
        assert together[at].strip() == local.complete([talk], sampled(at, 0.0))[0].text


def test_who_leaves_takes_nobody_along(local):
    """While it is read as well as while it speaks; the others say the same."""
    model = SlotModel.of(local)
    prompts = [model.prompt_tokens(talk) for talk in TALKS[:3]]
    tickets = [model.join(p, sampled(5, 1.0), seed=at) for at, p in enumerate(prompts)]
    told = dict.fromkeys(tickets, "")
    for piece in model.advance():
        told[piece.ticket] += piece.text
    model.leave(tickets[0])
    late = model.join(prompts[0], sampled(5, 1.0), seed=9)
    model.leave(late)
    while not model.is_idle:
        for piece in model.advance():
            told[piece.ticket] += piece.text
    assert late not in told
    for at in (1, 2):
        alone = SlotModel.of(local)
        ticket = alone.join(prompts[at], sampled(5, 1.0), seed=at)
        said = ""
        while not alone.is_idle:
            said += "".join(p.text for p in alone.advance() if p.ticket == ticket)
        assert told[tickets[at]] == said


def test_a_long_prompt_is_read_between_the_steps_of_others(local):
    """Running replies get a token at every step meanwhile."""
    model = SlotModel.of(local)
    running = model.join(model.prompt_tokens(TALKS[0]), Sampling(max_new_tokens=400), seed=1)
    model.advance()
    words = "책을 읽고 있었어. " * 120
    prompt = model.prompt_tokens([{"role": "user", "content": words}])[: READ_TOKENS + 100]
    assert len(prompt) == READ_TOKENS + 100
    late = model.join(prompt, Sampling(max_new_tokens=4), seed=2)
    steps = [{piece.ticket for piece in model.advance()} for _ in range(3)]
    assert steps[0] == {running}
    assert late in steps[1]


def test_pieces_are_whole_letters(local):
    """A letter of several tokens comes when its last byte is there; together they are the text."""
    tokenizer = local._tokenizer
    text = "값비싼 뷁, 🙂 그리고 ﷽!"
    speech, pieces = Speech(tokenizer), []
    for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
        speech.add(token)
        pieces.append(speech.text())
    pieces.append(speech.text(is_last=True))
    assert "".join(pieces) == text
    assert all("�" not in piece for piece in pieces)
