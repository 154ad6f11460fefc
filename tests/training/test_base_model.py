"""EXAONE checkpoints load natively, exactly, and refuse what would go wrong silently."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from exagirl.errors import ModelError
from exagirl.training.base_model import fetch_base, give_template, load_base
from support.tiny_models import save_exaone, tiny_llama


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("shards", [1, 3])
def test_an_exaone_checkpoint_computes_what_its_weights_say(tmp_path, tied, shards):
    """The renamed checkpoint gives the logits of the Llama whose weights it holds."""
    folder = save_exaone(tmp_path / "base", tied=tied, shards=shards)
    model, _ = load_base(folder, "float32")
    ids = torch.randint(10, 600, (2, 700), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = tiny_llama(tied=tied)(ids).logits
        torch.testing.assert_close(model(ids).logits, expected, rtol=0, atol=1e-5)


def test_the_rope_scaling_of_the_checkpoint_is_not_lost(exaone_base):
    """Theta and llama3 scaling arrive in the configuration."""
    model, _ = load_base(exaone_base, "float32")
    assert model.config.rope_parameters["rope_type"] == "llama3"
    assert model.config.rope_parameters["rope_theta"] == 1e6


def _broken(exaone_base, tmp_path, change):
    folder = tmp_path / "broken"
    shutil.copytree(exaone_base, folder)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_missing_tensor_is_an_error(exaone_base, tmp_path):
    """A layer that would stay random is refused by name."""
    folder = _broken(
        exaone_base, tmp_path, lambda t: t.pop("transformer.h.1.attn.attention.out_proj.weight")
    )
    with pytest.raises(ModelError, match=r"layers\.1\.self_attn\.o_proj"):
        load_base(folder, "float32")


def test_an_unknown_tensor_is_an_error(exaone_base, tmp_path):
    """A tensor that nothing would read is refused by name."""
    folder = _broken(exaone_base, tmp_path, lambda t: t.update(surplus=torch.zeros(3)))
    with pytest.raises(ModelError, match="surplus"):
        load_base(folder, "float32")


def test_a_misshapen_tensor_is_an_error(exaone_base, tmp_path):
    """A tensor of another size is refused."""
    folder = _broken(
        exaone_base, tmp_path, lambda t: t.update({"transformer.ln_f.weight": torch.zeros(3)})
    )
    with pytest.raises(ModelError, match="기본 모델을 읽을 수 없습니다"):
        load_base(folder, "float32")


def test_a_pickle_checkpoint_is_refused(exaone_base, tmp_path):
    """Only safetensors are read; the message says so."""
    folder = tmp_path / "pickle"
    shutil.copytree(exaone_base, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        load_base(folder)


def test_a_base_that_is_nowhere_says_what_can_be_named(tmp_path):
    """A path that does not exist is not taken for a Hub name."""
    with pytest.raises(ModelError, match="gemma3-270m"):
        fetch_base(str(tmp_path / "nowhere"))


def test_a_hub_that_cannot_be_reached_is_one_message():
    """Offline, a Hub name ends in an error that names it."""
    with pytest.raises(ModelError, match="LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct"):
        fetch_base("LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct")


def test_a_folder_with_a_damaged_config_is_one_message(tmp_path):
    """config.json that is no JSON is named."""
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json"):
        load_base(tmp_path)


def test_a_tokenizer_without_turn_marks_is_refused(exaone_base, tmp_path):
    """A model whose turns we cannot write is refused before anything is trained."""
    folder = tmp_path / "plain"
    shutil.copytree(exaone_base, folder)
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace("[|assistant|]", "[|other|]"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["extra_special_tokens"] = []
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    _, tokenizer = load_base(folder, "float32")
    with pytest.raises(ModelError, match="EXAONE"):
        give_template(tokenizer, "")
