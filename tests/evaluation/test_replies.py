"""Replies in batches: own turns between, kept at once, never asked twice."""

import pytest

from exagirl.chatmodel.sampling import Sampling
from exagirl.evaluation.answers import Answers
from exagirl.evaluation.asking import Branch, Questions, Said, Script, choose_questions
from exagirl.evaluation.replies import Drawing, draw_replies
from exagirl.progress import Nobody
from support.speakers import EXA, FEW, SYSTEM, Mute, Parrot, talk
from support.training_runs import Heard

OPENING = (Said(role="system", content="너는 엑사다."),)


def how(**more):
    """Drawing of four at a time."""
    usual = {"name": "tuned", "label": "학습 후", "digest": "d1", "batch_size": 4, "seed": 7}
    return Drawing(**{**usual, "sampling": Sampling(max_new_tokens=8), **more})


def script(name, *lines, **more):
    """A script of a few lines."""
    return Script(
        **{"scenario": name, "kind": "greeting", "opening": OPENING, "lines": lines, **more}
    )


def questions():
    """A bit of everything."""
    return choose_questions([talk(0), talk(1)], EXA, SYSTEM, FEW, seed=7)


def draw(model, asked, path, drawing=None, watcher=None):
    """The replies, with the answers in a file."""
    with Answers(path / "answers.sqlite") as answers:
        return draw_replies(
            model, asked, drawing or how(), answers=answers, watcher=watcher or Nobody()
        )


def test_own_replies_stand_between_the_lines_of_a_talk(tmp_path):
    """The second question is asked after the model's own first answer."""
    model = Parrot()
    first, second = draw(model, Questions(scripts=(script("가", "하나", "둘"),)), tmp_path)
    assert [one["content"] for one in model.asked[1][1:]] == ["하나", first.text, "둘"]
    assert [one.content for one in second.before] == ["하나", first.text, "둘"]
    assert (first.position, second.position, second.asked) == (1, 2, "둘")


def test_a_branch_begins_with_what_was_said_in_its_talk(tmp_path):
    """And its question stands in place of the user's line at that turn."""
    model = Parrot()
    branch = script("나", "물음", position=3, opening=(), branch=Branch(scenario="가", replies=2))
    said = draw(model, Questions(scripts=(branch, script("가", "1", "2", "3"))), tmp_path)
    assert [one.scenario for one in said] == ["나", "가", "가", "가"]
    assert [one.content for one in said[0].before] == [
        "1",
        said[1].text,
        "2",
        said[2].text,
        "물음",
    ]
    assert said[0].position == 3


def test_a_branch_off_nothing_is_a_mistake(tmp_path):
    """It would wait for ever."""
    branch = script("나", "물음", opening=(), branch=Branch(scenario="없는 것", replies=1))
    with pytest.raises(ValueError, match="branches off"):
        draw(Parrot(), Questions(scripts=(branch,)), tmp_path)


def test_no_batch_is_larger_than_was_ordered(tmp_path):
    """And a talk has one place in a batch."""
    model = Parrot()
    asked = questions()
    draw(model, asked, tmp_path)
    assert max(map(len, model.batches)) == 4
    assert len(model.asked) == asked.replies


def test_batches_are_no_more_than_the_longest_talk_needs(tmp_path):
    """The talk with the most turns goes first; the others fill its batches."""
    model = Parrot()
    short = [script(f"짧은 {n}", "안녕") for n in range(9)]
    long = script("긴", *(str(n) for n in range(4)))
    draw(model, Questions(scripts=(*short, long)), tmp_path)
    assert len(model.batches) == 4


def test_a_rerun_asks_nothing(tmp_path):
    """Every reply is read back, and is the same."""
    first = draw(Parrot(), questions(), tmp_path)
    again = Parrot()
    assert draw(again, questions(), tmp_path) == first
    assert again.batches == []


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_a_killed_run_goes_on_where_it_stood(tmp_path, batches):
    """What was drawn before is not drawn again, and all replies are as if nothing had happened."""
    whole = draw(Parrot(), questions(), tmp_path / "whole")
    dying, heir = Parrot(dies_after=batches), Parrot()
    with pytest.raises(KeyboardInterrupt):
        draw(dying, questions(), tmp_path)
    assert draw(heir, questions(), tmp_path) == whole
    assert len(dying.asked) + len(heir.asked) == questions().replies


@pytest.mark.parametrize(
    "other", [{"digest": "d2"}, {"seed": 8}, {"sampling": Sampling(max_new_tokens=9)}]
)
def test_another_model_seed_or_sampling_is_asked_anew(tmp_path, other):
    """A reply stands for exactly what it was drawn from."""
    draw(Parrot(), questions(), tmp_path)
    model = Parrot()
    draw(model, questions(), tmp_path, how(**other))
    assert len(model.asked) == questions().replies


def test_two_models_are_given_the_same_seeds(tmp_path):
    """What is drawn differs by the model alone."""
    one = draw(Parrot(), questions(), tmp_path, how(digest="d1"))
    other = draw(Parrot(), questions(), tmp_path, how(digest="d2"))
    assert [reply.text for reply in one] == [reply.text for reply in other]


def test_empty_replies_are_replies(tmp_path):
    """They are kept, counted, and the talk goes on."""
    said = draw(Mute(), questions(), tmp_path)
    assert [one.text for one in said] == [""] * questions().replies
    again = Mute()
    draw(again, questions(), tmp_path)
    assert again.batches == []


def test_the_watcher_hears_the_total_and_every_batch(tmp_path):
    """Steps add up to the total; what was kept counts at once."""
    heard = Heard()
    draw(Parrot(), questions(), tmp_path, watcher=heard)
    again = Heard()
    draw(Parrot(), questions(), tmp_path, watcher=again)
    total = questions().replies
    assert heard.started == again.started == [("학습 후: 답 받기", total)]
    assert sum(steps for steps, _ in heard.notes) == sum(steps for steps, _ in again.notes) == total
    assert len(heard.notes) > len(again.notes)
