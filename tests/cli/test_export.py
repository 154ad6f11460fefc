"""``exagirl export``: what a person types, and what stands on the screen."""

import pytest
import yaml
from safetensors import safe_open

from exagirl.artifact import read_manifest, seal
from exagirl.cli.main import main
from exagirl.recipe import load_recipe
from exagirl.training.base_model import load_base
from exagirl.training.lora import add_adapter
from exagirl.training.options import LoraOptions
from support.merged_models import save_exaone_kind


@pytest.fixture
def run(exaone_base, tmp_path):
    """A finished run, as far as exporting looks at it."""
    root = tmp_path / "runs/exa"
    root.mkdir(parents=True)
    recipe = load_recipe("quickstart").recipe.model_dump(mode="json", exclude_unset=True)
    recipe["name"] = "exa"
    (root / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), "utf-8")
    (root / "character.yaml").write_text(_character(), "utf-8")
    model, _ = load_base(exaone_base, "float32")
    stage = recipe["training"]["stages"][-1]["name"]
    adapter = root / "adapter" / stage
    add_adapter(model, LoraOptions(rank=4, alpha=8), 0).save_pretrained(adapter)
    seal(adapter, "adapter", {})
    save_exaone_kind(root / "model")
    return root


def _character():
    from exagirl.persona.yaml_file import dump_character

    return dump_character(load_recipe("quickstart").character)


def _export(run, *words):
    return main(["export", "exa", *words, "--runs", str(run.parent)])


def test_a_gguf_is_made_and_compared(run, capsys):
    """Where xllamacpp is, the screen says how it compared; elsewhere, how to install it."""
    assert _export(run, "--to", "gguf", "--quant", "f16") == 0
    shown = capsys.readouterr().out
    assert (run / "export/gguf/exa-f16.gguf").is_file()
    assert "10/10" in shown or "exagirl[gguf]" in shown
    assert "llama-server -m" in shown


@pytest.mark.parametrize("form", ["adapter", "vllm", "ollama"])
def test_every_form_says_where_it_is(run, capsys, form):
    """Its folder stands under the run."""
    assert _export(run, "--to", form) == 0
    assert (run / "export" / form / "manifest.json").is_file()
    assert "끝났습니다" in capsys.readouterr().out


def test_the_layout_can_be_exaones(run):
    """The layers bear the published checkpoint's names."""
    assert _export(run, "--to", "adapter", "--layout", "exaone") == 0
    assert "out_proj" in (run / "export/adapter/adapter_config.json").read_text()


@pytest.mark.parametrize(
    ("layout", "kind"), [("exaone", "transformer.h.0."), ("llama", "model.layers.0.")]
)
def test_the_merged_model_can_bear_either_names(run, exaone_base, layout, kind):
    """Merged anew, with the character inside."""
    text = (run / "recipe.yaml").read_text("utf-8").replace("gemma3-270m", str(exaone_base))
    (run / "recipe.yaml").write_text(text, "utf-8")
    assert _export(run, "--to", "model", "--layout", layout) == 0
    made = run / "export/model"
    with safe_open(made / "model.safetensors", "pt") as weights:
        assert any(name.startswith(kind) for name in weights.keys())  # noqa: SIM118 (no dict)
    assert (made / "character.yaml").read_text("utf-8") == _character()
    assert read_manifest(made).kind == "export-model"


def test_a_wrong_option_is_one_message(run, capsys):
    """Exit code 2, no traceback."""
    assert _export(run, "--to", "gguf", "--quant", "q9") == 2
    error = capsys.readouterr().err
    assert "q9: 모르는 형식" in error
    assert "Traceback" not in error


def test_a_run_that_is_not_merged_is_told_what_to_do(run, capsys):
    """The command is named."""
    (run / "model/manifest.json").unlink()
    assert _export(run, "--to", "vllm") == 2
    assert "exagirl merge exa" in capsys.readouterr().err
