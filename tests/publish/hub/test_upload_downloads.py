"""What was uploaded comes back through the libraries that people download with."""

import json
from pathlib import Path

import pytest

from support.hub_client import Uploader, folder_of, planned, run_python
from support.hub_server import TOKEN, HubServer

PROMPT_IDS = [[1, 5, 9, 30, 200]]
DATA_CARD = """---
license: other
configs:
- config_name: gf-persona-data
  data_files: gf-persona-data/*.jsonl
- config_name: exa-data
  data_files: exa-data/*.jsonl
---
# 엑사
"""


@pytest.fixture(scope="module")
def run_upload(tmp_path_factory):
    """Uploads from a process that this file's tests share."""
    with Uploader(tmp_path_factory.mktemp("uploader")) as uploader:
        yield uploader.run


@pytest.fixture
def hub():
    """A Hub without repositories."""
    with HubServer() as server:
        yield server


def files_below(folder):
    """Every file of a folder, by name."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("part", ["model", "dataset", "space"])
@pytest.mark.parametrize("private", [False, True])
def test_a_snapshot_is_byte_for_byte_the_folder(run_upload, part, private, hub, tmp_path):
    """snapshot_download of the run's tag gives the same files, small and large."""
    files = {
        "README.md": b"---\nlicense: mit\n---\n",
        "빈 파일.txt": b"",
        "a/b/c.json": b"{}",
        "model.safetensors": bytes(range(256)) * 5000,
    }
    repo = planned(folder_of(tmp_path / "folder", files), part)
    assert run_upload(hub, [repo], private=private).error == ""
    code = f"""
from huggingface_hub import snapshot_download
print(snapshot_download({repo.repo!r}, repo_type={repo.kind!r}, revision="run-1"))
"""
    told = run_python(code, hub, tmp_path / "reader", HF_TOKEN=TOKEN)
    found = files_below(told.strip())
    found.pop(".gitattributes")
    assert found == files


def test_repo_info_names_commit_and_files(run_upload, hub, tmp_path):
    """The client's own view of the repository agrees with what the upload told."""
    files = {"README.md": b"---\nlicense: mit\n---\n", "app.py": b"print()\n"}
    repo = planned(folder_of(tmp_path / "folder", files), "space")
    done = run_upload(hub, [repo])
    code = f"""
import json
from huggingface_hub import HfApi
info = HfApi().repo_info({repo.repo!r}, repo_type="space")
print(json.dumps([info.sha, info.sdk, [file.rfilename for file in info.siblings]]))
"""
    told = json.loads(run_python(code, hub, tmp_path / "reader"))
    commit = done.published["repos"][0]["commit"]
    assert told == [commit, "gradio", [".gitattributes", "README.md", "app.py"]]


def test_load_dataset_reads_both_configurations(run_upload, hub, tmp_path):
    """load_dataset finds the configurations of the card and gives the rows as they were."""
    rows = {
        name: [{"messages": [{"role": "user", "content": f"{name} 안녕 {n}"}]} for n in range(3)]
        for name in ("gf-persona-data", "exa-data")
    }
    files = {"README.md": DATA_CARD.encode()} | {
        f"{name}/train.jsonl": "".join(json.dumps(row) + "\n" for row in its).encode()
        for name, its in rows.items()
    }
    repo = planned(folder_of(tmp_path / "folder", files), "dataset")
    assert run_upload(hub, [repo]).error == ""
    code = f"""
import json
from datasets import load_dataset
names = ["gf-persona-data", "exa-data"]
rows = {{name: load_dataset({repo.repo!r}, name, split="train").to_list() for name in names}}
print(json.dumps(rows))
"""
    assert json.loads(run_python(code, hub, tmp_path / "reader").splitlines()[-1]) == rows


@pytest.mark.slow
def test_a_model_loaded_from_the_hub_gives_the_same_logits(run_upload, hub, tmp_path):
    """AutoModelForCausalLM.from_pretrained(OWNER/NAME) is the uploaded model."""
    import torch
    from transformers import AutoModelForCausalLM

    from support.tiny_models import save_tokenizer, tiny_llama

    folder = tmp_path / "model"
    tiny_llama(tied=True).save_pretrained(folder)
    save_tokenizer(folder)
    repo = planned(folder)
    assert run_upload(hub, [repo]).error == ""
    code = f"""
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
AutoTokenizer.from_pretrained({repo.repo!r})
model = AutoModelForCausalLM.from_pretrained({repo.repo!r}).eval()
torch.save(model(torch.tensor({PROMPT_IDS})).logits.detach(), {str(tmp_path / "logits.pt")!r})
"""
    run_python(code, hub, tmp_path / "reader")
    here = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = here(torch.tensor(PROMPT_IDS)).logits
    assert torch.equal(torch.load(tmp_path / "logits.pt"), expected)
