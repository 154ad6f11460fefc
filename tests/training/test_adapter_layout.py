"""An adapter with EXAONE's own names sits on the published layout and says the same there."""

import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from exagirl.artifact import read_manifest
from exagirl.errors import ModelError
from exagirl.export.merge import merge_adapter
from exagirl.training.base_model import load_base
from exagirl.training.exaone import llama_name
from exagirl.training.exaone_layout import (
    exaone_name,
    save_adapter_as_exaone,
    save_adapter_as_llama,
)
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions
from support.tiny_models import exaone_name as written_out
from support.tiny_models import tiny_llama

IDS = torch.randint(10, 600, (2, 50), generator=torch.Generator().manual_seed(1))


class _Attention(torch.nn.Module):
    """EXAONE's attention under EXAONE's names, with the weights of a Llama layer."""

    def __init__(self, layer, rope):
        super().__init__()
        self.q_proj, self.k_proj = layer.self_attn.q_proj, layer.self_attn.k_proj
        self.v_proj, self.out_proj = layer.self_attn.v_proj, layer.self_attn.o_proj
        self.rope, self.size = [rope], layer.self_attn.head_dim

    def forward(self, x):
        q, k, v = (
            p(x).unflatten(-1, (-1, self.size)).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        cos, sin = self.rope[0](x, torch.arange(x.shape[1])[None])
        q, k = apply_rotary_pos_emb(q, k, cos, sin)
        mixed = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, enable_gqa=True
        )
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class _Mlp(torch.nn.Module):
    def __init__(self, mlp):
        super().__init__()
        self.c_fc_0, self.c_fc_1, self.c_proj = mlp.gate_proj, mlp.up_proj, mlp.down_proj

    def forward(self, x):
        return self.c_proj(torch.nn.functional.silu(self.c_fc_0(x)) * self.c_fc_1(x))


