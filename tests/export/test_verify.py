"""A merged model is checked against base plus adapter; what differs is named."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from exagirl.artifact import read_manifest
from exagirl.errors import ModelError
from exagirl.export.adapters import WeightedAdapter, read_adapters
from exagirl.export.base_weights import read_base
from exagirl.export.merge import Baked, merge_adapter
from exagirl.export.streamed_model import StreamedModel
from exagirl.export.verify import check_files, verify_merged
from exagirl.training.base_model import base_config
from support.adapters import save_adapter
from support.tiny_models import ARCHITECTURES, save_exaone, save_tiny

BAKED = Baked(default_system="너는 '엑사'다.\n말투: {{반말}}")
PROMPTS = [[5, 9, 200, 31, 77, 9], [4, 300, 301]]


@pytest.fixture
def made(exaone_base, tmp_path):
    """A base, its adapters, and a merged model that was not verified or sealed over yet."""
    save_adapter(exaone_base, tmp_path / "a")
    out = merge_adapter(exaone_base, tmp_path / "a", tmp_path / "m", baked=BAKED, verify=False)
    (out / "manifest.json").unlink()
    return exaone_base, read_adapters(tmp_path / "a"), out


@pytest.mark.parametrize("kind", ["exaone", *ARCHITECTURES])
def test_a_streamed_model_computes_what_the_loaded_one_does(tmp_path, kind):
    """Prompts of several lengths, in one batch, give the logits of each alone."""
    if kind == "exaone":
        save_exaone(tmp_path / "b")
    else:
        save_tiny(kind, tmp_path / "b")
    adapted = save_adapter(tmp_path / "b", tmp_path / "a", dora=True)
    tensors = read_base(tmp_path / "b").tensors
    adapters = read_adapters(tmp_path / "a")
    streamed = StreamedModel(tmp_path / "b", base_config(tmp_path / "b"), tensors, adapters)
    found = streamed.logits(PROMPTS, 4)
    for logits, prompt in zip(found, PROMPTS, strict=True):
        with torch.no_grad():
            wanted = adapted(torch.tensor([prompt])).logits[0, -4:]
        torch.testing.assert_close(logits, wanted, rtol=0, atol=5e-6)


@pytest.mark.parametrize("dtype", ["keep", "bfloat16", "float16"])
def test_rounding_to_the_stored_dtype_is_within_the_tolerance(exaone_base, tmp_path, dtype):
    """The manifest tells how far the logits are, and how far they might be."""
    save_adapter(exaone_base, tmp_path / "a")
    baked = BAKED.model_copy(update={"dtype": dtype})
    out = merge_adapter(exaone_base, tmp_path / "a", tmp_path / "m", baked=baked)
    found = read_manifest(out).notes["verified"]
    assert found["prompts"] == 3
    assert 0 < found["difference"] < found["tolerance"] / 2


def test_the_tolerance_grows_with_the_coarseness_of_the_dtype(exaone_base, tmp_path):
    """float32 is held to 1e-4, float16 to more, bfloat16 to eight times that."""
    save_adapter(exaone_base, tmp_path / "a")
    tolerance = {}
    for dtype in ("float32", "float16", "bfloat16"):
        baked = BAKED.model_copy(update={"dtype": dtype})
        out = merge_adapter(exaone_base, tmp_path / "a", tmp_path / dtype, baked=baked)
        tolerance[dtype] = read_manifest(out).notes["verified"]["tolerance"]
    assert tolerance["float32"] == 1e-4
    assert tolerance["bfloat16"] == pytest.approx(8 * tolerance["float16"])
    assert tolerance["float16"] == pytest.approx(2**-11 * 14**0.5)  # 2 layers of 7


def test_a_layer_that_was_not_merged_is_named(made):
    """One weight of the base instead of the merged one is enough, and the message says which."""
    base, adapters, out = made
    weights = load_file(out / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    weights[name] = load_file(base / "model.safetensors")["transformer.h.1.mlp.c_fc_1.weight"]
    save_file(weights, out / "model.safetensors")
    with pytest.raises(
        ModelError, match=r"로짓 차이.*처음 달라진 층: model\.layers\.1\.mlp\.up_proj"
    ):
        verify_merged(base, adapters, out, BAKED)


def test_an_adapter_of_another_weight_is_noticed(made):
    """The model was merged with weight 1, not with 0.5."""
    base, adapters, out = made
    half = read_adapters(WeightedAdapter(folder=adapters[0].folder, weight=0.5))
    with pytest.raises(ModelError, match="로짓 차이.*q_proj"):
        verify_merged(base, half, out, BAKED)


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("rope_parameters", {"rope_type": "default", "rope_theta": 1e6}, "로짓 차이"),
        ("tie_word_embeddings", False, "없는 텐서가 1개.*lm_head.weight"),
        ("num_hidden_layers", 1, "모르는 텐서가 9개.*layers.1"),
        ("intermediate_size", 100, "크기가 다른 텐서"),
    ],
)
def test_a_configuration_of_another_model_is_noticed(made, key, value, hint):
    """Whatever the weights are, the folder must compute what base plus adapter does."""
    base, adapters, out = made
    path = out / "config.json"
    facts = json.loads(path.read_text()) | {key: value}
    if key == "rope_parameters":
        facts |= {"rope_scaling": None}
    path.write_text(json.dumps(facts))
    with pytest.raises(ModelError, match=hint):
        verify_merged(base, adapters, out, BAKED)


def test_numbers_that_are_none_are_noticed(made):
    """A NaN never counts as close."""
    base, adapters, out = made
    weights = load_file(out / "model.safetensors")
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, out / "model.safetensors")
    with pytest.raises(ModelError, match="로짓 차이 nan"):
        verify_merged(base, adapters, out, BAKED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[|endofturn|]\\n", "[|endofturn|]"),
        ("[|assistant|]", "\\n[|assistant|]"),
        ("반말", "존댓말"),
    ],
)
def test_a_template_that_differs_from_training_is_noticed(made, old, new):
    """A newline too many or too few, or another character, is another sequence of tokens."""
    base, adapters, out = made
    path = out / "chat_template.jinja"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ModelError, match="대화가 학습 때와 다른 토큰"):
        verify_merged(base, adapters, out, BAKED)


def test_a_failed_verification_leaves_nothing(exaone_base, tmp_path):
    """The model never takes its place, and the message says what differed."""
    save_adapter(exaone_base, tmp_path / "a")
    path = tmp_path / "a" / "adapter_model.safetensors"
    weights = load_file(path)
    name = next(n for n in weights if n.endswith("1.mlp.up_proj.lora_B.weight"))
    weights[name] *= 1e30  # finite in float32, but what it gives is not
    save_file(weights, path)
    with pytest.raises(ModelError, match="로짓 차이 nan"):
        merge_adapter(exaone_base, tmp_path / "a", tmp_path / "m", baked=BAKED)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_value_beyond_the_dtype_is_refused_while_merging(exaone_base, tmp_path):
    """float16 ends at 65504; the tensor is named, with or without verification."""
    save_adapter(exaone_base, tmp_path / "a")
    path = tmp_path / "a" / "adapter_model.safetensors"
    weights = {n: w * (1e6 if "lora_B" in n else 1) for n, w in load_file(path).items()}
    save_file(weights, path)
    with pytest.raises(ModelError, match="proj.weight: 합친 값이 F16로.*bfloat16"):
        merge_adapter(
            exaone_base, tmp_path / "a", tmp_path / "m", baked=Baked(dtype="float16"), verify=False
        )


def test_verification_can_be_switched_off(exaone_base, tmp_path):
    """The model is sealed without a word about it."""
    save_adapter(exaone_base, tmp_path / "a")
    out = merge_adapter(exaone_base, tmp_path / "a", tmp_path / "m", verify=False)
    assert "verified" not in read_manifest(out).notes
    AutoModelForCausalLM.from_pretrained(out)


@pytest.mark.parametrize("change", ["flipped bit", "cut", "gone"])
def test_a_finished_folder_that_was_changed_is_noticed(exaone_base, tmp_path, change):
    """A bit in a weight, a lost end, a lost file: each is named by file."""
    save_adapter(exaone_base, tmp_path / "a")
    out = merge_adapter(exaone_base, tmp_path / "a", tmp_path / "m", verify=False)
    path = out / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(content if change == "flipped bit" else content[:-5])
    with pytest.raises(ModelError, match=r"model\.safetensors: (파일이 없|만든 뒤에 내용이 바뀌)"):
        check_files(out)
