"""EXAONE checkpoints load natively, exactly, and refuse what would go wrong silently."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from exagirl.errors import ModelError
from exagirl.training.base_model import fetch_base, give_template, load_base
from support.tiny_models import ARCHITECTURES, save_exaone, save_tiny, save_tokenizer, tiny_llama

IDS = torch.randint(10, 600, (2, 100), generator=torch.Generator().manual_seed(1))


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
    with pytest.raises(ModelError, match=r"transformer\.h\.1\.attn\.attention\.out_proj"):
        load_base(folder, "float32")


def test_an_unknown_tensor_is_an_error(exaone_base, tmp_path):
    """A tensor that nothing would read is refused by name."""
    folder = _broken(exaone_base, tmp_path, lambda t: t.update(surplus=torch.zeros(3)))
    with pytest.raises(ModelError, match="surplus"):
        load_base(folder, "float32")


def test_a_misshapen_tensor_is_an_error(exaone_base, tmp_path):
    """A tensor of another size is refused by name, with both sizes."""
    folder = _broken(
        exaone_base, tmp_path, lambda t: t.update({"transformer.ln_f.weight": torch.zeros(3)})
    )
    with pytest.raises(ModelError, match=r"transformer\.ln_f\.weight \(3,\) → \(64,\)"):
        load_base(folder, "float32")


def _with_config(exaone_base, folder, **changes):
    shutil.copytree(exaone_base, folder)
    facts = json.loads((folder / "config.json").read_text()) | changes
    facts = {key: value for key, value in facts.items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture
def pickled(tmp_path):
    """A checkpoint whose weights are pickles, in two files."""
    folder = save_exaone(tmp_path / "pickled", tied=False)
    tensors = list(load_file(folder / "model.safetensors").items())
    (folder / "model.safetensors").unlink()
    for number, part in ((1, tensors[::2]), (2, tensors[1::2])):
        torch.save(dict(part), folder / f"pytorch_model-0000{number}-of-00002.bin")
    return folder


def test_a_pickle_checkpoint_is_refused(pickled):
    """Only safetensors are read; the message names the pickles."""
    with pytest.raises(ModelError, match=r"pickle\(pytorch_model-00001-of-00002\.bin"):
        load_base(pickled)


def test_the_command_that_the_refusal_gives_converts_the_pickle(pickled):
    """Run in the folder as it stands in the message, it makes a checkpoint that loads exactly."""
    with pytest.raises(ModelError) as refusal:
        load_base(pickled)
    command = str(refusal.value).splitlines()[-1]
    assert command.startswith("python ")
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(command, shell=True, cwd=pickled, check=True, env=os.environ | {"PATH": tools})
    with torch.no_grad():
        logits = load_base(pickled, "float32")[0](IDS).logits
        assert torch.equal(logits, tiny_llama(tied=False)(IDS).logits)


def test_a_truncated_shard_is_named(tmp_path):
    """A download that broke off is one message with the file's name."""
    folder = save_exaone(tmp_path / "base", shards=3)
    shard = folder / "model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(ModelError, match=rf"{shard.name}.*다시 받으세요"):
        load_base(folder)


def test_a_shard_that_is_not_there_is_named(tmp_path):
    """The index knows it, the folder does not."""
    folder = save_exaone(tmp_path / "base", shards=3)
    (folder / "model-00003-of-00003.safetensors").unlink()
    with pytest.raises(ModelError, match="model-00003-of-00003"):
        load_base(folder)


@pytest.mark.parametrize("index", ["{", "[]", '{"weight_map": {"a": "../../x.safetensors"}}'])
def test_a_damaged_index_is_one_message(tmp_path, index):
    """No JSON, no map, or a map out of the folder: the index is named."""
    folder = save_exaone(tmp_path / "base", shards=3)
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelError, match=r"index\.json"):
        load_base(folder)


def test_a_tokenizer_larger_than_the_embeddings_is_refused(tmp_path):
    """A token without a row would read beside the matrix; it is named with its number."""
    folder = save_exaone(tmp_path / "base")
    text = json.loads((folder / "tokenizer.json").read_text())
    text["model"]["vocab"]["하나더"] = 640
    (folder / "tokenizer.json").write_text(json.dumps(text))
    with pytest.raises(ModelError, match=r"640행인데 토큰 '하나더'의 번호가 640"):
        load_base(folder)


def test_an_image_token_beyond_the_embeddings_is_no_fault(tmp_path):
    """Gemma 3's text models ship such a token; no text holds it."""
    folder = save_exaone(tmp_path / "base")
    text = json.loads((folder / "tokenizer.json").read_text())
    text["model"]["vocab"]["<image_soft_token>"] = 640
    (folder / "tokenizer.json").write_text(json.dumps(text))
    load_base(folder, "float32")


