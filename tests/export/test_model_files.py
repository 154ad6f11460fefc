"""The folder of a merged model means the same to transformers 4 and 5, and carries what it must."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from exagirl.errors import ModelError
from exagirl.export.merge import Baked, merge_adapter
from exagirl.export.model_files import rope_keys
from support.adapters import save_adapter
from support.plain_transformers import IDS, MESSAGES, SYSTEM, look
from support.tiny_models import ARCHITECTURES, save_exaone, save_tiny

PROGRAM = Path(__file__).parents[1] / "support" / "plain_transformers.py"
OTHER = os.environ.get("EXAGIRL_TRANSFORMERS4", "")
CHARACTER = "너는 '엑사'다.\n\"말투\": {{반말}} \\n {% if %}"
KINDS = ["exaone", "exaone-untied", *ARCHITECTURES]


def _base(kind, folder):
    if kind.startswith("exaone") and kind not in ARCHITECTURES:
        return save_exaone(folder, tied=kind == "exaone")
    save_tiny(kind, folder)
    return folder


def _merged(kind, folder, **baked):
    base = _base(kind, folder / "base")
    adapted = save_adapter(base, folder / "adapter")
    baked = Baked(default_system=CHARACTER, **baked)
    return merge_adapter(base, folder / "adapter", folder / "model", baked=baked), adapted


@pytest.mark.parametrize("kind", KINDS)
def test_every_base_gets_the_keys_that_both_versions_read(tmp_path, kind):
    """RoPE stands in both dialects, the tie key and the dtype are explicit, no code is named."""
    out, _ = _merged(kind, tmp_path)
    config = json.loads((out / "config.json").read_text())
    rope = config["rope_parameters"]
    shared = rope.get("full_attention", rope)
    assert config["rope_theta"] == shared["rope_theta"]
    scaling = config["rope_scaling"]
    assert (scaling or {"rope_type": "default"})["rope_type"] == shared["rope_type"]
    assert config["tie_word_embeddings"] is (kind == "exaone")
    assert config["dtype"] == config["torch_dtype"] == "float32"
    assert "auto_map" not in config
    if "sliding_attention" in rope:
        assert config["rope_local_base_freq"] == rope["sliding_attention"]["rope_theta"]
    if kind == "gpt_neox":
        assert (config["rotary_pct"], config["rotary_emb_base"]) == (0.25, 10_000)


def test_scaled_rope_stands_in_both_dialects():
    """The scaling goes along whole; its base frequency stands beside it."""
    yarn = {"rope_type": "yarn", "rope_theta": 5e5, "factor": 4.0}
    assert rope_keys(yarn) == {
        "rope_theta": 5e5,
        "rope_scaling": {"rope_type": "yarn", "factor": 4.0},
        "rope_parameters": yarn,
    }


def test_the_language_part_of_a_wider_configuration_gets_the_keys_too(tmp_path):
    """Models that also see keep their language part in text_config; both levels are explicit."""
    from exagirl.export.model_files import write_config

    config = {
        "model_type": "gemma3",
        "auto_map": {"AutoModel": "remote.Code"},
        "text_config": {"model_type": "gemma3_text", "rope_theta": 2e6, "auto_map": {"a": "b"}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "out").mkdir()
    write_config(tmp_path, tmp_path / "out", Baked(), "bfloat16")
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    inner = written["text_config"]
    assert inner["rope_theta"] == inner["rope_parameters"]["full_attention"]["rope_theta"] == 2e6
    assert written["tie_word_embeddings"] is inner["tie_word_embeddings"] is True
    assert written["dtype"] == inner["dtype"] == "bfloat16"
    assert "auto_map" not in written | inner


def test_the_tokenizer_is_named_in_words_that_both_versions_know(tmp_path):
    """Version 4 knows neither TokenizersBackend nor a list of extra_special_tokens."""
    out, _ = _merged("exaone", tmp_path)
    facts = json.loads((out / "tokenizer_config.json").read_text())
    assert facts["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "extra_special_tokens" not in facts
    assert facts["additional_special_tokens"] == ["[|system|]", "[|user|]", "[|assistant|]"]
    assert AutoTokenizer.from_pretrained(out).decode([3, 4, 5], skip_special_tokens=True) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_plain_transformers_loads_the_folder_with_the_logits_of_base_plus_adapter(tmp_path, kind):
    """As the documentation's example does: from a folder, without code from it."""
    out, adapted = _merged(kind, tmp_path)
    with torch.no_grad():
        wanted = adapted(torch.tensor(IDS)).logits[0]
    found = look(str(out))
    torch.testing.assert_close(torch.tensor(found["logits"]), wanted, rtol=0, atol=1e-5)
    assert found["stops"] == [6]
    assert found["temperature"] == 0.7


