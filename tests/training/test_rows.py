"""Rows are tokenised once, cut at whole turns, and read in an order that the seed decides."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from exagirl.chatmodel.encoding import encode_conversation
from exagirl.errors import ModelError
from exagirl.training.base_model import give_template, load_tokenizer
from exagirl.training.batch import collate_packs
from exagirl.training.engine import Batcher
from exagirl.training.learner import Learner
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions
from exagirl.training.order import Reading, plan_packs
from exagirl.training.rows import cached_rows, encode_rows, join_rows
from support.tiny_models import tiny_llama
from support.training_runs import SYSTEM, Heard, make_run, options, stage, talks, train


@pytest.fixture(scope="module")
def tokenizer(exaone_base):
    """EXAONE's, with the character in its template."""
    return give_template(load_tokenizer(exaone_base), SYSTEM)


@pytest.fixture(scope="module")
def rows(tokenizer):
    """Seven conversations of different length."""
    return encode_rows(tokenizer, talks("rows", 7), subset="talks")


def same_rows(ours, theirs):
    """Two sets hold the same rows."""
    assert len(ours) == len(theirs)
    for at in range(len(theirs)):
        a, b = ours.row(at), theirs.row(at)
        assert a["input_ids"].tolist() == b["input_ids"].tolist()
        assert a["labels"].tolist() == b["labels"].tolist()
        assert ours.name(at) == theirs.name(at)


def test_a_row_is_the_conversation_as_it_is_encoded(tokenizer, rows):
    """Flat arrays lose nothing of tokens and labels."""
    for at, messages in enumerate(talks("rows", 7)):
        encoded = encode_conversation(tokenizer, messages)
        assert tuple(rows.row(at)["input_ids"].tolist()) == encoded.token_ids
        assert tuple(rows.row(at)["labels"].tolist()) == encoded.labels


def test_picked_and_joined_rows_are_those_rows(rows):
    """Taking a set apart and joining it gives it back."""
    same_rows(join_rows([rows.pick([0, 1, 2]), rows.pick([3, 4, 5, 6])]), rows)


def test_rows_are_tokenised_once(tmp_path, rows):
    """The second time they come from the file."""
    path = tmp_path / "deep" / "talks-train.safetensors"
    made = [cached_rows(path, "key", "talks", lambda: rows)]
    made.append(cached_rows(path, "key", "talks", lambda: pytest.fail("tokenised again")))
    for found in made:
        same_rows(found, rows)


@pytest.mark.parametrize("harm", ["stale", "deleted", "damaged", "junk"])
def test_a_bad_cache_is_made_again(tmp_path, rows, harm):
    """Whatever stands in the file, the rows are those of now."""
    path = tmp_path / "talks-train.safetensors"
    cached_rows(path, "old" if harm == "stale" else "key", "talks", lambda: rows.pick([0]))
    if harm == "deleted":
        path.unlink()
    if harm == "damaged":
        path.write_bytes(path.read_bytes()[:-20])
    if harm == "junk":
        path.write_bytes(b"\x80\x04 no tensors")
    same_rows(cached_rows(path, "key", "talks", lambda: rows), rows)
    same_rows(cached_rows(path, "key", "talks", lambda: pytest.fail("not kept")), rows)


def test_too_long_dialogues_are_cut_and_told(tmp_path, exaone_base):
    """How many dialogues lost how many turns is said and kept in the manifest."""
    run, heard = make_run(tmp_path, talks=6), Heard()
    (manifest,) = train(run, options(exaone_base, stage(steps=1), max_length=128), heard)
    notes = manifest.notes
    assert notes["dialogues_cut"] >= 1
    assert notes["turns_cut"] == 2 * notes["dialogues_cut"]
    told = f"대화 {notes['dialogues_cut']}편에서 앞쪽 {notes['turns_cut']}차례"
    assert any(told in line for line in heard.said)


def test_a_cut_never_leaves_a_reply_without_its_question(tokenizer):
    """Where two replies stand in a row, both go with the question before them."""
    messages = talks("cut", 3)[2]
    messages.insert(3, {"role": "assistant", "content": "한 마디 더!"})
    whole = encode_conversation(tokenizer, messages)
    cut = encode_conversation(tokenizer, messages, max_length=len(whole.token_ids) - 1)
    assert cut.turns_cut == 3
    assert tokenizer.decode(cut.token_ids) == tokenizer.apply_chat_template(
        [messages[0], *messages[4:]], tokenize=False
    )


def test_a_dialogue_that_cannot_fit_is_named(tokenizer):
    """The message says which, and which setting to change."""
    with pytest.raises(ModelError, match=r"talks의 1번째 대화.*max_length"):
        encode_rows(tokenizer, talks("rows", 2), subset="talks", max_length=8)


def test_dialogues_without_a_reply_are_left_out_and_counted(tokenizer):
    """The others keep the place that they have in the dataset."""
    silent = [{"role": "user", "content": "안녕?"}]
    rows = encode_rows(tokenizer, [silent, *talks("rows", 2)], subset="talks")
    assert (len(rows), rows.without_reply, rows.name(0)) == (2, 1, "talks의 2번째 대화")


