"""The loss is that of the replies, computed only where a label stands."""

import pytest
import torch

from exagirl.chatmodel.encoding import HIDDEN
from exagirl.chatmodel.local import reply_loss
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