def test_the_character_speaks_unless_the_conversation_brings_a_system_message(tmp_path):
    """The default stands literally, whatever signs it holds; a message of one's own replaces it."""
    out, _ = _merged("exaone", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(out)
    turns = (
        "[|user|]안녕! 오늘 뭐 했어?\n"
        "[|assistant|]*안경을 고쳐 쓰며* 책을 읽고 있었어.[|endofturn|]\n"
        "[|user|]무슨 책?\n[|assistant|]"
    )
    for messages, system in ((MESSAGES, CHARACTER), ([SYSTEM, *MESSAGES], SYSTEM["content"])):
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert text == f"[|system|]{system}[|endofturn|]\n{turns}"
    assert not (out / "chat_template.jinja").read_text().endswith("\n")


def test_licence_and_notice_files_go_along(tmp_path):
    """Whatever they are called; code, weights and readmes of the base do not."""
    base = save_exaone(tmp_path / "base")
    wanted = ["LICENSE", "license.txt", "NOTICE.md", "Gemma_Terms.html", "USE_POLICY.md", "COPYING"]
    for name in [*wanted, "license.py", "README.md", "modeling_exaone.py"]:
        (base / name).write_text(name)
    save_adapter(base, tmp_path / "a")
    out = merge_adapter(base, tmp_path / "a", tmp_path / "m")
    kept = {path.name for path in out.iterdir()}
    assert set(wanted) <= kept
    assert not kept & {"license.py", "README.md", "modeling_exaone.py"}


def test_a_quantized_base_is_refused(tmp_path):
    """Its tensors are no weights that a product could be added to."""
    base = save_exaone(tmp_path / "base")
    save_adapter(base, tmp_path / "a")
    config = json.loads((base / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq"}
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="양자화된 모델"):
        merge_adapter(base, tmp_path / "a", tmp_path / "m")


@pytest.mark.skipif(
    not OTHER,
    reason="EXAGIRL_TRANSFORMERS4 names no folder: pip install --target FOLDER --no-deps "
    "'transformers==4.57.*' 'tokenizers>=0.22,<0.23' 'huggingface_hub<1.0'",
)
def test_transformers_4_gives_the_same_logits_and_tokens(tmp_path):
    """The same folders, read by a transformers 4 in a process of its own."""
    kinds = [kind for kind in KINDS if kind != "hyperclovax"]  # transformers 4 does not have it
    folders = {kind: str(_merged(kind, tmp_path / kind)[0]) for kind in kinds}
    env = {**os.environ, "PYTHONPATH": OTHER}
    command = [sys.executable, str(PROGRAM), str(tmp_path / "found.json"), *folders.values()]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["version"].startswith("4.")
    for folder in folders.values():
        ours, theirs = look(folder), found["models"][folder]
        one, two = torch.tensor(ours.pop("logits")), torch.tensor(theirs.pop("logits"))
        torch.testing.assert_close(one, two, rtol=0, atol=1e-5)
        assert ours == theirs


def test_a_model_in_bfloat16_is_loaded_as_such(tmp_path):
    """The dtype in the configuration is that of the weights."""
    out, _ = _merged("qwen3", tmp_path, dtype="bfloat16")
    assert AutoModelForCausalLM.from_pretrained(out, dtype="auto").dtype == torch.bfloat16
