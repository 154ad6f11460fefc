"""A GGUF file speaks as the model it was made from: llama.cpp runs it, tokens are compared."""

import json
import shutil
import struct

import pytest
import torch
from gguf import GGUFReader
from safetensors.torch import load_file, save_file

from exagirl.errors import ArtifactError, ModelError
from exagirl.export.choice import has_llama_cpp
from exagirl.export.gguf_run import Continued, LlamaCpp
from exagirl.export.gguf_tokenizer import cut_name
from exagirl.export.gguf_types import QUANTS, Place, Type, find_quant, type_of
from exagirl.export.gguf_verify import compare, make_reference, verify
from exagirl.export.gguf_write import write_gguf
from support.merged_models import SYSTEM, save_exaone_kind, save_gemma_kind, save_qwen_kind
from support.tiny_models import exaone_name

runs_gguf = pytest.mark.skipif(not has_llama_cpp(), reason="xllamacpp is not installed")
KINDS = {
    "exaone tied": lambda folder: save_exaone_kind(folder, tied=True),
    "exaone untied": lambda folder: save_exaone_kind(folder, tied=False),
    "gemma3": save_gemma_kind,
    "qwen3": save_qwen_kind,
    "qwen2": lambda folder: save_qwen_kind(folder, "qwen2"),
}


@runs_gguf
@pytest.mark.parametrize("kind", KINDS)
def test_llama_cpp_says_the_same_as_transformers(kind, tmp_path):
    """Ten prompts, greedy: every prompt is the same tokens, every token of f16 the same."""
    model = KINDS[kind](tmp_path / "model")
    path = write_gguf(model, tmp_path / "m.gguf", find_quant("f16"), name="m")
    found = verify(path, make_reference(model), find_quant("f16"))
    assert found.same_prompts == found.prompts == 10
    assert found.worst_gap_nats <= 0.02
    assert found.same_tokens >= 0.9 * found.tokens


@runs_gguf
@pytest.mark.parametrize("name", QUANTS)
def test_every_number_format_runs(name, tmp_path):
    """llama.cpp loads each, and its first other token is never much worse."""
    model = save_exaone_kind(tmp_path / "model", width=4)
    path = write_gguf(model, tmp_path / "m.gguf", find_quant(name), name="m")
    found = verify(path, make_reference(model), find_quant(name))
    assert found.is_good, found.tell()


@runs_gguf
def test_a_file_that_speaks_otherwise_is_found_out(tmp_path):
    """An f16 file of other weights is an error, not a note."""
    reference = make_reference(save_exaone_kind(tmp_path / "a"))
    other = save_exaone_kind(tmp_path / "b")
    weights = load_file(other / "model.safetensors")
    weights = {k: v.flip(0) if "q_proj" in k else v for k, v in weights.items()}
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    path = write_gguf(other, tmp_path / "b.gguf", find_quant("f16"), name="b")
    with pytest.raises(ModelError, match="원래 모델과 다르게 말합니다"):
        verify(path, reference, find_quant("f16"))


@runs_gguf
def test_the_chat_template_in_the_file_renders_the_same_bytes(tmp_path):
    """With a system message and without, over several turns."""
    from transformers import AutoTokenizer

    model = save_exaone_kind(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(model)
    path = write_gguf(model, tmp_path / "m.gguf", find_quant("f16"), name="m")
    llama = LlamaCpp(path, context_tokens=64)
    turns = [
        {"role": "user", "content": "안녕 'a' \"b\""},
        {"role": "assistant", "content": "*웃으며* 응!"},
        {"role": "user", "content": "{{ x }}"},
    ]
    for messages in (turns, [{"role": "system", "content": "다른 글"}, *turns]):
        wanted = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert llama.render(messages) == wanted
    assert SYSTEM in llama.render(turns)
    llama.close()


def test_the_header_says_what_the_model_is(tmp_path):
    """Stop tokens, the way text is cut, the template without training's marks."""
    model = save_exaone_kind(tmp_path / "model")
    fields = GGUFReader(
        write_gguf(model, tmp_path / "m.gguf", find_quant("f16"), name="엑사")
    ).fields
    assert fields["general.name"].contents() == "엑사"
    assert fields["tokenizer.ggml.eos_token_id"].contents() == 6
    assert fields["tokenizer.ggml.add_bos_token"].contents() is False
    template = fields["tokenizer.chat_template"].contents()
    assert "generation" not in template.replace("add_generation_prompt", "")


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([{"type": "ByteLevel", "use_regex": True}], "gpt-2"),
        ([{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel"}], "exaone"),
    ],
)
def test_the_way_text_is_cut_has_a_name(steps, name):
    """It is read off the tokenizer's steps, not off a list of known files."""
    assert cut_name({"pre_tokenizer": {"pretokenizers": steps}}, is_exaone=False) == name


def test_exaones_tokenizer_goes_by_its_name():
    """Steps that are not known are EXAONE's where its marks stand in the vocabulary."""
    odd = {"pre_tokenizer": {"type": "Whitespace"}}
    assert cut_name(odd, is_exaone=True) == "exaone"
    with pytest.raises(ModelError, match="Whitespace"):
        cut_name(odd, is_exaone=False)


def test_rows_that_do_not_divide_get_a_finer_format():
    """As llama-quantize does: 640 is no multiple of 256."""
    q4 = find_quant("Q4-K-M")
    place = Place(name="blk.1.attn_q.weight", layer=1, layers=8, is_output=False, row_length=640)
    assert type_of(q4, place) == Type.Q5_0
    assert type_of(q4, place.model_copy(update={"row_length": 512})) == Type.Q4_K
    assert type_of(q4, place.model_copy(update={"row_length": 512, "is_output": True})) == Type.Q6_K
    assert type_of(q4, place.model_copy(update={"row_length": 30})) == Type.F16


def test_the_gap_is_that_of_the_first_other_token():
    """Equal tokens count, and what follows the first other one does not."""
    odds = torch.log_softmax(torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 1.5]]), -1)
    said = Continued(token_ids=(0, 2), is_ended=False)
    assert compare((0, 1), odds, said, (1,)) == (1, pytest.approx(0.5))
    ended = Continued(token_ids=(0,), is_ended=True)
    assert compare((0, 1), odds, ended, (1,)) == (2, 0.0)
    early = Continued(token_ids=(), is_ended=True)
    assert compare((0, 1), odds, early, (1,)) == (0, pytest.approx(2.0))


