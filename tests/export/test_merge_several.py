"""Several adapters with weights, files of a chosen size, tied output layers, EXAONE's layout."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from exagirl.artifact import read_manifest
from exagirl.errors import ModelError
from exagirl.export.merge import Baked, WeightedAdapter, merge_adapter
from exagirl.export.verify import check_files
from exagirl.training.base_model import load_base
from support.adapters import save_adapter
from support.tiny_models import exaone_name, save_exaone, save_tiny, tiny_llama

IDS = torch.randint(10, 600, (2, 60), generator=torch.Generator().manual_seed(1))


def _weights(folder):
    return {k: v for f in sorted(folder.glob("*.safetensors")) for k, v in load_file(f).items()}


@pytest.fixture
def two(exaone_base, tmp_path):
    """Two adapters on one base, the second of another rank and with DoRA."""
    save_adapter(exaone_base, tmp_path / "one", seed=1)
    save_adapter(exaone_base, tmp_path / "two", seed=2, rank=8, dora=True, targets="attention")
    return tmp_path / "one", tmp_path / "two"


def test_several_adapters_add_up_by_their_weights(exaone_base, two, tmp_path):
    """The merged weight is W + Σ wᵢ (Wᵢ - W), where Wᵢ has adapter i alone."""
    base = merge_adapter(exaone_base, WeightedAdapter(folder=two[0], weight=0), tmp_path / "base")
    alone = [_weights(merge_adapter(exaone_base, a, tmp_path / f"{a.name}!")) for a in two]
    mix = [
        WeightedAdapter(folder=folder, weight=w) for folder, w in zip(two, (0.7, -0.4), strict=True)
    ]
    mixed = _weights(merge_adapter(exaone_base, mix, tmp_path / "mixed"))
    for name, weight in _weights(base).items():
        wanted = weight + 0.7 * (alone[0][name] - weight) - 0.4 * (alone[1][name] - weight)
        torch.testing.assert_close(mixed[name], wanted, rtol=0, atol=1e-6)


def test_plain_adapters_with_weights_merge_as_peft_mixes_them(exaone_base, tmp_path):
    """The weighted combination that peft makes of two adapters has the same weights."""
    one = save_adapter(exaone_base, tmp_path / "one", seed=1)
    save_adapter(exaone_base, tmp_path / "two", seed=2)
    one.load_adapter(tmp_path / "two", "other")
    one.add_weighted_adapter(["default", "other"], [0.7, 0.4], "mixed", combination_type="cat")
    one.set_adapter("mixed")
    wanted = one.merge_and_unload().state_dict()
    mix = [WeightedAdapter(folder=tmp_path / n, weight=w) for n, w in (("one", 0.7), ("two", 0.4))]
    found = _weights(merge_adapter(exaone_base, mix, tmp_path / "mixed"))
    for name, weight in found.items():
        torch.testing.assert_close(weight, wanted[name], rtol=0, atol=1e-6)


def test_a_weight_of_zero_leaves_the_base(exaone_base, two, tmp_path):
    """Nothing of the adapter is left at weight 0."""
    out = merge_adapter(exaone_base, WeightedAdapter(folder=two[0], weight=0), tmp_path / "m")
    base = _weights(exaone_base)
    found = _weights(out)
    assert all(
        torch.equal(found[name], weight)
        for name, weight in tiny_llama(tied=True).state_dict().items()
        if name in found
    )
    assert len(found) == len(base)


def test_no_adapter_at_all_is_one_message(exaone_base, tmp_path):
    """An empty list is named."""
    with pytest.raises(ModelError, match="합칠 어댑터가 없습니다"):
        merge_adapter(exaone_base, [], tmp_path / "m")


def test_files_are_no_larger_than_asked(exaone_base, two, tmp_path):
    """A base in one file is written as several, with an index that transformers follows."""
    whole = merge_adapter(exaone_base, two[0], tmp_path / "whole")
    split = merge_adapter(exaone_base, two[0], tmp_path / "split", baked=Baked(shard_gb=1e-4))
    files = sorted(split.glob("*.safetensors"))
    largest = max(t.nbytes for t in _weights(split).values())
    assert len(files) > 2
    assert all(sum(t.nbytes for t in load_file(f).values()) <= max(1e5, largest) for f in files)
    index = json.loads((split / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == {name: f.name for f in files for name in load_file(f)}
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in _weights(split).values())
    one, two_ = (AutoModelForCausalLM.from_pretrained(f) for f in (whole, split))
    assert torch.equal(one(IDS).logits, two_(IDS).logits)


def test_the_manifest_has_the_true_hashes(exaone_base, two, tmp_path):
    """Hashes that were computed while writing are those of the files on disk."""
    out = merge_adapter(exaone_base, two[0], tmp_path / "m", baked=Baked(shard_gb=1e-4))
    check_files(out)
    files = {str(p.relative_to(out)) for p in out.iterdir()} - {"manifest.json"}
    assert files == set(read_manifest(out).files)


def test_a_tied_output_layer_is_stored_once(exaone_base, two, tmp_path):
    """A copy of the embeddings that the base stores as lm_head is left out, and the key says so."""
    base = save_exaone(tmp_path / "b")
    weights = load_file(base / "model.safetensors")
    weights["lm_head.weight"] = weights["transformer.wte.weight"].clone()
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    out = merge_adapter(base, two[0], tmp_path / "m")
    assert "lm_head.weight" not in _weights(out)
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is True


def test_a_tied_output_layer_that_differs_from_the_embeddings_is_refused(two, tmp_path):
    """Which of the two counts is not guessed."""
    base = save_exaone(tmp_path / "b")
    weights = load_file(base / "model.safetensors")
    weights["lm_head.weight"] = weights["transformer.wte.weight"] + 1
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lm_head.weight의 내용이 다릅니다"):
        merge_adapter(base, two[0], tmp_path / "m")


def test_an_adapter_on_a_tied_output_layer_is_refused(exaone_base, two, tmp_path):
    """It would change the embeddings too."""
    weights = load_file(two[0] / "adapter_model.safetensors")
    weights["base_model.model.lm_head.lora_A.weight"] = torch.zeros(4, 64)
    weights["base_model.model.lm_head.lora_B.weight"] = torch.zeros(640, 4)
    save_file(weights, two[0] / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="출력 층.*임베딩과 한 텐서"):
        merge_adapter(exaone_base, two[0], tmp_path / "m")


def test_the_exaone_layout_has_the_original_names(exaone_base, two, tmp_path):
    """Names, sizes' keys and kind are EXAONE's, and the numbers those of the other layout."""
    plain = _weights(merge_adapter(exaone_base, two[0], tmp_path / "plain"))
    out = merge_adapter(exaone_base, two[0], tmp_path / "m", baked=Baked(layout="exaone"))
    found = _weights(out)
    assert found.keys() == {exaone_name(name) for name in plain}
    assert all(torch.equal(found[exaone_name(name)], weight) for name, weight in plain.items())
    config = json.loads((out / "config.json").read_text())
    assert config["model_type"] == "exaone"
    assert (config["num_layers"], config["layer_norm_epsilon"]) == (2, 1e-5)
    assert "auto_map" not in config


def test_a_model_in_exaone_layout_is_a_base_again(exaone_base, two, tmp_path):
    """It loads as the published checkpoint does, with the same logits."""
    plain = merge_adapter(exaone_base, two[0], tmp_path / "plain")
    out = merge_adapter(exaone_base, two[0], tmp_path / "m", baked=Baked(layout="exaone"))
    one, two_ = (load_base(folder, "float32")[0](IDS).logits for folder in (plain, out))
    assert torch.equal(one, two_)


def test_only_exaone_can_be_written_in_its_layout(tmp_path):
    """Another architecture has no such names."""
    save_tiny("qwen3", tmp_path / "b")
    save_adapter(tmp_path / "b", tmp_path / "a")
    with pytest.raises(ModelError, match="qwen3인 모델은 EXAONE의 이름으로"):
        merge_adapter(tmp_path / "b", tmp_path / "a", tmp_path / "m", baked=Baked(layout="exaone"))
    assert not (tmp_path / "m").exists()
