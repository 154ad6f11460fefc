"""The adapter leaves as a folder that peft loads, in our names or in EXAONE's."""

import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from exagirl.errors import ModelError
from exagirl.export.adapter_folder import Named, write_adapter
from exagirl.training.base_model import load_base
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions
from support.merged_models import save_exaone_kind
from support.tiny_models import save_tiny

NAMED = Named(name="exa", base="OWNER/EXAONE-base")


@pytest.fixture
def trained(exaone_base, tmp_path):
    """An adapter of some strength, and a merged model for what goes along."""
    model, _ = load_base(exaone_base, "float32")
    adapted = add_adapter(model, LoraOptions(rank=4, alpha=8, targets="attention+mlp"), 0).eval()
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.05)
    adapted.save_pretrained(tmp_path / "adapter")
    out = tmp_path / "out"
    out.mkdir()
    return adapted, tmp_path / "adapter", save_exaone_kind(tmp_path / "model"), out


def test_the_folder_gives_the_same_logits_on_the_base(trained, exaone_base):
    """What peft loads is what was trained."""
    adapted, adapter, model, out = trained
    write_adapter(adapter, model, out, NAMED, layout="llama")
    again = PeftModel.from_pretrained(load_base(exaone_base, "float32")[0], out).eval()
    ids = torch.arange(10, 60)[None]
    with torch.no_grad():
        assert torch.equal(again(ids).logits, adapted(ids).logits)


def test_the_folder_carries_what_belongs_to_the_model(trained):
    """Tokenizer, template, character, licence, a page; and the base by the name others know."""
    _, adapter, model, out = trained
    write_adapter(adapter, model, out, NAMED, layout="llama")
    for name in ("tokenizer.json", "chat_template.jinja", "character.yaml", "LICENSE"):
        assert (out / name).read_bytes() == (model / name).read_bytes()
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == NAMED.base
    page = (out / "README.md").read_text("utf-8")
    assert NAMED.base in page
    assert "PeftModel" in page


def test_exaones_names_are_those_of_its_own_code(trained):
    """The same numbers under other names; the page warns where they do not fit."""
    _, adapter, model, out = trained
    write_adapter(adapter, model, out, NAMED, layout="exaone")
    names = load_file(out / "adapter_model.safetensors").keys()
    assert all(name.startswith("base_model.model.transformer.h.") for name in names)
    assert any("attn.attention.out_proj" in name for name in names)
    assert "오류 없이 읽히지만 다른 값" in (out / "README.md").read_text("utf-8")
    assert not [path for path in out.iterdir() if path.is_dir()]


def test_a_damaged_adapter_is_named(trained):
    """Its weights are cut off."""
    _, adapter, model, out = trained
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(ModelError, match="adapter_model.safetensors"):
        write_adapter(adapter, model, out, NAMED, layout="llama")


def test_exaones_names_are_for_exaone_alone(trained, tmp_path):
    """Gemma's layers are named as Llama's, too; under EXAONE's names nothing would fit."""
    _, adapter, _, out = trained
    save_tiny("gemma3_text", tmp_path / "gemma")
    with pytest.raises(ModelError, match="EXAONE 3.x가 아니어서"):
        write_adapter(adapter, tmp_path / "gemma", out, NAMED, layout="exaone")
