"""The code on the cards is run as it stands: folders lie where the Hub's names would lead."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from exagirl.export.adapter_folder import Named, write_adapter
from exagirl.export.choice import has_llama_cpp
from exagirl.publish.cards.dataset_card import dataset_card
from exagirl.publish.cards.model_card import model_card
from exagirl.publish.cards.teachers import teachers_of
from exagirl.training.base_model import load_base
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions
from support.card_runs import CHOICE, EXAONE, add_gguf, facts_of, licence_for, make_run
from support.chat_server import ChatServer, says

SAID = "*책을 덮으며* 응, 나 엑사야!"


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A finished run with a GGUF export."""
    job = make_run(tmp_path_factory.mktemp("run"))
    add_gguf(job)
    return job


def card(job, part):
    """The page of one part."""
    facts = facts_of(job)
    if part == "dataset":
        return dataset_card(facts, teachers_of(facts.asked), CHOICE)
    return model_card(facts, licence_for(job), CHOICE, part)


def blocks(text, language):
    """The blocks of code in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(code, folder):
    """Run code as a program of its own in a folder, without a way to the Hub; what it printed."""
    folder.mkdir(exist_ok=True)
    ours = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,  # what it wrote to stderr is told below
        cwd=folder,
        env={name: os.environ[name] for name in ("PATH", "HOME")} | ours | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# The words of a random model may be blanks; that it drew tokens shows that it spoke.
COUNT = "print(output.shape[1] - inputs['input_ids'].shape[1])\n"


def test_the_transformers_code_speaks(job, tmp_path):
    """A plain `from_pretrained`, no remote code; something is said."""
    (tmp_path / "moa").mkdir()
    shutil.copytree(job.folder.model, tmp_path / CHOICE.repo)
    code = blocks(card(job, "model"), "python")[0]
    assert "trust_remote_code" not in code
    assert int(run(code + COUNT, tmp_path).split()[-1]) > 0


def test_the_adapter_code_speaks(job, exaone_base, tmp_path):
    """With peft, on the base, both by the names of the card."""
    model, _ = load_base(exaone_base, "float32")
    add_adapter(model, LoraOptions(rank=4, alpha=8), 0).save_pretrained(tmp_path / "trained")
    shutil.copytree(exaone_base, tmp_path / EXAONE)
    adapter = tmp_path / CHOICE.repo_of("adapter")
    adapter.mkdir(parents=True)
    named = Named(name="exa", base=EXAONE)
    write_adapter(tmp_path / "trained", job.folder.model, adapter, named, layout="llama")
    (code,) = blocks(card(job, "adapter"), "python")
    assert int(run(code + COUNT, tmp_path).split()[-1]) > 0


@pytest.mark.parametrize(
    ("part", "which", "port", "asked_for"),
    [
        ("model", 1, 8000, CHOICE.repo),
        ("gguf", 0, 8080, CHOICE.repo_of("gguf")),
        ("gguf", 1, 11434, f"hf.co/{CHOICE.repo_of('gguf')}:Q8_0"),
    ],
    ids=["vLLM", "llama.cpp", "Ollama"],
)
def test_the_code_for_servers_asks_and_prints(job, tmp_path, part, which, port, asked_for):
    """OpenAI's client, with the model's name as that server knows it."""
    code = blocks(card(job, part), "python")[which]
    with ChatServer(lambda asked: says(SAID)) as server:
        address = f"http://localhost:{port}/v1"
        assert address in code
        printed = run(code.replace(address, server.url), tmp_path)
    assert printed.strip() == SAID
    assert server.asked[0].body["model"] == asked_for


@pytest.mark.skipif(not has_llama_cpp(), reason="xllamacpp is not installed")
def test_the_llama_cpp_code_speaks_with_llama_cpp(job, tmp_path):
    """A real GGUF file of the merged model, served as `llama-server` serves it."""
    from exagirl.export.gguf_run import LlamaCpp
    from exagirl.export.gguf_types import find_quant
    from exagirl.export.gguf_write import write_gguf

    path = write_gguf(job.folder.model, tmp_path / "m.gguf", find_quant("q8_0"), name="m")
    llama = LlamaCpp(path, context_tokens=512)
    code = blocks(card(job, "gguf"), "python")[0]
    code = code.replace("http://localhost:8080", llama._server.listening_address)
    code = code.replace("messages=[", "max_tokens=16, messages=[")  # a random model may not end
    assert run(code, tmp_path)
    llama.close()


def test_the_dataset_code_prints_a_dialogue(job, tmp_path):
    """`load_dataset` by the repository's name, with the card in its place."""
    folder = tmp_path / CHOICE.repo_of("dataset")
    shutil.copytree(job.folder.dataset, folder)
    (folder / "README.md").write_text(card(job, "dataset"), "utf-8")
    (code,) = blocks(card(job, "dataset"), "python")
    assert "'role': 'system'" in run(code, tmp_path)


def test_the_shell_lines_name_these_repositories(job):
    """Every command that starts a server or fetches a file; the commands themselves are not run."""
    lines = [
        shlex.split(line)
        for part in ("model", "gguf")
        for block in blocks(card(job, part), "sh")
        for line in block.splitlines()
    ]
    gguf = f"{CHOICE.repo_of('gguf')}:Q8_0"
    assert ["vllm", "serve", CHOICE.repo] in lines
    assert lines.count(["llama-server", "-hf", gguf, "--jinja"]) == 2
    assert lines.count(["ollama", "run", f"hf.co/{gguf}"]) == 2
    assert ["hf", "download", CHOICE.repo, "--local-dir", CHOICE.name] in lines
