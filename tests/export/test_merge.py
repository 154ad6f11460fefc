"""The merged model is base plus adapter, to the bit where the adapter changes nothing."""

import json
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from exagirl.artifact import read_manifest
from exagirl.errors import ModelError
from exagirl.export.merge import Baked, merge_adapter
from exagirl.training.base_model import load_base
from exagirl.training.exaone import RENAMED, llama_name
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions
from support.tiny_models import exaone_name, save_exaone


def _adapter(base, folder, seed=0):
    """A random adapter, of a strength that shows."""
    model, _ = load_base(base, "float32")
    adapted = add_adapter(model, LoraOptions(rank=4, alpha=8, targets="attention+mlp"), seed)
    dice = torch.Generator().manual_seed(seed)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data = torch.randn(weight.shape, generator=dice) * 0.05
    adapted.save_pretrained(folder)
    return adapted.eval()


@pytest.fixture(params=[(True, 1), (False, 3)], ids=["tied", "untied-sharded"])
def made(request, tmp_path):
    """A base, an adapter on it, and the model with the adapter on."""
    tied, shards = request.param
    base = save_exaone(tmp_path / "base", tied=tied, shards=shards)
    return base, tmp_path / "adapter", _adapter(base, tmp_path / "adapter")


def test_the_merged_model_speaks_as_base_plus_adapter(made, tmp_path):
    """Plain transformers loads it and gives the same logits."""
    base, adapter, adapted = made
    out = merge_adapter(base, adapter, tmp_path / "model")
    merged = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    ids = torch.randint(10, 600, (2, 600), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(merged(ids).logits, adapted(ids).logits, rtol=0, atol=2e-4)
        assert not torch.allclose(merged(ids).logits, load_base(base, "float32")[0](ids).logits)


KINDS = {
    "rslora": {"rslora": True},
    "dora": {"dora": True},
    "rslora and dora": {"rslora": True, "dora": True},
    "pissa": {"init": "pissa"},
    "olora and dora": {"init": "olora", "dora": True},
    "mica": {"init": "mica"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_adapter_merges_right(tmp_path, kind):
    """The merged model gives the logits of base plus adapter, whatever scales the adapter."""
    base = save_exaone(tmp_path / "base")
    model, _ = load_base(base, "float32")
    options = LoraOptions(rank=4, alpha=8, targets="attention+mlp", **KINDS[kind])
    adapted = add_adapter(model, options, seed=0).eval()
    dice = torch.Generator().manual_seed(0)
    for _, weight in adapted.named_parameters():
        if weight.requires_grad:
            weight.data += torch.randn(weight.shape, generator=dice) * 0.05
    adapted.save_pretrained(tmp_path / "adapter")
    out = merge_adapter(base, tmp_path / "adapter", tmp_path / "model")
    merged = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    ids = torch.randint(10, 600, (2, 100), generator=dice)
    with torch.no_grad():
        torch.testing.assert_close(merged(ids).logits, adapted(ids).logits, rtol=0, atol=5e-6)
        plain = load_base(base, "float32")[0](ids).logits
        assert (merged(ids).logits - plain).abs().max() > 0.1


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"init_lora_weights": "pissa"}, "pissa로 시작한 어댑터"),
        ({"layer_replication": [[0, 2], [1, 2]]}, "layer_replication"),
        ({"use_dora": True}, "lora_magnitude_vector"),
    ],
)
def test_an_adapter_that_would_merge_wrong_is_refused(made, tmp_path, changes, hint):
    """Settings under which W + s · B A is not the whole truth are named."""
    base, adapter, _ = made
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ModelError, match=hint):
        merge_adapter(base, adapter, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_tensors_beside_the_lora_are_refused(made, tmp_path):
    """An embedding that was trained along would be lost silently; it is named."""
    base, adapter, _ = made
    weights = load_file(adapter / "adapter_model.safetensors")
    weights["base_model.model.model.embed_tokens.weight"] = torch.zeros(640, 64)
    save_file(weights, adapter / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"LoRA가 아닌 텐서 1개.*embed_tokens"):
        merge_adapter(base, adapter, tmp_path / "model")


def test_a_second_copy_of_the_weights_is_not_merged_in(made, tmp_path):
    """Only the files of the checkpoint count, not another layout that lies beside them."""
    base, adapter, _ = made
    save_file({"layers.0.wq": torch.zeros(2, 2)}, base / "consolidated.safetensors")
    out = merge_adapter(base, adapter, tmp_path / "model")
    assert not (out / "consolidated.safetensors").exists()
    AutoModelForCausalLM.from_pretrained(out)


def test_tensors_that_the_adapter_leaves_alone_are_identical(made, tmp_path):
    """Norms and embeddings are copied, not computed."""
    base, adapter, _ = made
    out = merge_adapter(base, adapter, tmp_path / "model")
    before = {k: v for f in base.glob("*.safetensors") for k, v in load_file(f).items()}
    after = {k: v for f in out.glob("*.safetensors") for k, v in load_file(f).items()}
    assert {llama_name(name) for name in before} == set(after)
    for name in ("transformer.wte.weight", "transformer.h.1.ln_2.weight"):
        assert torch.equal(before[name], after[llama_name(name)])


def test_the_folder_carries_what_the_model_needs(made, tmp_path):
    """Tokenizer, template with the character, stop tokens, licence, small files, manifest."""
    base, adapter, _ = made
    baked = Baked(default_system="너는 '엑사'다.", texts={"character.yaml": "name: 엑사\n"})
    out = merge_adapter(base, adapter, tmp_path / "model", baked=baked, inputs={"a": "1"})
    tokenizer = AutoTokenizer.from_pretrained(out)
    text = tokenizer.apply_chat_template([{"role": "user", "content": "안녕"}], tokenize=False)
    assert text.startswith("[|system|]너는 '엑사'다.[|endofturn|]\n")
    assert json.loads((out / "generation_config.json").read_text())["eos_token_id"] == [6]
    assert (out / "LICENSE").read_text() == "licence of the base\n"
    assert (out / "character.yaml").read_text() == "name: 엑사\n"
    assert read_manifest(out).inputs == {"a": "1"}


def test_the_config_can_be_read_by_transformers_4_and_5(made, tmp_path):
    """RoPE stands in both dialects, the tie key is explicit, no remote code is named."""
    base, adapter, _ = made
    config = json.loads((merge_adapter(base, adapter, tmp_path / "m") / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 1e6
    assert config["rope_scaling"]["rope_type"] == config["rope_parameters"]["rope_type"] == "llama3"
    assert "tie_word_embeddings" in config
    assert "auto_map" not in config


def test_the_dtype_can_be_chosen(made, tmp_path):
    """float32 weights are saved as bfloat16 when asked."""
    base, adapter, _ = made
    out = merge_adapter(base, adapter, tmp_path / "model", baked=Baked(dtype="bfloat16"))
    dtypes = {t.dtype for f in out.glob("*.safetensors") for t in load_file(f).values()}
    assert dtypes == {torch.bfloat16}
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"


def test_an_adapter_of_another_base_is_refused(made, tmp_path):
    """The layer that does not fit is named, and nothing is written."""
    base, adapter, _ = made
    weights = load_file(adapter / "adapter_model.safetensors")
    key = next(name for name in weights if name.endswith("q_proj.lora_A.weight"))
    weights[key] = torch.zeros(4, 32)
    save_file(weights, adapter / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="q_proj.*다른 모델의 어댑터"):
        merge_adapter(base, adapter, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_truncated_shard_is_refused(made, tmp_path):
    """The file is named; the model of before stays."""
    base, adapter, _ = made
    out = merge_adapter(base, adapter, tmp_path / "model")
    shard = sorted(base.glob("*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(ModelError, match=shard.name):
        merge_adapter(base, adapter, out)
    assert read_manifest(out) is not None


@pytest.mark.parametrize(
    "junk", [b"", b"1234", struct.pack("<Q", 1 << 60), b"\x04" + b"\0" * 7 + b"[12]"]
)
def test_a_file_that_is_no_safetensors_is_refused(made, tmp_path, junk):
    """Whatever the bytes, the answer is one message."""
    base, adapter, _ = made
    (base / "model.safetensors").write_bytes(junk)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        merge_adapter(base, adapter, tmp_path / "model")


def test_a_missing_adapter_is_one_message(exaone_base, tmp_path):
    """A folder without an adapter is named."""
    with pytest.raises(ModelError, match="어댑터 폴더가 아니거나"):
        merge_adapter(exaone_base, tmp_path, tmp_path / "model")


def test_every_exaone_name_has_a_llama_name(exaone_base):
    """The product's table undoes the one that the test models were written with."""
    for name in load_file(exaone_base / "model.safetensors"):
        renamed = llama_name(name)
        assert renamed.startswith("model.")
        assert exaone_name(renamed) == name
    assert len(RENAMED) == 9


def test_the_base_is_left_as_it_was(made, tmp_path):
    """Merging reads the base and writes elsewhere."""
    base, adapter, _ = made
    copy = tmp_path / "copy"
    shutil.copytree(base, copy)
    merge_adapter(base, adapter, tmp_path / "model")
    for path in copy.iterdir():
        assert (base / path.name).read_bytes() == path.read_bytes()
