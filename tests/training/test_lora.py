"""LoRA sits where the recipe says, or training does not begin."""

import json

import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from exagirl.errors import ModelError
from exagirl.training.base_model import load_base
from exagirl.training.lora import add_adapter, reload_adapter, resolve_targets
from exagirl.training.options import LoraOptions
from support.tiny_models import save_exaone, tiny_of

IDS = torch.randint(10, 600, (2, 60), generator=torch.Generator().manual_seed(1))
KINDS = {
    "default": {},
    "rslora": {"rslora": True},
    "dora": {"dora": True},
    "gaussian": {"init": "gaussian"},
    "orthogonal": {"init": "orthogonal"},
    "mica": {"init": "mica"},
    "olora": {"init": "olora"},
    "pissa": {"init": "pissa"},
    "pissa, fast": {"init": "pissa_niter_4"},
    "pissa, dora, rslora": {"init": "pissa", "dora": True, "rslora": True},
}
"""Every way to make an adapter."""


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


@pytest.mark.parametrize(
    ("kind", "attention", "mlp"),
    [
        ("llama", "q k v o", "gate up down"),
        ("qwen3", "q k v o", "gate up down"),
        ("gemma3_text", "q k v o", "gate up down"),
        ("exaone4", "q k v o", "gate up down"),
        ("hyperclovax", "q k v o", "gate up down"),
        ("phi3", "qkv o", "gate_up down"),
    ],
)
def test_meanings_follow_the_architecture(kind, attention, mlp):
    """Kept apart or fused, the layers of a block are found by where they stand."""
    model = tiny_of(kind)
    first, both = (
        {f"{name}_proj" for name in names.split()} for names in (attention, f"{attention} {mlp}")
    )
    assert set(resolve_targets(model, "attention")) == first
    assert set(resolve_targets(model, "attention+mlp")) == both


def test_a_name_that_stands_in_both_blocks_is_told_apart():
    """GPT-NeoX calls layers of both blocks dense…; only those of the attention are adapted."""
    adapted = add_adapter(tiny_of("gpt_neox"), LoraOptions(rank=2, targets="attention"), seed=0)
    names = {n.split(".lora_")[0] for n, p in adapted.named_parameters() if p.requires_grad}
    assert all(".attention." in name for name in names)
    assert len(names) == 4


class _Seeing(torch.nn.Module):
    """A language model with eyes, whose layers have the same names."""

    def __init__(self):
        super().__init__()
        self.language_model = tiny_of("llama")
        self.vision_tower = tiny_of("llama").model
        self.config = self.language_model.config

    def get_output_embeddings(self):
        return self.language_model.lm_head

    def prepare_inputs_for_generation(self):
        """Peft asks for it."""


def test_a_vision_tower_is_left_alone():
    """Dialogues hold no pictures: an adapter there would only cost memory."""
    adapted = add_adapter(_Seeing(), LoraOptions(rank=2, targets="all-linear"), seed=0)
    names = [n for n, p in adapted.named_parameters() if p.requires_grad]
    assert names
    assert not [name for name in names if "vision_tower" in name]


def test_the_original_names_of_exaone_are_translated_in_the_message(model):
    """Who writes c_proj learns what it is called here."""
    with pytest.raises(ModelError, match=r"c_proj은\(는\) down_proj"):
        resolve_targets(model, ("c_proj",))


@pytest.mark.parametrize("target", ["embed_tokens", "lm_head", "mlp", "norm"])
def test_a_target_that_is_no_inner_linear_layer_is_an_error(model, target):
    """Embeddings, the output layer, blocks and norms cannot be adapted."""
    with pytest.raises(ModelError, match=target):
        resolve_targets(model, ("q_proj", target))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_adapter_changes_nothing(model, kind):
    """Whatever it starts from, base plus fresh adapter computes what the base computes."""
    with torch.no_grad():
        before = model(IDS).logits
        adapted = add_adapter(model, LoraOptions(rank=4, **KINDS[kind]), seed=0).eval()
        torch.testing.assert_close(adapted(IDS).logits, before, rtol=0, atol=2e-6)