@pytest.mark.parametrize(
    ("conversations", "what"),
    [([], "한 편도 없습니다"), ([[{"role": "user", "content": "안녕?"}]], "답이 없어")],
    ids=["empty", "no reply"],
)
def test_a_split_with_nothing_to_learn_is_an_error(tokenizer, conversations, what):
    """The message names the subset."""
    with pytest.raises(ModelError, match=rf"talks.*{what}"):
        encode_rows(tokenizer, conversations, subset="talks")


LENGTHS = st.lists(st.integers(1, 100), min_size=1, max_size=60)
READINGS = st.builds(
    Reading,
    epochs=st.integers(1, 3),
    batch_size=st.integers(1, 5),
    accumulation=st.integers(1, 5),
    length_buckets=st.booleans(),
    capacity=st.sampled_from([None, 100, 250]),
    seed=st.integers(0, 9),
)


@given(LENGTHS, READINGS)
def test_every_row_is_read_once_an_epoch(lengths, reading):
    """Sorted, packed or not, nothing is lost and nothing doubled."""
    counts = Counter(row for pack in plan_packs(lengths, reading) for row in pack)
    assert counts == dict.fromkeys(range(len(lengths)), reading.epochs)


@given(LENGTHS, READINGS)
def test_the_plan_depends_on_the_seed_alone(lengths, reading):
    """The same reading gives the same plan."""
    assert plan_packs(lengths, reading) == plan_packs(lengths, reading)


@given(LENGTHS, READINGS, st.integers(1, 9))
def test_a_stage_of_steps_reads_just_so_many_packs(lengths, reading, steps):
    """Neither more nor less than its steps take, over as many epochs as it needs."""
    reading = reading.model_copy(update={"steps": steps})
    assert len(plan_packs(lengths, reading)) == steps * reading.packs_a_step


@given(LENGTHS, READINGS)
def test_no_pack_is_larger_than_its_capacity(lengths, reading):
    """The tokens of its rows fit."""
    for pack in plan_packs(lengths, reading):
        assert len(pack) == 1 or sum(lengths[row] for row in pack) <= reading.capacity


def padding(lengths, reading):
    """How many tokens of the batches are padding."""
    rows = [row for (row,) in plan_packs(lengths, reading)]
    size = reading.batch_size
    batches = [[lengths[r] for r in rows[at : at + size]] for at in range(0, len(rows), size)]
    return sum(max(batch) * len(batch) - sum(batch) for batch in batches)


def test_rows_of_like_length_share_a_batch():
    """Padding shrinks to less than a third."""
    lengths = torch.randint(20, 400, (500,), generator=torch.Generator().manual_seed(1)).tolist()
    grouped, mixed = (
        padding(lengths, Reading(batch_size=8, length_buckets=on)) for on in (True, False)
    )
    assert grouped < mixed / 3


@given(LENGTHS, st.integers(2, 4), st.integers(4, 6), st.integers(0, 9))
def test_sorting_within_a_step_leaves_the_step_as_it_was(lengths, size, batches, seed):
    """A step sees the same rows, so its gradient is the same."""
    plans = [
        plan_packs(
            lengths,
            Reading(batch_size=size, accumulation=batches, length_buckets=on, seed=seed),
        )
        for on in (True, False)
    ]
    step = size * batches
    for start in range(0, len(lengths), step):
        assert len({tuple(sorted(plan[start : start + step])) for plan in plans}) == 1


def test_packed_dialogues_do_not_see_each_other(rows):
    """The logits of each are those that it has alone."""
    model = tiny_llama(tied=True)
    pack = [rows.row(at) for at in (2, 0, 5)]
    packed = collate_packs([pack, [rows.row(1)]], pad=0)
    with torch.no_grad():
        together = model(
            input_ids=packed["input_ids"], position_ids=packed["position_ids"], use_cache=False
        ).logits[0]
        start = 0
        for row in pack:
            alone = model(row["input_ids"][None]).logits[0]
            part = together[start : start + len(alone)]
            torch.testing.assert_close(part, alone, rtol=0, atol=1e-4)
            start += len(alone)


@pytest.mark.parametrize("kind", ["one matrix", "softcapped"])
def test_a_packed_batch_has_the_loss_and_gradient_of_its_rows(rows, kind):
    """The sum over the packs is the sum over the padded rows."""
    found = []
    for packing in (True, False):
        model = add_adapter(tiny_llama(tied=True), LoraOptions(rank=4), seed=5)
        if kind == "softcapped":
            model.config.final_logit_softcapping = 30.0
        packs = [(0, 3, 4), (1, 2)] if packing else [(0,), (3,), (4,), (1,), (2,)]
        batch = Batcher(rows, 0, packing=packing)(packs)
        del batch["rows"]
        nats, count = Learner(model)(**batch)
        nats.backward()
        grads = [p.grad for p in model.parameters() if p.requires_grad]
        found.append((nats.item(), int(count), torch.cat([g.flatten() for g in grads])))
    (packed, n, ours), (padded, m, theirs) = found
    assert n == m
    assert packed == pytest.approx(padded, rel=1e-5)
    assert (ours - theirs).norm() <= 1e-4 * theirs.norm()