@pytest.mark.skipif(torch.cuda.is_available(), reason="float16 is fine on CUDA")
def test_float16_on_a_cpu_is_refused(exaone_base):
    """The message says which formats to take instead."""
    with pytest.raises(ModelError, match=r"float16.*bfloat16 또는 float32"):
        load_base(exaone_base, "float16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="4bit may work on CUDA")
def test_four_bits_without_cuda_are_refused(exaone_base):
    """QLoRA needs an NVIDIA GPU, and says so."""
    with pytest.raises(ModelError, match=r"4bit는 CUDA에서만"):
        load_base(exaone_base, quantize="4bit")


def test_an_unknown_architecture_names_what_is_needed(exaone_base, tmp_path):
    """Code in the checkpoint is not run: transformers has to know the kind."""
    folder = _with_config(exaone_base, tmp_path / "b", model_type="exaone_of_tomorrow")
    with pytest.raises(ModelError, match=r"exaone_of_tomorrow.*코드는 실행하지 않으므로"):
        load_base(folder)


def test_a_config_without_a_size_is_one_message(exaone_base, tmp_path):
    """The key that is missing is named."""
    folder = _with_config(exaone_base, tmp_path / "b", num_layers=...)
    with pytest.raises(ModelError, match="num_layers"):
        load_base(folder)


@pytest.mark.parametrize("tied", [True, False])
def test_without_a_tie_key_the_weights_decide(tmp_path, tied):
    """Where the configuration is silent, an output layer in the file means untied."""
    base = save_exaone(tmp_path / "base", tied=tied)
    folder = _with_config(base, tmp_path / "silent", tie_word_embeddings=...)
    with torch.no_grad():
        logits = load_base(folder, "float32")[0](IDS).logits
        assert torch.equal(logits, tiny_llama(tied=tied)(IDS).logits)


def test_an_older_way_to_name_the_rope_type_is_read(exaone_base, tmp_path):
    """``type`` says the same as ``rope_type``."""
    scaling = json.loads((exaone_base / "config.json").read_text())["rope_scaling"]
    scaling["type"] = scaling.pop("rope_type")
    model, _ = load_base(_with_config(exaone_base, tmp_path / "b", rope_scaling=scaling), "float32")
    assert model.config.rope_parameters["rope_type"] == "llama3"


@pytest.mark.skipif("exaone" not in CONFIG_MAPPING, reason="transformers below 5.24 has no exaone")
@pytest.mark.parametrize("tied", [True, False])
def test_a_checkpoint_that_transformers_wrote_again_loads_the_same(tmp_path, tied):
    """Since 5.24 that library knows EXAONE, and saves its configuration in Llama's words."""
    base, again = save_exaone(tmp_path / "base", tied=tied), tmp_path / "again"
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(again)
    save_tokenizer(again)
    with torch.no_grad():
        logits = load_base(again, "float32")[0](IDS).logits
        assert torch.equal(logits, tiny_llama(tied=tied)(IDS).logits)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_other_architectures_come_through_transformers(tmp_path, kind):
    """EXAONE 4, Gemma 3, Qwen 3, Llama and HyperCLOVA X compute what their weights say."""
    expected = save_tiny(kind, tmp_path / kind)
    model, _ = load_base(tmp_path / kind, "float32")
    with torch.no_grad():
        assert torch.equal(model(IDS).logits, expected(IDS).logits)


MEASURE = """
import sys, threading
from exagirl.training.base_model import load_base

def private_mb():
    with open("/proc/self/status") as lines:
        return next(int(l.split()[1]) / 1e3 for l in lines if l.startswith("RssAnon"))

load_base(sys.argv[1], "bfloat16")  # imports and buffers of the libraries
before, peak, done = private_mb(), [0.0], threading.Event()

def watch():
    while not done.wait(0.001):
        peak[0] = max(peak[0], private_mb())

watcher = threading.Thread(target=watch)
watcher.start()
model, _ = load_base(sys.argv[2], "bfloat16")
done.set()
watcher.join()
size = sum(p.nbytes for p in model.parameters()) / 1e6
print(size, max(peak[0], private_mb()) - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_checkpoint_is_never_in_memory_twice(exaone_base, tmp_path):
    """Loading in another format takes the model's own memory and little more.

    The file's pages are mapped, not copied: they are the system's to take back.
    """
    big = save_exaone(tmp_path / "big", width=20, shards=2)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(exaone_base), str(big)],
        capture_output=True,
        text=True,
        check=True,
    )
    model_mb, taken_mb = map(float, run.stdout.split())
    assert model_mb > 45
    assert taken_mb < 1.3 * model_mb


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