def _trained(model, **options):
    """An adapter whose weights have moved as far as training would move them."""
    adapted = add_adapter(model, LoraOptions(rank=4, targets="attention+mlp", **options), seed=0)
    dice = torch.Generator().manual_seed(0)
    for _, weight in adapted.named_parameters():
        if weight.requires_grad:
            weight.data += torch.randn(weight.shape, generator=dice) * 0.05
    return adapted.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_adapter_comes_back_to_learn_on(exaone_base, model, tmp_path, kind):
    """On a fresh base it computes the same, and just the same weights learn, at the same rank."""
    adapted = _trained(model, **KINDS[kind])
    adapted.save_pretrained(tmp_path)
    again = reload_adapter(load_base(exaone_base, "float32")[0], tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(again(IDS).logits, adapted(IDS).logits, rtol=0, atol=2e-6)
    before, after = (
        {n: p.shape for n, p in m.named_parameters() if p.requires_grad} for m in (adapted, again)
    )
    assert before == after


@pytest.mark.parametrize("kind", KINDS)
def test_any_reader_of_lora_reads_a_saved_adapter(exaone_base, model, tmp_path, kind):
    """Peft by itself attaches it to the published base, even where a part was taken out of that."""
    adapted = _trained(model, **KINDS[kind])
    adapted.save_pretrained(tmp_path)
    plain = PeftModel.from_pretrained(load_base(exaone_base, "float32")[0], tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(plain(IDS).logits, adapted(IDS).logits, rtol=0, atol=2e-6)


def test_an_adapter_saved_after_two_stages_keeps_its_start(exaone_base, model, tmp_path):
    """PiSSA's second stage ends in the same files as if it had been one stage."""
    _trained(model, init="pissa").save_pretrained(tmp_path / "one")
    again = reload_adapter(load_base(exaone_base, "float32")[0], tmp_path / "one")
    again.save_pretrained(tmp_path / "two")
    one, two = (load_file(tmp_path / f / "adapter_model.safetensors") for f in ("one", "two"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=1e-7)
    one, two = (json.loads((tmp_path / f / "residual.json").read_text()) for f in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("init", ["pissa", "olora", "mica"])
def test_a_rank_beyond_a_layers_size_is_an_error(model, init):
    """Such a start has only as many directions as the layer; the layer is named."""
    with pytest.raises(ModelError, match=r"rank가 32 이하.*k_proj"):
        add_adapter(model, LoraOptions(rank=40, init=init), seed=0)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"targets": ()}, "targets가 비어"),
        ({"init": "orthogonal", "rank": 5}, "짝수"),
        ({"init": "mica", "dora": True}, "함께 쓸 수 없"),
        ({"init": "pissa", "quantize": "4bit"}, "quantize를 지우세요"),
    ],
)
def test_options_that_exclude_each_other_are_refused_in_the_recipe(options, hint):
    """The message says which of them to change."""
    with pytest.raises(ValidationError, match=hint):
        LoraOptions(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="4bit may work on CUDA")
def test_four_bits_without_cuda_are_refused(model):
    """Nothing is trained in 32 bits where the recipe says 4."""
    with pytest.raises(ModelError, match="4bit는 CUDA에서만"):
        add_adapter(model, LoraOptions(quantize="4bit"), seed=0)


@pytest.fixture
def adapter(exaone_base, tmp_path):
    """A saved adapter on attention."""
    model, _ = load_base(exaone_base, "float32")
    add_adapter(model, LoraOptions(rank=4), seed=0).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def _change(adapter, change):
    weights = load_file(adapter / "adapter_model.safetensors")
    change(weights)
    save_file(weights, adapter / "adapter_model.safetensors")


FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


def test_an_adapter_of_a_wider_base_is_refused(adapter, tmp_path):
    """The layer is named with both sizes."""
    wider, _ = load_base(save_exaone(tmp_path / "wider", width=2), "float32")
    with pytest.raises(
        ModelError, match=r"k_proj 층의 크기가 다름: 기본 모델 \(64, 128\), 어댑터 \(32, 64\)"
    ):
        reload_adapter(wider, adapter)


def test_an_adapter_of_a_deeper_base_is_refused(model, adapter):
    """Tensors that nothing would read are named, not passed over."""
    deeper = {FIRST.replace(".0.", ".7."): torch.zeros(4, 64)}
    _change(adapter, lambda weights: weights.update(deeper))
    with pytest.raises(ModelError, match=r"이 모델에 없는 층의 것 1개: model\.layers\.7"):
        reload_adapter(model, adapter)


def test_an_adapter_that_lacks_a_layer_is_refused(model, adapter):
    """A layer that would begin anew in the second stage is named."""
    _change(adapter, lambda weights: weights.pop(FIRST))
    with pytest.raises(
        ModelError, match=r"어댑터에 없는 층 1개: model\.layers\.0\.self_attn\.q_proj"
    ):
        reload_adapter(model, adapter)


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]"])
def test_a_damaged_adapter_is_one_message(model, adapter, file, content):
    """Absent, empty or something else: the folder is named."""
    (adapter / file).unlink()
    if content is not None:
        (adapter / file).write_bytes(content)
    with pytest.raises(ModelError, match=str(adapter)):
        reload_adapter(model, adapter)


def test_a_damaged_note_of_the_start_is_one_message(exaone_base, model, tmp_path):
    """residual.json is named, and the adapter is not taken for something else."""
    _trained(model, init="pissa").save_pretrained(tmp_path / "adapter")
    (tmp_path / "adapter" / "residual.json").write_text("{")
    with pytest.raises(ModelError, match=r"residual\.json"):
        reload_adapter(load_base(exaone_base, "float32")[0], tmp_path / "adapter")