class _Block(torch.nn.Module):
    def __init__(self, layer, rope):
        super().__init__()
        self.ln_1, self.ln_2 = layer.input_layernorm, layer.post_attention_layernorm
        self.attn = torch.nn.ModuleDict({"attention": _Attention(layer, rope)})
        self.mlp = _Mlp(layer.mlp)

    def forward(self, x):
        x = x + self.attn["attention"](self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class _OriginalExaone(torch.nn.Module):
    """The module tree of the published code; no adapter may need anything else of it."""

    def __init__(self, llama):
        super().__init__()
        blocks = [_Block(layer, llama.model.rotary_emb) for layer in llama.model.layers]
        self.transformer = torch.nn.ModuleDict(
            {
                "wte": llama.model.embed_tokens,
                "h": torch.nn.ModuleList(blocks),
                "ln_f": llama.model.norm,
            }
        )
        self.lm_head, self.config = llama.lm_head, llama.config

    def prepare_inputs_for_generation(self, *_, **__):
        """Peft asks that a causal model has this."""

    def forward(self, ids):
        x = self.transformer["wte"](ids)
        for block in self.transformer["h"]:
            x = block(x)
        return self.lm_head(self.transformer["ln_f"](x))


@pytest.fixture(params=["plain", "dora", "pissa"])
def trained(request, exaone_base, tmp_path):
    """An adapter on all layers as this project saves it, and the logits with it on."""
    kinds = {"plain": {}, "dora": {"dora": True}, "pissa": {"init": "pissa"}}
    options = LoraOptions(rank=4, alpha=8, targets="attention+mlp", **kinds[request.param])
    adapted = add_adapter(load_base(exaone_base, "float32")[0], options, seed=0).eval()
    dice = torch.Generator().manual_seed(0)
    for _, weight in adapted.named_parameters():
        if weight.requires_grad:
            weight.data += torch.randn(weight.shape, generator=dice) * 0.1
    adapted.save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        return tmp_path / "adapter", adapted(IDS).logits


def test_it_attaches_to_the_original_modules_and_computes_the_same(trained, tmp_path):
    """On the published code's module tree peft finds every layer, and the logits agree."""
    adapter, logits = trained
    renamed = save_adapter_as_exaone(adapter, tmp_path / "exaone")
    model = PeftModel.from_pretrained(_OriginalExaone(tiny_llama(tied=True)), renamed).eval()
    with torch.no_grad():
        torch.testing.assert_close(model.base_model(IDS), logits, rtol=0, atol=1e-5)


def test_every_tensor_fits_the_layer_of_its_original_name(trained, exaone_base, tmp_path):
    """Names and shapes are those of the published checkpoint; o_proj is out_proj there."""
    folder = save_adapter_as_exaone(trained[0], tmp_path / "exaone")
    base = load_file(exaone_base / "model.safetensors")
    adapter = load_file(folder / "adapter_model.safetensors")
    layers = {n.split(".lora_")[0].removeprefix("base_model.model.") for n in adapter}
    linear = {n.removesuffix(".weight") for n, t in base.items() if ".h." in n and t.ndim == 2}
    assert layers == linear
    assert "transformer.h.0.attn.attention.out_proj" in layers
    for layer in layers:
        a, b = (adapter[f"base_model.model.{layer}.lora_{x}.weight"] for x in "AB")
        assert (b.shape[0], a.shape[1]) == base[f"{layer}.weight"].shape


def test_the_configuration_names_the_original_modules(trained, tmp_path):
    """target_modules are renamed, the rest of the configuration stays."""
    folder = save_adapter_as_exaone(trained[0], tmp_path / "exaone")
    before, after = (
        json.loads((f / "adapter_config.json").read_text()) for f in (trained[0], folder)
    )
    assert sorted(after.pop("target_modules")) == sorted(
        ["q_proj", "k_proj", "v_proj", "out_proj", "c_fc_0", "c_fc_1", "c_proj"]
    )
    del before["target_modules"]
    assert after == before
    assert read_manifest(folder).kind == "adapter"


def test_there_and_back_is_the_same_adapter(trained, tmp_path):
    """Tensors and configuration come back as they were."""
    there = save_adapter_as_exaone(trained[0], tmp_path / "exaone")
    back = save_adapter_as_llama(there, tmp_path / "back")
    one, two = (load_file(f / "adapter_model.safetensors") for f in (trained[0], back))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    one, two = (json.loads((f / "adapter_config.json").read_text()) for f in (trained[0], back))
    assert one == two


def test_an_adapter_with_original_names_merges_alike(trained, exaone_base, tmp_path):
    """merge_adapter takes either layout and writes the same weights."""
    renamed = save_adapter_as_exaone(trained[0], tmp_path / "exaone")
    one, two = (
        load_file(merge_adapter(exaone_base, adapter, tmp_path / out) / "model.safetensors")
        for adapter, out in ((trained[0], "one"), (renamed, "two"))
    )
    assert all(torch.equal(one[name], two[name]) for name in one | two)


def test_every_name_goes_there_and_back():
    """exaone_name agrees with a table written out by hand, and llama_name undoes it."""
    for name in tiny_llama(tied=False).state_dict():
        assert exaone_name(name) == written_out(name)
        assert llama_name(exaone_name(name)) == name
    assert exaone_name("lm_head") == "lm_head"


def test_layers_that_exaone_does_not_have_are_refused(trained, tmp_path):
    """An adapter of another architecture is named, and nothing is written."""
    weights = load_file(trained[0] / "adapter_model.safetensors")
    weights["base_model.model.model.layers.0.linear_attn.in_proj.lora_A.weight"] = torch.zeros(1, 1)
    save_file(weights, trained[0] / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"EXAONE 3\.x의 층이 아닌.*linear_attn"):
        save_adapter_as_exaone(trained[0], tmp_path / "exaone")
    assert not (tmp_path / "exaone").exists()


def test_a_folder_without_an_adapter_is_one_message(tmp_path):
    """What is no adapter is named."""
    with pytest.raises(ModelError, match="어댑터 폴더가 아니거나"):
        save_adapter_as_exaone(tmp_path, tmp_path / "exaone")
