"""LoRA sits where the recipe says, or training does not begin."""

import pytest

from exagirl.errors import ModelError
from exagirl.training.base_model import load_base
from exagirl.training.lora import add_adapter, resolve_targets
from exagirl.training.options import LoraOptions


@pytest.fixture
def model(exaone_base):
    """A fresh tiny base."""
    return load_base(exaone_base, "float32")[0]


def test_attention_means_all_four_projections_of_exaone(model):
    """The output projection learns too; in the original's recipe it silently did not."""
    adapted = add_adapter(model, LoraOptions(rank=4, targets="attention"), seed=0)
    learning = {
        n.split(".lora_")[0].rpartition(".")[2]
        for n, p in adapted.named_parameters()
        if p.requires_grad
    }
    assert learning == {"q_proj", "k_proj", "v_proj", "o_proj"}


def test_only_the_adapter_learns(model):
    """No weight of the base requires a gradient."""
    adapted = add_adapter(model, LoraOptions(rank=4), seed=0)
    assert all("lora_" in n for n, p in adapted.named_parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("targets", "count"), [("attention", 4), ("attention+mlp", 7), ("all-linear", 7)]
)
def test_targets_by_meaning_resolve_to_layers(model, targets, count):
    """Meanings become module names; the output layer is never one of them."""
    assert len(resolve_targets(model, targets)) == count


def test_a_target_that_matches_nothing_is_an_error(model):
    """The message names the target and the layers that are there."""
    with pytest.raises(ModelError, match=r"out_proj.*o_proj"):
        resolve_targets(model, ("q_proj", "out_proj"))
