"""Every form is an artifact of its own: whole or not there, and not made twice."""

import os
import subprocess
import sys

import pytest

from exagirl.artifact import read_manifest, seal
from exagirl.errors import ArtifactError, ModelError
from exagirl.export.choice import ExportChoice, has_llama_cpp
from exagirl.export.forms import export_run
from exagirl.export.request import ExportRequest
from exagirl.training.base_model import load_base
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions
from support.merged_models import save_exaone_kind
from support.training_runs import Heard

runs_gguf = pytest.mark.skipif(not has_llama_cpp(), reason="xllamacpp is not installed")


@pytest.fixture
def ask(exaone_base, tmp_path):
    """Asks for a form of a tiny finished run."""
    model, _ = load_base(exaone_base, "float32")
    add_adapter(model, LoraOptions(rank=4, alpha=8), 0).save_pretrained(tmp_path / "adapter")
    seal(tmp_path / "adapter", "adapter", {})
    save_exaone_kind(tmp_path / "model")

    def request(form, **more):
        return ExportRequest(
            choice=ExportChoice(form=form, **more),
            name="exa",
            base="OWNER/base",
            model=tmp_path / "model",
            adapter=tmp_path / "adapter",
            out=tmp_path / "export",
        )

    return request


@runs_gguf
def test_the_manifest_says_how_the_file_compared(ask):
    """So does the page, and nothing is to be warned of."""
    made = export_run(ask("gguf", quants=("f16", "q8_0")))
    facts = made.manifest.notes["verified"]
    assert facts["exa-f16.gguf"]["is_good"] is True
    assert facts["exa-q8_0.gguf"]["prompts"] == 10
    assert "10/10" in (made.folder / "README.md").read_text("utf-8")
    assert made.warnings == ()


WITHOUT_LLAMA_CPP = """
import sys
sys.modules["xllamacpp"] = None  # as if it were not installed
from exagirl.export.forms import export_run
from exagirl.export.request import ExportRequest
made = export_run(ExportRequest.model_validate_json(sys.stdin.read()))
print(*made.warnings)
"""


def test_without_llama_cpp_nothing_is_claimed(ask):
    """The file is made; the warning says that it was not run and what to install."""
    request = ask("gguf")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LLAMA_CPP],
        input=request.model_dump_json(),
        capture_output=True,
        check=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )
    assert "검증하지 못했습니다" in done.stdout
    assert "pip install 'exagirl[gguf]'" in done.stdout
    assert (request.out / "gguf/exa-q8_0.gguf").is_file()


def test_a_file_that_was_not_run_says_so(ask):
    """In the warnings, which the command line shows."""
    made = export_run(ask("gguf", verify=False))
    assert ["검증하지" in warning for warning in made.warnings] == [True]


@pytest.mark.parametrize("form", ["gguf", "ollama", "adapter", "vllm"])
def test_the_same_inputs_are_not_exported_twice(ask, form):
    """The second time nothing is written; the character's new words make it stale."""
    first = export_run(ask(form, verify=False))
    heard = Heard()
    again = export_run(ask(form, verify=False), heard)
    assert again.manifest.created == first.manifest.created
    assert (heard.started, heard.said) == ([], [])
    model = ask(form).model
    (model / "character.yaml").write_text("name: 다른 엑사\n", "utf-8")
    seal(model, "model", {})
    assert export_run(ask(form, verify=False)).manifest.inputs != first.manifest.inputs


@pytest.mark.parametrize("form", ["gguf", "ollama", "adapter", "vllm"])
def test_every_file_is_in_the_manifest(ask, form):
    """The licence goes along into every form."""
    made = export_run(ask(form, verify=False))
    found = {p.relative_to(made.folder).as_posix() for p in made.folder.rglob("*") if p.is_file()}
    assert found == {*made.manifest.files, "manifest.json"}
    assert any(name.endswith("LICENSE") for name in found)


def test_foreign_files_are_not_thrown_away(ask, tmp_path):
    """Unless it is asked for."""
    made = export_run(ask("adapter"))
    (made.folder / "my-notes.txt").write_text("keep")
    with pytest.raises(ArtifactError, match=r"my-notes\.txt.*--overwrite"):
        export_run(ask("adapter", layout="exaone"))
    assert (made.folder / "my-notes.txt").read_text() == "keep"
    export_run(ask("adapter", layout="exaone", overwrite=True))
    assert not (made.folder / "my-notes.txt").exists()


def test_a_half_made_form_is_made_again(ask):
    """What an interrupted export left beside goes away."""
    request = ask("adapter")
    aside = request.out / ".adapter.partial"
    aside.mkdir(parents=True)
    (aside / "junk").write_text("half")
    made = export_run(request)
    assert read_manifest(made.folder) is not None
    assert not aside.exists()


def test_a_run_without_a_model_is_told_what_to_do(ask, tmp_path):
    """The command that makes it is named."""
    (tmp_path / "model/manifest.json").unlink()
    with pytest.raises(ArtifactError, match="먼저 'exagirl merge exa'"):
        export_run(ask("gguf"))


@pytest.mark.parametrize(
    ("form", "more", "hint"),
    [
        ("gguf", {"quants": ("q3",)}, "q3: 모르는 형식"),
        ("adapter", {"quants": ("q8_0",)}, "--quant는"),
        ("ollama", {"quants": ("q8_0", "f16")}, "하나만"),
        ("gguf", {"layout": "exaone"}, "--layout exaone은"),
    ],
)
def test_options_that_do_not_fit_are_named(ask, form, more, hint):
    """Before any work."""
    with pytest.raises((ArtifactError, ModelError), match=hint):
        export_run(ask(form, **more))
    assert not ask(form).out.exists()


def test_a_damaged_model_leaves_the_earlier_form(ask, tmp_path):
    """The message names the shard."""
    export_run(ask("gguf", verify=False))
    shard = tmp_path / "model/model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-8])
    seal(tmp_path / "model", "model", {})
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        export_run(ask("gguf", verify=False))
    assert (tmp_path / "export/gguf/exa-q8_0.gguf").is_file()
