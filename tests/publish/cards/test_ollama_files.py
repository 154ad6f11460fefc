"""Ollama finds the character beside the GGUF files, as the model learned it."""

import json

from exagirl.export.ollama import write_modelfile
from exagirl.publish.cards.ollama_files import ollama_files
from support.merged_models import SYSTEM, save_exaone_kind, save_gemma_kind


def test_the_files_say_what_the_modelfile_says(tmp_path):
    """Template, system prompt, sampling and stops are those of `export --to ollama`."""
    model = save_gemma_kind(tmp_path / "model")
    modelfile = write_modelfile(model, tmp_path, "m.gguf").read_text("utf-8")
    files = ollama_files(model)
    assert f'TEMPLATE """{files["template"]}"""' in modelfile
    assert f'SYSTEM """{files["system"]}"""' in modelfile
    params = json.loads(files["params"])
    for stop in params.pop("stop"):
        assert f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" in modelfile
    for name, value in params.items():
        assert f"PARAMETER {name} {value}" in modelfile


def test_the_character_is_the_system_prompt(tmp_path):
    """As it was baked into the chat template."""
    assert ollama_files(save_exaone_kind(tmp_path / "model"))["system"] == SYSTEM


def test_a_template_that_is_not_ours_has_no_files(tmp_path):
    """Nothing is guessed; the Hub makes its own."""
    model = save_exaone_kind(tmp_path / "model")
    (model / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert ollama_files(model) == {}