def test_another_architecture_is_named(tmp_path):
    """The message says what it is, and what can be written."""
    model = save_exaone_kind(tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"model_type": "phi3"}))
    with pytest.raises(ModelError, match=r"phi3 구조는.*Llama, EXAONE 3.x.*Gemma 3"):
        write_gguf(model, tmp_path / "m.gguf", find_quant("f16"), name="m")


def test_an_unknown_number_format_is_named():
    """With those that are known."""
    with pytest.raises(ModelError, match=r"q3_xxs.*q4_k_m"):
        find_quant("q3_xxs")


def test_a_damaged_shard_is_named(tmp_path):
    """Nothing is left behind under the file's name."""
    model = save_exaone_kind(tmp_path / "model")
    shard = model / "model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-64])
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        write_gguf(model, tmp_path / "m.gguf", find_quant("f16"), name="m")
    assert not (tmp_path / "m.gguf").exists()


def test_a_disk_without_room_is_told_before_the_work(tmp_path):
    """What is needed and what is free; the model here is holes, twice as long as the disk."""
    model = save_exaone_kind(tmp_path / "model")
    (model / "model.safetensors").unlink()
    layers = 64
    rows = shutil.disk_usage(tmp_path).free // (64 * layers)
    index = {}
    for layer in range(layers):
        name, file = f"model.layers.{layer}.mlp.up_proj.weight", f"part-{layer}.safetensors"
        entry = {"dtype": "BF16", "shape": [rows, 64], "data_offsets": [0, rows * 128]}
        header = json.dumps({name: entry}).encode()
        with (model / file).open("wb") as stream:
            stream.write(struct.pack("<Q", len(header)) + header)
            stream.truncate(8 + len(header) + rows * 128)
        index[name] = file
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    config = json.loads((model / "config.json").read_text()) | {"num_hidden_layers": layers}
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match=r"자리가 모자랍니다.*MB가 필요한데"):
        write_gguf(model, tmp_path / "m.gguf", find_quant("f16"), name="m")
    assert not list(tmp_path.glob("*m.gguf*"))


def test_a_model_without_a_chat_template_is_refused(tmp_path):
    """Nobody could talk with the file."""
    model = save_exaone_kind(tmp_path / "model")
    (model / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="대화 서식이 없습니다"):
        write_gguf(model, tmp_path / "m.gguf", find_quant("f16"), name="m")


def test_a_model_in_exaones_own_layout_becomes_the_same_file(tmp_path):
    """Layer names and configuration are put into Llama's."""
    ours = save_exaone_kind(tmp_path / "ours")
    own = save_exaone_kind(tmp_path / "own")
    weights = load_file(own / "model.safetensors")
    renamed = {exaone_name(name): weight for name, weight in weights.items()}
    save_file(renamed, own / "model.safetensors", metadata={"format": "pt"})
    facts = json.loads((own / "config.json").read_text()) | {"model_type": "exaone"}
    for ours_key, own_key in (
        ("num_hidden_layers", "num_layers"),
        ("rms_norm_eps", "layer_norm_epsilon"),
        ("hidden_act", "activation_function"),
    ):
        facts[own_key] = facts.pop(ours_key)
    (own / "config.json").write_text(json.dumps(facts))
    made = [
        GGUFReader(write_gguf(model, tmp_path / f"{model.name}.gguf", find_quant("f16"), name="m"))
        for model in (ours, own)
    ]
    tensors = [{t.name: t.data.tobytes() for t in reader.tensors} for reader in made]
    assert tensors[0] == tensors[1]
    assert "blk.1.attn_q.weight" in tensors[0]


def test_numbers_beyond_float16_are_not_made_infinite(tmp_path):
    """The message names the formats that hold them."""
    model = save_exaone_kind(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = 1e6
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="65504.*bf16"):
        write_gguf(model, tmp_path / "m.gguf", find_quant("f16"), name="m")


@pytest.mark.slow
@pytest.mark.timeout(600)
@runs_gguf
def test_the_quickstarts_model_says_the_same(tmp_path):
    """Gemma 3 270M itself, f16 and q8_0."""
    from exagirl.artifact import seal
    from exagirl.dataset.chat_template import PLAIN, bake_template
    from exagirl.training import gemma_package
    from exagirl.training.base_model import fetch_base

    if not (gemma_package.cache_folder() / gemma_package.NAME / "manifest.json").is_file():
        pytest.skip("Gemma 3 270M has not been prepared on this machine")
    model = tmp_path / "model"
    shutil.copytree(fetch_base(gemma_package.NAME), model)
    template = bake_template(PLAIN, "너는 '엑사'다. 반말로 말한다.")
    (model / "chat_template.jinja").write_text(template, "utf-8")
    seal(model, "model", {})
    reference = make_reference(model)
    for name, share in (("f16", 0.95), ("q8_0", 0.5)):
        quant = find_quant(name)
        path = write_gguf(model, tmp_path / f"{name}.gguf", quant, name="gemma")
        found = verify(path, reference, quant)
        assert found.is_good, found.tell()
        assert found.same_tokens >= share * found.tokens, found.tell()
