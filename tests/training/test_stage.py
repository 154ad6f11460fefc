"""The loss is that of the replies, computed only where a label stands."""

import pytest
import torch

from exagirl.chatmodel.encoding import HIDDEN
from exagirl.chatmodel.reply_loss import reply_loss
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions
from exagirl.training.stage import collate
from support.tiny_models import tiny_llama


@pytest.fixture(scope="module")
def batch():
    """Two rows of different length with labels on parts of them."""
    dice = torch.Generator().manual_seed(3)
    rows = []
    for length, labelled in ((40, range(20, 40)), (25, [*range(5, 9), *range(15, 25)])):
        ids = torch.randint(10, 600, (length,), generator=dice).tolist()
        labels = [ids[i] if i in labelled else HIDDEN for i in range(length)]
        rows.append({"input_ids": ids, "labels": labels})
    return rows


def test_the_loss_at_labels_equals_the_full_cross_entropy(batch):
    """Skipping the output layer elsewhere changes nothing."""
    model = tiny_llama(tied=True)
    padded = collate(batch, pad=0)
    nats, count = reply_loss(model, padded["input_ids"], padded["labels"], padded["attention_mask"])
    logits = model(padded["input_ids"], attention_mask=padded["attention_mask"]).logits
    full = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), padded["labels"][:, 1:].flatten(), reduction="sum"
    )
    assert count == 34
    torch.testing.assert_close(nats, full)


def test_padding_changes_no_loss(batch):
    """A row gives the same loss alone and beside a longer one."""
    model = tiny_llama(tied=True)
    together = collate(batch, pad=0)
    nats, _ = reply_loss(
        model, together["input_ids"], together["labels"], together["attention_mask"]
    )
    alone = 0.0
    for row in batch:
        one = collate([row], pad=0)
        alone += reply_loss(model, one["input_ids"], one["labels"], one["attention_mask"])[0].item()
    assert nats.item() == pytest.approx(alone, rel=1e-5)


def test_the_gradient_at_the_hidden_states_is_that_of_cross_entropy(batch):
    """The fused pass gives every adapter weight the gradient that autograd would."""
    gradients = []
    for way in ("ours", "plain"):
        model = add_adapter(tiny_llama(tied=True), LoraOptions(rank=4), seed=5)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(2))
        rows = collate(batch, pad=0)
        if way == "ours":
            loss, _ = reply_loss(model, rows["input_ids"], rows["labels"], rows["attention_mask"])
        else:
            logits = model(rows["input_ids"], attention_mask=rows["attention_mask"]).logits
            loss = torch.nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1), rows["labels"][:, 1:].flatten(), reduction="sum"
            )
        (3 * loss).backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    for ours, plain in zip(*gradients, strict=True):
        # Sums over hundreds of float32 terms: judged against the whole matrix, not entry by entry.
        assert (ours - plain).norm() <= 1e-4 * plain.norm()


def test_a_model_with_softcapped_logits_takes_the_plain_way(batch):
    """A head that is more than one matrix is not short-cut."""
    model = tiny_llama(tied=True)
    rows = collate(batch, pad=0)
    fused, _ = reply_loss(model, rows["input_ids"], rows["labels"], rows["attention_mask"])
    model.config.final_logit_softcapping = 30.0
    plain, _ = reply_loss(model, rows["input_ids"], rows["labels"], rows["attention_mask"])
    torch.testing.assert_close(fused, plain)
